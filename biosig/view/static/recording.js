// The page of one recording: controls, keys, what is said of the view, and panels.

import { getJSON, make, choice } from "./net.js";
import { Trace } from "./trace.js";
import { Calipers } from "./calipers.js";
import { LAYOUTS, paperGroup } from "./layout.js";
import { CARD_MM, PAGES, SPEEDS, calibrate, isCalibrated, number, pxPerMm, seconds, unitSign } from "./scale.js";

const LOWS = { eeg: [0.1, 0.16, 0.3, 0.53, 1, 5], ecg: [0.05, 0.15, 0.5, 0.67], other: [0.1, 0.3, 0.5, 1] };
const HIGHS = { eeg: [15, 30, 35, 50, 70, 100], ecg: [35, 40, 100, 150, 250], other: [5, 8, 15, 40] };
const NOTCHES = [50, 60];
const KEYS = [
  ["← →", "a tenth of a page"],
  ["Shift + ← →, PageUp, PageDown", "a page"],
  ["Home, End", "begin, end"],
  ["+ −", "gain"],
  ["1 … 9", "montage"],
  ["n", "notch 50 Hz, 60 Hz, off"],
  ["c", "calipers"],
  ["g", "go to a time"],
  ["[ ]", "annotation before, after"],
  ["e", "EEG as it is read: double banana, 1–70 Hz; again: as recorded"],
  ["i", "polarity of EEG"],
  ["z", "zero as recorded, or each channel's median"],
  ["f", "features of the view"],
  ["t", "table of the view"],
  ["with calipers: ← →", "a sample (Shift: ten)"],
  ["x", "the other cursor"],
  ["m", "equal steps"],
  ["p", "cursors go to peaks"],
  ["r", "keep the interval as RR"],
  ["Esc", "leave calipers, dialogs"],
  ["?", "this list"],
];

export async function recordingPage(main, number_, { at = 0, heads = null } = {}) {
  main.replaceChildren(make("p", {}, "Opening …"));
  let about;
  try {
    about = await getJSON(`/api/recordings/${number_}`);
  } catch (error) {
    main.replaceChildren(make("p", { class: "error", role: "alert" }, error.message));
    return;
  }
  new RecordingPage(main, about, heads).trace.go(at);
}

class RecordingPage {
  constructor(main, about, heads) {
    this.about = about;
    this.heads = heads;
    this.tools = make("div", { class: "tools", role: "toolbar", "aria-label": "View" });
    this.live = make("p", { class: "status", role: "status", "aria-live": "polite", id: "live" });
    this.facts = make("p", { class: "status facts", id: "facts" });
    this.warning = make("p", { class: "status warn", id: "warning" });
    this.measure = make("output", { class: "status", id: "caliper", "aria-live": "polite" });
    this.canvas = make("canvas", { tabindex: "0", role: "img",
  id: "signal", "aria-describedby": "live", "aria-label": `Signals of ${about.name}. The table of the view gives them as numbers.` });
    this.slider = make("input", { type: "range", class: "time", min: "0", max: String(about.duration), step: "any",
      value: "0", "aria-label": "Position in the recording" });
    this.panels = make("div", {});
    this.trace = new Trace(this.canvas, about, { changed: () => this.say() });
    this.calipers = new Calipers(this.trace, (text) => (this.measure.textContent = text));
    main.replaceChildren(make("h2", {}, about.name), this.tools, this.live, this.warning, this.measure, make(
    "div", { class: "sheet" }, this.canvas), this.slider, this.facts, this.panels, this.help());
    this.showTools();
    this.showNotes();
    this.listen();
    window.biosig = Object.freeze({ get view() { return Object.freeze(page.trace.state()); } });
    const page = this;
  }

  get active() {
    return this.trace.groups[this.trace.main];
  }

  /** The controls, made anew whenever what they offer may have changed; the one in use keeps the focus. */
  showTools() {
    const focused = document.activeElement?.closest?.("label")?.firstChild?.textContent;
    this.tools.replaceChildren(...this.whatIsShown(), ...this.scales(), ...this.filters(), ...this.readings());
    const again = [...this.tools.querySelectorAll("label")].find((label) => label.firstChild.textContent === focused);
    again?.querySelector("select, input")?.focus();
  }

  choose(name, options, value, change) {
    return choice(name, options, value, (chosen) => {
      change(chosen);
      this.changed();
    });
  }

  whatIsShown() {
    const t = this.trace, group = this.active, tools = [];
    const title = (each) => {
      const [only, more] = each.channels;
      return `${each.kind.toUpperCase()} ${more ? each.channels.length : only.name}`;
    };
    if (t.groups.length > 1) {
      tools.push(this.choose("Controls of", t.groups.map((each, g) => [g, title(each)]), t.main, (value) => {
        t.main = Number(value);
        if (!t.shown.includes(t.main)) t.shown = [...t.shown, t.main].sort((a, b) => a - b);
      }));
      const shown = [["all", "all signals"], ["main", `${title(group)} alone`]];
      tools.push(this.choose("Shown", shown, t.shown.length > 1 ? "all" : "main", (value) => {
        t.shown = value === "all" ? t.groups.map((_, g) => g) : [t.main];
      }));
    }
    if (group.montages.length > 1) {
      const names = group.montages.map((each, i) => [i, `${i + 1} ${each.name}`]);
      tools.push(this.choose("Montage", names, t.montages[t.main], (value) => (t.montages[t.main] = Number(value))));
    }
    if (paperGroup(t) >= 0)
      tools.push(this.choose("Sheet", LAYOUTS.map((each) => [each, each]), t.layout, (value) => {
        t.layout = value;
        if (value !== "12x1") t.shown = [paperGroup(t)];
      }));
    return tools;
  }

  scales() {
    const t = this.trace, gains = t.gains[t.main];
    const speeds = [...new Set([...SPEEDS, t.speed])].sort((a, b) => a - b);
    const named = speeds.map((each) => [each, `${Number(each.toPrecision(3))} mm/s`]);
    const zeros = [["recorded", "as recorded"], ["median", "channel's median"]];
    return [
      this.choose("Speed", named, t.speed, (value) => (t.speed = Number(value))),
      this.choose("Page", [["", "by speed"], ...PAGES], "", (value) => {
        if (!value) return;
        t.layout = "12x1";
        t.speed = t.speedFor(value === "all" ? t.duration : Number(value));
        if (value === "all") t.t0 = 0;
      }),
      this.choose("Gain", gains.list.map((each, i) => [i, each.text]), gains.at, (value) => (gains.at = Number(value))),
      this.choose("Zero", zeros, t.zero[t.main], (value) => (t.zero[t.main] = value)),
    ];
  }

  filters() {
    const t = this.trace, kind = this.active.kind;
    const offered = LOWS[kind] ? kind : "other";
    const filter = (name, list, place) => {
      const parts = (t.filters[kind] || "-,-,-").split(",");
      const options = [["-", "off"], ...list.map((each) => [String(each), `${each} Hz`])];
      return this.choose(name, options, parts[place], (value) => {
        parts[place] = value;
        t.filters[kind] = parts.every((part) => part === "-") ? "" : parts.join(",");
      });
    };
    const tools = [
      filter("High-pass", LOWS[offered], 0), filter("Low-pass", HIGHS[offered], 1), filter("Notch", NOTCHES, 2),
    ];
    if (kind !== "eeg") return tools;
    const ways = [["montage", "as montage"], ["negative", "negative up"], ["positive", "positive up"]];
    tools.push(this.choose("Polarity", ways, t.polarity, (value) => (t.polarity = value)));
    tools.push(this.button("Clinical EEG", () => this.clinical(), t.filters.eeg === "1,70,-"));
    return tools;
  }

  readings() {
    const t = this.trace;
    const go = () => t.go(Number(this.goto.value));
    this.goto = make("input", { type: "number", min: "0", step: "any", "aria-label": "Go to second", onchange: go });
    const panel = (text, name) => this.button(text, () => this.flip(name), Boolean(this.shown?.[name]));
    return [
      make("label", {}, "Go to (s)", this.goto),
      this.button("Calipers", () => this.flipCalipers(), this.calipers.on),
      panel("Features", "features"),
      panel("Table of the view", "table"),
      this.heads ? panel("Model's heads", "heads") : null,
      panel("Person", "person"),
      this.button("Screen size", () => this.sizeDialog()),
      this.button("Keys", () => this.keys.showModal()),
    ].filter((each) => each);
  }

  button(text, run, pressed) {
    const state = pressed === undefined ? {} : { "aria-pressed": String(pressed) };
    return make("button", { type: "button", onclick: run, ...state }, text);
  }

  showNotes() {
    const { about } = this;
    const labels = Object.entries(about.labels).map(([name, value]) => `${name}: ${value}`);
    const lines = [...(labels.length ? [`Labels: ${labels.join("; ")}`] : []), ...(about.history.length ? [
      `Done to the samples: ${about.history.join("; ")}`
    ] : []), ...about.notes];
    if (about.n_annotations) lines.push(`${about.n_annotations} annotations.`);
    this.panels.append(...lines.map((line) => make("p", { class: "small" }, line)));
  }

  changed() {
    this.trace.go(this.trace.t0);
    this.showTools();
    this.calipers.tell();
  }

  /** What stands on the page about what is drawn. */
  say() {
    const t = this.trace;
    const speed = `${Number(t.speed.toPrecision(3))} mm/s`;
    const long = t.duration > 600 && t.seconds > 60;
    const end = Math.min(t.t0 + t.seconds, t.duration);
    const warnings = new Set(t.errors ? [t.errors] : []);
    const cut = t.plan.cells.filter((_, i) => t.plan.drawn?.[i]?.beyond).map((cell) => cell.name);
    if (cut.length) warnings.add(
      `Cut off at the edge of the sheet: ${[...new Set(cut)].slice(0, 6).join(", ")}${cut.length > 6 ? " …" : ""}; a smaller gain shows all.`
      );
    const facts = t.shown.map((g) => {
      const group = t.groups[g],
        montage = t.montageOf(g);
      const headers = t.parts(g).map((part) => part.header);
      const [low, high] = group.band;
      const band = low === null && high === null ? "recorded band not stated" :
        `recorded ${low ?? "…"}–${high ?? "…"} Hz`;
      for (const header of headers)
        for (const note of header.notes)
          if (note.startsWith("NOT")) warnings.add(note);
      const columns = headers.find((header) => header.mode === "columns");
      const held = Number((group.sfreq * t.step).toPrecision(3));
      const edges = columns?.edge ? `, edges to ${columns.edge}` : "";
      const how = columns ? `; least and greatest sample of each pixel (${held} samples${edges})` : "; every sample";
      const zero = t.zero[g] === "median" ? "each channel about its median of the recording" : "zero as recorded";
      const notes = [...new Set(headers.flatMap((header) => header.notes))].filter((note) => !note.startsWith(
        "NOT"));
      const fixed = group.microvolts ? "" : unitSign(group.unit) === "a.u." ? ", a.u., gain fixed" : ", gain fixed";
      const missing = montage.rows.filter((row) => !row.present).length;
      return `${group.kind.toUpperCase()} ${speed} ${t.gainOf(g).text}${fixed}; ${group.sfreq} Hz, ${band}, view: ${headers[0]?.filters ?? "…"}; ${montage.name}${missing ? `, ${missing} rows lack a channel` : ""}${group.kind === "eeg" ? (t.negativeUp(g) ? ", negative up" : ", positive up") : ""}; ${zero}${how}${notes.length ? "; " + notes.join("; ") : ""}.`;
    });
    this.facts.replaceChildren(...facts.flatMap((fact) => [fact, make("br")]),
      `Scale ${isCalibrated() ? "calibrated" : "nominal (96 px an inch)"}: 1 mm = ${t.mm.toFixed(2)} px.`);
    this.warning.textContent = [...warnings].join(" ");
    const main = t.gainOf(t.main).text;
    const text =
      `${seconds(t.t0, long)}–${seconds(end, long)}${long ? "" : " s"} of ${seconds(t.duration, long)}${long ? "" : " s"}, ${speed} ${main}, ${t.montageOf(t.main).name}${t.negativeUp(t.main) ? ", negative up" : ""}`;
    if (text !== this.text) {
      this.text = text;
      clearTimeout(this.speaking);
      this.speaking = setTimeout(() => (this.live.textContent = text), 150);
    }
    if (document.activeElement !== this.slider) this.slider.value = String(t.t0);
    clearTimeout(this.refreshing);
    this.refreshing = setTimeout(() => this.refresh(), 400);
  }

  /** The usual view of a clinical EEG, every part of which the page names; and back. */
  clinical() {
    const t = this.trace;
    const g = t.groups.findIndex((group) => group.kind === "eeg");
    if (g < 0) return;
    const banana = t.groups[g].montages.findIndex((montage) => montage.name === "double banana");
    const is = t.filters.eeg === "1,70,-";
    t.main = g;
    t.filters.eeg = is ? "" : "1,70,-";
    t.montages[g] = is || banana < 0 ? 0 : banana;
    this.changed();
  }

  flipCalipers() {
    this.calipers.toggle();
    this.showTools();
    if (this.calipers.on) this.canvas.focus();
  }

  flip(name) {
    this.shown ??= {};
    if (this.shown[name]) {
      this.shown[name].remove();
      delete this.shown[name];
    } else {
      this.shown[name] = make("section", { class: "panel", id: name, tabindex: "0", "aria-label": name });
      this.panels.prepend(this.shown[name]);
      this.stretch = "";
      this.refresh();
    }
    this.showTools();
  }

  async refresh() {
    const t = this.trace;
    const stretch = [t.t0, t.seconds, t.ready, JSON.stringify(t.montages)].join();
    if (!this.shown || stretch === this.stretch || !this.canvas.isConnected) return;
    this.stretch = stretch;
    const view = { from: t.t0, to: Math.min(t.t0 + t.seconds, t.duration) };
    const title = `${seconds(view.from)}–${seconds(view.to)} s`;
    for (const [name, panel] of Object.entries(this.shown)) {
      if (name === "table") panel.replaceChildren(this.table());
      else if (name === "person") {
        const person = await getJSON(`/api/recordings/${this.about.number}/person`);
        panel.replaceChildren(make("p", {}, Object.keys(person).length ?
          `Subject ${person.id}, age ${person.age ?? "unknown"}, ${person.sex ?? "sex unknown"}` :
          "The recording names nobody."));
      } else {
        const what = `/api/recordings/${this.about.number}/${name}`;
        try {
          const found = await getJSON(what, view);
          panel.replaceChildren(...(name === "features" ? this.features(found, title) : this.saysModel(found,
          title)));
        } catch (error) {
          panel.replaceChildren(make("p", { class: "error" }, error.message));
        }
      }
    }
  }

  features(found, title) {
    const first = found.features.filter((each) => !each.name.includes("["));
    const rest = found.features.filter((each) => each.name.includes("["));
    const table = (list) => make("table", {}, make("tbody", {}, ...list.map((each) => make("tr", {}, make(
    "th", { scope: "row" }, each.name), make("td", { class: "number" }, number(each.value)), make("td", {},
      each.unit === "1" ? "" : each.unit), make("td", { class: "small" }, each.formula)))));
    return [make("h2", {}, `Features of ${title}, unfiltered signal as recorded`), ...found.notes.map((note) => make(
      "p", { class: "small" }, note)), table(first), make("details", {}, make("summary", {},
      `${rest.length} by channel, region or pair`), table(rest)), make("p", { class: "small" },
      `${found.n_absent ?? 0} more have no value here.`)];
  }

  saysModel(found, title) {
    return [make("h2", {}, `${found.model} of ${title}, as one window`), found.trained ? null : make(
    "p", { class: "error" }, "Random weights: these numbers mean nothing."), make("p", { class: "small" },
      "Numbers of a research model, not a finding about a person."), make("table", {}, make("tbody", {}, ...found
      .heads.map((each) => make("tr", {}, make("th", { scope: "row" }, each.name), make(
      "td", { class: "number" }, number(each.value))))))].filter(Boolean);
  }

  /** Numbers of each row in view; a box marks a channel as bad, which no average takes. */
  table() {
    const t = this.trace;
    const rows = t.plan.cells.map((cell) => {
      let low = Infinity,
        high = -Infinity,
        last = NaN;
      for (const part of t.parts(cell.group)) {
        const { header, arrays } = part;
        if (cell.missing) break;
        const columns = arrays.columns;
        const n = columns ? columns.shape[2] : (arrays.samples ?? arrays.values).shape[1];
        for (let i = 0; i < n; i++) {
          const time = columns ? (header.first + i) * header.step : header.onset + (header.start + i) / header
            .sfreq;
          if (time < cell.start || time > cell.start + cell.seconds) continue;
          let least, most;
          if (columns) {
            least = columns.data[(columns.shape[1] + cell.at) * n + i];
            most = columns.data[(2 * columns.shape[1] + cell.at) * n + i];
          } else {
            if (header.gaps.some(([at, start, stop]) => at === cell.at && start <= time + 1e-9 && time + 1e-9 <
                stop)) continue;
            const flat = cell.at * n + i;
            least = most = arrays.samples ? arrays.samples.data[flat] * header.scale[cell.at] + header.offset[cell
              .at] : arrays.values.data[flat];
          }
          if (least < low) low = least;
          if (most > high) high = most;
          last = most;
        }
      }
      const box = make("input", { type: "checkbox", "aria-label": `${cell.name} is bad`, onchange: () => this
          .flipBad(cell.name) });
      box.checked = this.trace.bad.has(cell.name);
      return make("tr", {}, make("th", { scope: "row" }, cell.name), make("td", {}, cell.missing || cell.note ||
        ""), make("td", { class: "number" }, Number.isFinite(low) ? number(low) : "–"), make(
      "td", { class: "number" }, Number.isFinite(high) ? number(high) : "–"), make("td", {}, unitSign(cell
        .unit)), make("td", { class: "number" }, String(cell.gaps.length)), make("td", {}, box));
    });
    const head = ["row", "", "least", "greatest", "unit", "gaps", "bad"].map((text) => make("th", { scope: "col" },
      text));
    return make("table", {}, make("caption", {}, `Rows from ${seconds(t.t0)} to ${seconds(t.t0 + t.seconds)} s`),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  }

  flipBad(name) {
    const bare = name.replace(/-(avg|Cz|A1|A2|A1\+A2)$/, "");
    if (!this.trace.bad.delete(bare)) this.trace.bad.add(bare);
    this.changed();
  }

  help() {
    this.keys = make("dialog", { "aria-label": "Keys" }, make("h2", {}, "Keys"), make("dl", { class: "keys" }, ...KEYS
      .flatMap(([key, what]) => [make("dt", {}, key), make("dd", {}, what)])), make("form", { method: "dialog" },
      make("button", {}, "Close")));
    this.size = make("dialog", { "aria-label": "Screen size" });
    return make("div", {}, this.keys, this.size);
  }

  sizeDialog() {
    const bar = make("div", { class: "card" });
    const range = make("input", { type: "range", min: "180", max: "900", step: "0.5", value: String(pxPerMm() *
        CARD_MM), "aria-label": "Width of the bar", class: "time", oninput: () => (bar.style.width =
        `${range.value}px`) });
    bar.style.width = `${range.value}px`;
    const done = (px) => () => {
      calibrate(px === undefined ? Number(range.value) / CARD_MM : px);
      this.size.close();
      this.changed();
    };
    this.size.replaceChildren(make("p", {},
      "Hold a bank card to the screen and make the bar as wide as the card (85.60 mm)."), bar, range, make(
      "button", { type: "button", onclick: done() }, "It is as wide as the card"), " ", make(
    "button", { type: "button", onclick: done(null) }, "Nominal, 96 px an inch"));
    this.size.showModal();
  }

  listen() {
    const t = this.trace;
    this.slider.addEventListener("input", () => t.go(Number(this.slider.value)));
    const sheet = this.canvas.parentElement;
    let width = sheet.clientWidth;
    new ResizeObserver(() => {
      if (sheet.clientWidth !== width) {
        width = sheet.clientWidth;
        t.update();
      }
    }).observe(sheet);
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      const [x, y] = place(event);
      if (this.calipers.on) {
        this.canvas.setPointerCapture(event.pointerId);
        this.calipers.point(x, y, 0);
        this.dragging = true;
      } else if (x < t.plan.x0 && !t.paper) {
        const cell = [...t.plan.cells].sort((a, b) => Math.abs(a.y0 - y) - Math.abs(b.y0 - y))[0];
        if (cell) this.flipBad(cell.name);
      }
    });
    this.canvas.addEventListener("pointermove", (event) => this.dragging && this.calipers.point(...place(event), 1));
    this.canvas.addEventListener("pointerup", () => (this.dragging = false));
    this.canvas.addEventListener("wheel", (event) => {
      if (!event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      event.preventDefault();
      t.go(t.t0 + ((event.deltaX || event.deltaY) * t.step));
    }, { passive: false });
    const keys = (event) => {
      if (!this.canvas.isConnected) return document.removeEventListener("keydown", keys);
      this.key(event);
    };
    document.addEventListener("keydown", keys);
  }

  key(event) {
    const t = this.trace,
      c = this.calipers;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const field = event.target.closest?.("input, select, textarea");
    if (field && event.key !== "Escape" && !(field === this.slider && ["PageUp", "PageDown", "Home", "End"].includes(
        event.key))) return;
    const group = this.active,
      page = t.seconds;
    const gain = (by) => {
      const gains = t.gains[t.main];
      gains.at = Math.min(Math.max(gains.at + by, 0), gains.list.length - 1);
      this.changed();
    };
    const arrow = (sign) => (c.on ? c.move(sign * (event.shiftKey ? 10 : 1)) : t.go(t.t0 + sign * page * (event
      .shiftKey ? 1 : 0.1)));
    const notch = () => {
      const parts = (t.filters[group.kind] ?? "").split(",");
      const [low = "-", high = "-", mains = "-"] = parts.length === 3 ? parts : [];
      const next = { "-": "50", 50: "60", 60: "-" } [mains];
      t.filters[group.kind] = [low, high, next].every((part) => part === "-") ? "" : [low, high, next].join(",");
      this.changed();
    };
    const actions = {
      ArrowLeft: () => arrow(-1),
      ArrowRight: () => arrow(1),
      PageUp: () => t.go(t.t0 - page),
      PageDown: () => t.go(t.t0 + page),
      Home: () => t.go(0),
      End: () => t.go(t.duration - page),
      "+": () => gain(1),
      "=": () => gain(1),
      "-": () => gain(-1),
      n: notch,
      c: () => this.flipCalipers(),
      g: () => this.goto.focus(),
      "[": () => t.neighbours.before != null && t.go(t.neighbours.before),
      "]": () => t.neighbours.after != null && t.go(t.neighbours.after),
      e: () => this.clinical(),
      i: () => { t.polarity = t.negativeUp(t.main) ? "positive" : "negative";
        this.changed(); },
      z: () => { t.zero = t.zero.map(() => (t.zero[t.main] === "median" ? "recorded" : "median"));
        this.changed(); },
      f: () => this.flip("features"),
      t: () => this.flip("table"),
      "?": () => this.keys.showModal(),
      x: () => c.on && c.swap(),
      m: () => { c.march = !c.march;
        t.paint();
        c.tell(); },
      p: () => { c.peaks = !c.peaks;
        c.tell(); },
      r: () => c.on && c.keepRR(),
      Escape: () => { if (c.on) this.flipCalipers();
        else if (field) this.canvas.focus(); },
    };
    const montage = Number(event.key);
    if (montage >= 1 && montage <= group.montages.length) {
      t.montages[t.main] = montage - 1;
      this.changed();
    } else if (actions[event.key]) actions[event.key]();
    else return;
    event.preventDefault();
  }
}