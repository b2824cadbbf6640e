// Two cursors on one trace: milliseconds, beats a minute, and the difference of two samples. They measure and do not conclude.

import { valueAt, yOf } from "./draw.js";
import { unitSign } from "./scale.js";

export class Calipers {
  constructor(trace, said) {
    this.trace = trace;
    this.said = said;
    this.on = false;
    this.march = false;
    this.peaks = false;
    this.rr = null;
    trace.overlay = (ctx, plan) => this.on && this.paint(ctx, plan);
  }

  toggle() {
    this.on = !this.on;
    if (this.on) {
      const cells = this.trace.plan.cells.filter((cell) => !cell.missing);
      const cell = cells.find((each) => each.strip) ?? cells[0];
      if (!cell) return (this.on = false);
      this.row = { group: cell.group, at: cell.at };
      const rate = this.trace.groups[cell.group].sfreq;
      this.ends = [this.sample(cell, cell.start + cell.seconds * 0.3), this.sample(cell, cell.start + cell.seconds *
        0.3 + Math.max(0.8, 40 / rate))];
      this.moving = 1;
    }
    this.trace.paint();
    this.tell();
    return this.on;
  }

  sample(cell, t) {
    const group = this.trace.groups[cell.group];
    return Math.min(Math.max(Math.round((t - group.onset) * group.sfreq), 0), group.n_times - 1);
  }

  /** The cell that shows the measured row at a sample; of several the one that was pointed at, then the strip. */
  cellOf(i) {
    const group = this.trace.groups[this.row.group];
    const t = group.onset + i / group.sfreq;
    const cells = this.trace.plan.cells.filter((cell) => cell.group === this.row.group && cell.at === this.row.at && !
      cell.missing);
    return cells.find((cell) => t >= cell.start && t <= cell.start + cell.seconds) ?? cells[0];
  }

  value(i) {
    for (const part of this.trace.parts(this.row.group)) {
      if (part.header.mode !== "raw") return undefined;
      const shape = (part.arrays.samples ?? part.arrays.values).shape;
      const j = i - part.header.start;
      if (j < 0 || j >= shape[1]) continue;
      const t = part.header.onset + i / part.header.sfreq + 1e-9;
      if (part.header.gaps.some(([at, start, stop]) => at === this.row.at && start <= t && t < stop)) return NaN;
      return valueAt(part, this.row.at, j);
    }
    return undefined;
  }

  point(x, y, which) {
    const cells = this.trace.plan.cells.filter((cell) => !cell.missing && x >= cell.x && x <= cell.x + cell.seconds *
      this.trace.plan.perSecond);
    const cell = which === 0 ? cells.sort((a, b) => Math.abs(a.y0 - y) - Math.abs(b.y0 - y))[0] : cells.find((each) =>
      each.group === this.row.group && each.at === this.row.at);
    if (!cell) return;
    if (which === 0) this.row = { group: cell.group, at: cell.at };
    let i = this.sample(cell, cell.start + (x - cell.x) / this.trace.plan.perSecond);
    if (this.peaks) i = this.peak(i);
    if (which === 0) this.ends = [i, i];
    else this.ends[1] = i;
    this.moving = which;
    this.trace.paint();
    this.tell();
  }

  /** The sample farthest from zero within 40 ms: an option, which the page names. */
  peak(i) {
    const reach = Math.round(0.04 * this.trace.groups[this.row.group].sfreq);
    let best = i;
    for (let j = i - reach; j <= i + reach; j++)
      if (Math.abs(this.value(j) ?? 0) > Math.abs(this.value(best) ?? 0)) best = j;
    return best;
  }

  move(n) {
    const group = this.trace.groups[this.row.group];
    this.ends[this.moving] = Math.min(Math.max(this.ends[this.moving] + n, 0), group.n_times - 1);
    this.trace.paint();
    this.tell();
  }

  swap() {
    this.moving = 1 - this.moving;
    this.tell();
  }

  get seconds() {
    return Math.abs(this.ends[1] - this.ends[0]) / this.trace.groups[this.row.group].sfreq;
  }

  keepRR() {
    this.rr = this.seconds || null;
    this.tell();
  }

  text() {
    if (!this.on) return "";
    const group = this.trace.groups[this.row.group];
    const cell = this.cellOf(this.ends[0]);
    const ms = 1000 * this.seconds;
    const exact = Math.abs(ms - Math.round(ms)) < 0.005 ? Math.round(ms) : ms.toFixed(1);
    const words = [`${cell.name}: ${exact} ms${ms > 0 ? `, ${Number((60000 / ms).toPrecision(3))} bpm` : ""}`];
    const [a, b] = this.ends.map((i) => this.value(i));
    if (a === undefined || b === undefined) words.push("no samples on this page: shorten it to measure amplitudes");
    else if (Number.isNaN(a) || Number.isNaN(b)) words.push("no real value at a cursor");
    else words.push(`${(b - a).toFixed(group.kind === "ecg" ? 2 : 1)} ${unitSign(group.unit)}`);
    const times = this.ends.map((i) => group.onset + i / group.sfreq).sort((x, y) => x - y);
    if (this.trace.gapsOf({ ...cell, start: times[0], seconds: Math.max(times[1] - times[0], 1e-9) }).length) words
      .push("ACROSS A GAP");
    if (this.rr) words.push(
      `as QT with RR ${Math.round(1000 * this.rr)} ms: QTc Bazett ${Math.round(ms / Math.sqrt(this.rr))} ms, Fridericia ${Math.round(ms / Math.cbrt(this.rr))} ms`
      );
    if (this.peaks) words.push("cursors go to the peak within 40 ms");
    if (this.march) words.push("equal steps are marked");
    words.push(
      `arrow keys move the ${this.moving ? "second" : "first"} cursor by a sample (${Number((1000 / group.sfreq).toFixed(3))} ms)`
      );
    return words.join("; ");
  }

  tell() {
    this.said(this.text());
  }

  paint(ctx, plan) {
    const group = this.trace.groups[this.row.group];
    const xs = this.ends.map((i) => {
      const cell = this.cellOf(i);
      return [cell, cell.x + (group.onset + i / group.sfreq - cell.start) * plan.perSecond];
    });
    ctx.strokeStyle = ctx.fillStyle = "#5b2a86";
    xs.forEach(([cell, x], which) => {
      if (x < cell.x - 1 || x > cell.x + cell.seconds * plan.perSecond + 1) return;
      ctx.lineWidth = which === this.moving ? 2 : 1;
      const half = Math.max(cell.height / 2, 20);
      ctx.beginPath();
      ctx.moveTo(x, cell.y0 - half);
      ctx.lineTo(x, cell.y0 + half * 0.7);
      ctx.stroke();
      const value = this.value(this.ends[which]);
      if (value !== undefined && !Number.isNaN(value)) ctx.fillRect(x - 2.5, yOf(cell, value) - 2.5, 5, 5);
    });
    const [cell, a] = xs[0], b = xs[1][1], step = Math.abs(b - a);
    if (this.march && step > 6 && xs[0][0] === xs[1][0]) {
      ctx.lineWidth = 1;
      ctx.setLineDash([3, 3]);
      ctx.beginPath();
      for (let x = a; x < cell.x + cell.seconds * plan.perSecond; x += step) this.mark(ctx, cell, x);
      for (let x = a - step; x > cell.x; x -= step) this.mark(ctx, cell, x);
      ctx.stroke();
      ctx.setLineDash([]);
    }
  }

  mark(ctx, cell, x) {
    ctx.moveTo(x, cell.y0 - cell.height * 0.4);
    ctx.lineTo(x, cell.y0 + cell.height * 0.3);
  }
}