// A map of vectors: points coloured by a column; a click shows the signal beside its nearest neighbours.

import { choice, getJSON, make } from "./net.js";
import { Trace } from "./trace.js";
import { number } from "./scale.js";

const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#AA4499", "#56B4E9", "#D55E00", "#332288", "#999933", "#882255",
  "#44AA99"
];
const SIZE = 620,
  EDGE = 16,
  BESIDE = 4;

export async function mapPage(main, source, open) {
  const state = { column: "", modality: "", hidden: new Set(), row: null, drawn: 0 };
  const canvas = make("canvas", { width: SIZE, height: SIZE, tabindex: "0", role: "img",
  id: "map", "aria-label": "Map of vectors; arrow keys go from point to point, Enter opens one" });
  const note = make("p", { class: "small", id: "note" });
  const tools = make("div", { class: "tools" });
  const legend = make("ul", { class: "legend", id: "legend" });
  const about = make("p", { class: "small", "aria-live": "polite", id: "hover" });
  const detail = make("div", { id: "detail" });
  main.replaceChildren(tools, note, make("div", { class: "columns" }, make("div", {}, canvas, about), make("div", {},
    legend)), detail);
  let points, colour, places;

  async function load(modality) {
    points = await getJSON("/api/map", modality ? { modality } : {});
    state.modality = points.modality;
    const first = ["label", "diagnosis", "truth"].find((name) => points.columns.includes(name)) ?? points.columns
      .find((name) => !["recording", "onset", "duration", "model", "model_revision"].includes(name)) ?? points
      .columns[0];
    await paintBy(points.columns.includes(state.column) ? state.column : first);
    tools.replaceChildren(
      choice("Colour", points.columns.map((name) => [name, name]), state.column, (value) => paintBy(value)),
      choice("Modality", Object.entries(points.modalities).map(([name, count]) => [name, `${name} (${count})`]),
        state.modality, (value) => load(value)),
      make("label", {}, "Row", make("input", { type: "number", min: "0", size: "7", "aria-label": "Open row",
        onchange: (event) => select(Number(event.target.value)) })));
    note.textContent = points.note;
  }

  async function paintBy(column) {
    colour = await getJSON("/api/map/colour", { column });
    state.column = column;
    state.hidden.clear();
    const entries = (colour.classes ?? []).map((name, k) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = COLOURS[k % COLOURS.length];
      const box = make("input", { type: "checkbox", "aria-label": `show ${name}`, onchange: () => { if (!state
            .hidden.delete(k)) state.hidden.add(k);
          draw(); } });
      box.checked = true;
      return make("li", {}, box, swatch, `${name} (${colour.counts[k]})`);
    });
    if (colour.rest) entries.push(make("li", {}, `${colour.rest} rows of other values: grey`));
    if (!colour.classes) {
      const known = colour.numbers.filter((value) => value !== null);
      const low = known.reduce((a, b) => Math.min(a, b), Infinity),
        high = known.reduce((a, b) => Math.max(a, b), -Infinity);
      colour.range = [low, high];
      entries.push(make("li", {}, `${column}: ${number(low)} (dark) to ${number(high)} (light); grey has none`));
    }
    legend.replaceChildren(...entries);
    draw();
  }

  function tint(row) {
    const value = colour.numbers[row];
    if (value === null || value === undefined) return "#b5b5b5";
    if (colour.classes) return COLOURS[value % COLOURS.length];
    const share = (value - colour.range[0]) / (colour.range[1] - colour.range[0] || 1);
    return `hsl(${260 - 200 * share} 75% ${25 + 45 * share}%)`;
  }

  function draw() {
    const ctx = canvas.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.height = SIZE * ratio;
    canvas.style.width = canvas.style.height = `${SIZE}px`;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = "#fff";
    ctx.fillRect(0, 0, SIZE, SIZE);
    ctx.strokeStyle = "#c9c9c9";
    ctx.strokeRect(0.5, 0.5, SIZE - 1, SIZE - 1);
    const range = (list) => [list.reduce((a, b) => Math.min(a, b), Infinity), list.reduce((a, b) => Math.max(a, b), -
      Infinity)];
    const [left, right] = range(points.x), [low, high] = range(points.y);
    const scale = (SIZE - 2 * EDGE) / (Math.max(right - left, high - low) ||
    1); // one scale: distances mean the same in both directions
    const size = points.x.length > 5000 ? 2 : points.x.length > 500 ? 4 : 6;
    places = points.x.map((x, i) => [SIZE / 2 + (x - (left + right) / 2) * scale, SIZE / 2 - (points.y[i] - (low +
      high) / 2) * scale]);
    state.drawn = 0;
    places.forEach(([x, y], i) => {
      if (hidden(i)) return;
      ctx.fillStyle = tint(points.rows[i]);
      ctx.fillRect(x - size / 2, y - size / 2, size, size);
      state.drawn++;
    });
    for (const [row, colour_] of state.marked ?? []) {
      const i = points.rows.indexOf(row);
      if (i < 0) continue;
      ctx.strokeStyle = colour_;
      ctx.lineWidth = 2;
      ctx.beginPath();
      ctx.arc(places[i][0], places[i][1], 8, 0, 2 * Math.PI);
      ctx.stroke();
    }
  }

  const hidden = (i) => colour.classes && state.hidden.has(colour.numbers[points.rows[i]]);

  function nearest(event) {
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left,
      y = event.clientY - box.top;
    let best = -1,
      least = 12 ** 2;
    places.forEach(([px, py], i) => {
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least && !hidden(i))[best, least] = [i, distance];
    });
    return best;
  }

  async function select(row) {
    const found = await getJSON("/api/map/row", { row });
    state.row = row;
    state.found = found;
    state.marked = [
      [row, "#000"], ...found.neighbours.map((each) => [each.row, "#d40000"])
    ];
    draw();
    const table = make("table", {}, make("caption", {},
      `Row ${row} and its nearest rows by cosine distance in all dimensions`), make("thead", {}, make("tr", {},
      ...["distance", "row", "recording", "onset (s)", state.column].map((text) => make(
      "th", { scope: "col" }, text)))), make("tbody", {}, ...[found, ...found.neighbours].map((each) => make(
      "tr", {}, make("td", { class: "number" }, each.distance === undefined ? "this" : each.distance
        .toFixed(6)), make("td", {}, make("button", { type: "button", class: "link", onclick: () => select(
          each.row) }, String(each.row))), make("td", {}, each.recording), make("td", { class: "number" },
        number(each.facts.onset)), make("td", {}, number(each.facts[state.column]))))));
    const figures = make("div", {});
    detail.replaceChildren(make("h2", {}, "Signal and nearest neighbours"), figures, table);
    for (const each of [found, ...found.neighbours.slice(0, BESIDE)]) figures.append(await signalFigure(each, open,
      each.distance === undefined ? "this" : `distance ${each.distance.toFixed(4)}`));
    state.shown = true;
  }

  canvas.addEventListener("click", (event) => {
    const i = nearest(event);
    if (i >= 0) select(points.rows[i]);
  });
  canvas.addEventListener("pointermove", (event) => {
    const i = nearest(event);
    about.textContent = i < 0 ? "" :
      `row ${points.rows[i]}, ${state.column}: ${colour.classes ? colour.classes[colour.numbers[points.rows[i]]] ?? "other" : number(colour.numbers[points.rows[i]])}`;
  });
  let cursor = 0;
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 } [event.key];
    if (by) {
      event.preventDefault();
      do cursor = (cursor + by + points.rows.length) % points.rows.length; while (hidden(cursor) && state.drawn);
      state.marked = [
        [points.rows[cursor], "#000"]
      ];
      about.textContent = `row ${points.rows[cursor]}`;
      draw();
    } else if (event.key === "Enter") select(points.rows[cursor]);
  });
  window.biosig = Object.freeze({ get view() { return { points, places, row: state.row, found: state.found,
        drawn: state.drawn, shown: state.shown, note: note.textContent, select }; } });
  await load();
}

/** A window of signal with its words, or why there is none. */
export async function signalFigure(each, open, words, length = null) {
  const onset = each.onset ?? each.facts?.onset ?? 0;
  const seconds = length ?? each.duration ?? each.facts?.duration ?? 10;
  const caption = make("figcaption", {}, `${each.recording}, ${number(onset)} s, ${words} `);
  if (each.number === null || each.number === undefined) return make("figure", {}, caption, make(
  "p", { class: "small" },
    "No signal at hand: start with --signals and the shards or files of these recordings."));
  caption.append(make("button", { type: "button", class: "link", onclick: () => open(each.number, onset) }, "open"));
  const canvas = make("canvas", { role: "img", "aria-label": `Signal of ${each.recording}` });
  const figure = make("figure", {}, caption, make("div", { class: "sheet" }, canvas));
  try {
    const about = await getJSON(`/api/recordings/${each.number}`);
    requestAnimationFrame(() => {
      const trace = new Trace(canvas, about, { rows: 6, annotated: false, length: seconds });
      const g = trace.main;
      const facts =
        `${trace.speed} mm/s ${trace.gainOf(g).text}, ${trace.montageOf(g).rows.length} of ${about.groups[g].montages[0].rows.length} rows, unfiltered, ${trace.zero[g] === "median" ? "about the median" : "zero as recorded"}; the window of ${number(seconds)} s. `;
      caption.prepend(facts);
      trace.go(onset);
    });
  } catch (error) {
    figure.append(make("p", { class: "error" }, error.message));
  }
  return figure;
}