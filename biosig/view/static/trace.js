// A stretch of one recording on a canvas: what is shown and how, the samples that it needs, and when it is drawn.

import { Kept, getJSON, getSignal } from "./net.js";
import { draw } from "./draw.js";
import { isSheet, layOut, marginMm } from "./layout.js";
import { firstGain, gainsOf, pxPerMm } from "./scale.js";

const CHUNK = 1024; // pixel columns of a request
const RAW = 8; // samples a pixel up to which the server sends each of them
const samples = new Kept(64 * 2 ** 20);

export class Trace {
  /** `about` describes the recording; `rows` limits the rows of a group; `changed` is called after each drawing. */
  constructor(canvas, about, { rows = null, changed = () => {}, annotated = true, length = Infinity } = {}) {
    this.canvas = canvas;
    this.about = about;
    this.groups = about.groups;
    this.duration = about.duration;
    this.changed = changed;
    this.annotated = annotated;
    this.length = length;
    this.t0 = 0;
    this.layout = "3x4+1";
    this.polarity = "montage";
    this.bad = new Set();
    this.filters = {};
    this.annotations = [];
    this.neighbours = {};
    this.ready = 0;
    this.overlay = () => {};
    this.pending = new Map();
    this.errors = "";
    this.gains = this.groups.map((group) => {
      const list = gainsOf(group);
      return { list, at: firstGain(group, list) };
    });
    this.montages = this.groups.map((group) => {
      for (const montage of group.montages) {
        let at = 0;
        for (const row of montage.rows) row.at = row.present ? at++ : -1;
      }
      return 0;
    });
    const kinds = new Set(this.groups.map((group) => group.kind));
    const hidden = ["stim", "ref", "misc", "temp", "spo2"];
    this.shown = this.groups.map((_, g) => g).filter((g) => !hidden.includes(this.groups[g].kind));
    if (!this.shown.length) this.shown = this.groups.map((_, g) => g);
    this.main = this.shown[0] ?? 0;
    this.speed = kinds.has("eeg") ? 30 : 25;
    if (this.duration < 9.5) this.layout = "12x1";
    if (this.shown.length > 1) this.layout = "12x1"; // one time axis for all kinds
    this.zero = this.groups.map((group, g) => this.firstZero(group, g));
    if (rows !== null) this.limit(rows);
    this.width = 0;
  }

  /** Zero stays where the file has it, unless a trace would leave its row; arbitrary units stand about their median. */
  firstZero(group, g) {
    if (!["ecg", "eeg", "eog", "emg"].includes(group.kind)) return "median";
    const perUnit = this.gains[g].list[this.gains[g].at].value;
    const far = group.montages[0].rows.some((row) => row.present && Math.abs(row.centre) * perUnit > 15);
    return far ? "median" : "recorded";
  }

  limit(rows) {
    this.shown = [this.main];
    const montage = this.groups[this.main].montages[0];
    const telling = ["II", "V1", "V5"];
    const chosen = montage.rows.filter((row) => telling.includes(row.name) && row.present);
    const some = chosen.length ? chosen : montage.rows.filter((row) => row.present).slice(0, rows);
    this.groups = this.groups.map((group, g) => (g === this.main ? { ...group, montages: [{ ...montage,
        rows: some }] } : group));
    this.layout = "12x1";
  }

  get mm() {
    return pxPerMm();
  }

  get paper() {
    return this.speed >= 5 && this.shown.every((g) => ["ecg", "ppg", "abp", "resp", "cvp"].includes(this.groups[g]
      .kind)) && this.shown.some((g) => ["ecg", "ppg"].includes(this.groups[g].kind));
  }

  get step() {
    return 1 / (this.speed * this.mm);
  }

  get seconds() {
    return this.plan?.seconds ?? 10;
  }

  montageOf(g) {
    return this.groups[g].montages[this.montages[g]];
  }

  negativeUp(g) {
    if (this.groups[g].kind !== "eeg") return false;
    return this.polarity === "montage" ? this.montageOf(g).negative_up : this.polarity === "negative";
  }

  gainOf(g) {
    return this.gains[g].list[this.gains[g].at];
  }

  cell(g, row, i, place) {
    const group = this.groups[g];
    const perUnit = this.gainOf(g).value * this.mm * (this.negativeUp(g) ? -1 : 1);
    return {
      group: g,
      at: row.at,
      name: row.name,
      note: row.note,
      kind: group.kind,
      unit: group.unit,
      side: row.side,
      missing: row.present ? "" : `not in this recording: ${row.missing.join(", ")}`,
      bad: this.bad.has(row.name) || row.name.split("-").some((name) => this.bad.has(name)),
      centre: this.zero[g] === "median" ? row.centre : 0,
      perUnit,
      perMillivolt: group.microvolts ? (perUnit * 1000) / group.microvolts : 0,
      gaps: [],
      ...place,
    };
  }

  /** Whether some group is drawn by columns: then the page begins on a whole column, so that peaks keep their height. */
  get byColumns() {
    return this.shown.some((g) => this.groups[g].sfreq * this.step > RAW);
  }

  go(t0) {
    const latest = Math.max(this.duration - (isSheet(this) ? 0.04 : Math.min(this.seconds, 1) * 0.04), 0);
    t0 = Math.min(Math.max(t0, 0), latest);
    if (this.byColumns) t0 = Math.round(t0 / this.step) * this.step;
    this.t0 = t0;
    this.update();
  }

  /** Speed at which `length` seconds take the width of the window. */
  speedFor(length) {
    const width = this.canvas.parentElement.clientWidth;
    const slow = Object.assign(Object.create(this), { speed: 1 });
    Object.defineProperty(slow, "speed", { value: 1 });
    return (width / this.mm - marginMm(slow) - 2) / length;
  }

  keyOf(g, chunk) {
    const bad = /average/.test(this.montageOf(g).name) ? [...this.bad].sort().join("\t") : "";
    return [this.about.number, g, this.montageOf(g).name, this.filters[this.groups[g].kind] ?? "", this.step, chunk,
      bad
    ].join("|");
  }

  chunksOf(t0, seconds) {
    const first = Math.floor(t0 / this.step / CHUNK),
      last = Math.floor((t0 + seconds) / this.step / CHUNK);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }

  parts(g) {
    return this.chunksOf(this.t0, this.plan.seconds).map((chunk) => samples.get(this.keyOf(g, chunk))).filter((
      part) => part);
  }

  gapsOf(cell) {
    const group = this.groups[cell.group];
    if (cell.missing) return [];
    const found = [];
    let until = Infinity,
      share = 0;
    for (const part of this.parts(cell.group)) {
      for (const [at, start, stop] of part.header.gaps)
        if (at === cell.at) found.push([start, stop]);
      if (part.header.until !== undefined && part.header.until < until) {
        until = part.header.until;
        share = until / this.duration;
      }
    }
    found.sort((a, b) => a[0] - b[0]);
    const joined = [];
    for (const [start, stop] of found) {
      const last = joined.at(-1);
      if (last && start <= last[1] + 1e-9) last[1] = Math.max(last[1], stop);
      else joined.push([start, stop]);
    }
    const end = group.onset + group.n_times / group.sfreq;
    if (group.onset > 1 / group.sfreq) joined.unshift([0, group.onset, "not recorded"]);
    if (end < this.duration - 1 / group.sfreq) joined.push([end, this.duration, "not recorded"]);
    if (until < this.t0 + this.plan.seconds) joined.push([until, this.duration,
      `overview is being computed: ${Math.floor(100 * share)} %`
    ]);
    return joined.filter(([start, stop]) => stop > cell.start && start < cell.start + cell.seconds);
  }

  /** Lay out, ask for what is missing, draw. */
  update() {
    const parent = this.canvas.parentElement;
    this.width = Math.max(parent.clientWidth, 320);
    const room = Math.max(window.innerHeight - parent.getBoundingClientRect().top - window.scrollY - 70, 240);
    this.plan = layOut(this, this.width, room);
    const wanted = new Map();
    for (const g of this.shown)
      for (const chunk of this.chunksOf(this.t0, this.plan.seconds)) wanted.set(this.keyOf(g, chunk), [g, chunk]);
    for (const [key, request] of this.pending)
      if (!wanted.has(key)) {
        request.abort();
        this.pending.delete(key);
      }
    for (const [key, [g, chunk]] of wanted)
      if (!samples.get(key) && !this.pending.has(key)) this.fetch(key, g, chunk);
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.paint();
    });
    if (this.annotated) this.annotate();
  }

  async fetch(key, g, chunk, ahead = false) {
    const request = new AbortController();
    if (!ahead) this.pending.set(key, request);
    try {
      const part = await getSignal(`/api/recordings/${this.about.number}/signal`, {
        group: g,
        montage: this.montageOf(g).name,
        filters: this.filters[this.groups[g].kind] ?? "",
        step: this.step,
        first: chunk * CHUNK,
        n: CHUNK,
        bad: key.split("|").at(-1),
      }, request.signal);
      samples.put(key, part);
      this.errors = part.header.error ?? "";
      if (part.header.until !== undefined) {
        setTimeout(() => {
          samples.drop(key);
          if (this.canvas.isConnected && !ahead) this.update();
        }, 700);
      }
    } catch (error) {
      if (error.name !== "AbortError") this.errors = error.message;
    }
    if (!ahead) {
      if (this.pending.get(key) === request) this.pending.delete(key);
      this.frame ??= requestAnimationFrame(() => {
        this.frame = undefined;
        this.paint();
      });
    }
  }

  prefetch() {
    for (const g of this.shown)
      for (const t0 of [this.t0 + this.plan.seconds, this.t0 - this.plan.seconds])
        for (const chunk of this.chunksOf(Math.max(t0, 0), this.plan.seconds)) {
          const key = this.keyOf(g, chunk);
          if (chunk * CHUNK * this.step < this.duration && !samples.get(key)) this.fetch(key, g, chunk, true);
        }
  }

  async annotate() {
    if (!this.about.n_annotations) return;
    const asked = [this.t0, this.plan.seconds, this.step].join();
    if (asked === this.asked) return;
    this.asked = asked;
    const found = await getJSON(`/api/recordings/${this.about.number}/annotations`, { from: this.t0, to: this.t0 +
        this.plan.seconds, step: this.step }).catch(() => null);
    if (found && asked === this.asked) {
      this.annotations = found.annotations;
      this.neighbours = { before: found.before, after: found.after };
      this.paint();
    }
  }

  paint() {
    if (!this.canvas.isConnected) return;
    const { width, height } = this.plan;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    const ctx = this.canvas.getContext("2d", { willReadFrequently: true });
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(ctx, this, this.plan);
    this.overlay(ctx, this.plan);
    if (!this.pending.size) {
      this.ready++;
      clearTimeout(this.later);
      this.later = setTimeout(() => this.canvas.isConnected && this.prefetch(), 60);
    }
    this.changed();
  }

  /** What is drawn, for tests and for whoever scripts the page; a copy. */
  state() {
    const { plan } = this;
    return {
      ready: this.ready,
      pending: this.pending.size,
      t0: this.t0,
      t1: this.t0 + plan.seconds,
      px_per_mm: this.mm,
      px_per_second: plan.perSecond,
      step: this.step,
      x0: plan.x0,
      width: plan.width,
      height: plan.height,
      speed: this.speed,
      paper: this.paper,
      annotations: this.annotations.length,
      rows: plan.cells.map((cell, i) => ({
        name: cell.name,
        group: cell.group,
        x: cell.x,
        y0: cell.y0,
        start: cell.start,
        seconds: cell.seconds,
        px_per_unit: cell.perUnit,
        centre: cell.centre,
        missing: cell.missing,
        note: cell.note,
        bad: cell.bad,
        gaps: cell.gaps,
        pulse: cell.pulseBox ?? null,
        mode: plan.drawn?.[i]?.mode ?? null,
        columns: plan.drawn?.[i]?.columns ?? [],
      })),
    };
  }
}