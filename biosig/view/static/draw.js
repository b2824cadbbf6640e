// Draws a page on a canvas: paper or time lines, gaps, traces, annotations, names. It changes no value on the way.

import { seconds, unitSign } from "./scale.js";

const MINOR = "#f9d0d0",
  MAJOR = "#f0a0a0",
  PAPER = "#fffafa",
  INK = "#000000";
const SIDES = { left: "#003f8a", right: "#a33b00", midline: "#000000" };
const LONG = 600;

/** Height in pixels of a value in a cell. */
export function yOf(cell, value) {
  return cell.y0 - (value - cell.centre) * cell.perUnit;
}

/** Values of a raw stretch: the file's integers times scale plus offset, or what the server worked out. */
export function valueAt(part, row, i) {
  const { header, arrays } = part;
  if (arrays.samples) {
    const { data, shape } = arrays.samples;
    return data[row * shape[1] + i] * header.scale[row] + header.offset[row];
  }
  return arrays.values.data[row * arrays.values.shape[1] + i];
}

export function draw(ctx, page, plan) {
  const { width, height } = plan;
  ctx.fillStyle = page.paper ? PAPER : "#fff";
  ctx.fillRect(0, 0, width, height);
  if (page.paper) drawPaper(ctx, page, plan);
  else drawTimeLines(ctx, page, plan);
  drawGaps(ctx, page, plan);
  drawAnnotations(ctx, page, plan);
  plan.drawn = drawTraces(ctx, page, plan);
  drawMargin(ctx, page, plan);
  drawAxis(ctx, page, plan);
}

function drawPaper(ctx, page, plan) {
  for (const [every, colour] of [
      [1, MINOR],
      [5, MAJOR]
    ]) {
    const step = every * page.mm;
    if (step < 3) continue;
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let k = Math.ceil(-plan.x0 / step); plan.x0 + k * step < plan.width; k++) {
      const x = Math.round(plan.x0 + k * step) + 0.5;
      ctx.moveTo(x, 0);
      ctx.lineTo(x, plan.height - 24);
    }
    for (let k = 0; plan.top + k * step < plan.height - 24; k++) {
      const y = Math.round(plan.top + k * step) + 0.5;
      ctx.moveTo(0, y);
      ctx.lineTo(plan.width, y);
    }
    ctx.stroke();
  }
}

/** A round number of seconds that takes at least `px` pixels. */
export function roundStep(perSecond, px) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600];
  return steps.find((step) => step * perSecond >= px) ?? 86400;
}

function drawTimeLines(ctx, page, plan) {
  const major = Math.max(roundStep(plan.perSecond, 60), 1);
  for (const [step, colour] of [
      [major / 5, "#f0f0f0"],
      [major, "#d4d4d4"]
    ]) {
    if (step * plan.perSecond < 8) continue;
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let k = Math.ceil(page.t0 / step); k * step <= page.t0 + plan.seconds; k++) {
      const x = Math.round(plan.x0 + (k * step - page.t0) * plan.perSecond) + 0.5;
      ctx.moveTo(x, plan.top);
      ctx.lineTo(x, plan.height - 24);
    }
    ctx.stroke();
  }
}

function within(ctx, cell, plan, paint) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(cell.x, 0, cell.seconds * plan.perSecond, plan.height - 24);
  ctx.clip();
  paint();
  ctx.restore();
}

const xOf = (cell, plan, t) => cell.x + (t - cell.start) * plan.perSecond;

function drawGaps(ctx, page, plan) {
  let above = "";
  for (const cell of plan.cells) {
    cell.gaps = page.gapsOf(cell);
    const same = JSON.stringify(cell.gaps) + cell.x;
    const half = Math.max(cell.height / 2 - 1, 3);
    within(ctx, cell, plan, () => {
      for (const [start, stop, what] of cell.gaps) {
        const x = xOf(cell, plan, start);
        const wide = Math.max(xOf(cell, plan, stop) - x, 1);
        ctx.fillStyle = "#c2c2c2";
        ctx.fillRect(x, cell.y0 - half, wide, 2 * half);
        const from = Math.max(x, cell.x),
          to = Math.min(x + wide, cell.x + cell.seconds * plan.perSecond);
        const text = what ?? `${(stop - start).toFixed(3)} s`;
        ctx.font = "11px sans-serif";
        if (same !== above && to - from > ctx.measureText(text).width + 4) {
          ctx.fillStyle = INK;
          ctx.textAlign = "center";
          ctx.fillText(text, (from + to) / 2, cell.y0 - Math.min(half - 11, 4));
          ctx.textAlign = "left";
        }
      }
    });
    above = same;
  }
}

/** Draw the traces of all cells; of each, what was drawn: its mode, and per column [x, least, greatest]. */
function drawTraces(ctx, page, plan) {
  const all = plan.cells.map(() => ({ mode: "none", columns: [], reach: [Infinity, -Infinity] }));
  const inColumns = [];
  plan.cells.forEach((cell, k) => {
    if (cell.missing) return;
    within(ctx, cell, plan, () => {
      ctx.strokeStyle = ctx.fillStyle = colourOf(page, cell);
      // a line of at most one device pixel is drawn ten times as fast: with many rows it is
      ctx.lineWidth = plan.cells.length > 16 ? 1 / (window.devicePixelRatio || 1) : 1;
      for (const part of page.parts(cell.group)) {
        all[k].mode = part.header.mode;
        if (part.header.mode === "raw") drawRaw(ctx, plan, cell, part, all[k]);
        else inColumns.push([cell, part, all[k]]);
      }
    });
  });
  if (inColumns.length) {
    const image = ctx.getImageData(0, 0, ctx.canvas.width, ctx.canvas.height);
    const pixels = { bytes: image.data, words: new Uint32Array(image.data.buffer), width: image.width };
    for (const [cell, part, drawn] of inColumns) {
      const bytes = new Uint8ClampedArray(colourOf(page, cell).slice(1).match(/../g).map((pair) => parseInt(pair, 16)).concat(255));
      drawColumns(pixels, plan, cell, part, drawn, { bytes, word: new Uint32Array(bytes.buffer)[0] });
    }
    ctx.putImageData(image, 0, 0);
  }
  for (const drawn of all) drawn.beyond = drawn.reach[0] < 0 || drawn.reach[1] > plan.height - 24;
  return all;
}

function colourOf(page, cell) {
  if (cell.bad) return "#8f8f8f";
  return page.paper ? INK : SIDES[cell.side] ?? INK;
}

function widen(drawn, top, bottom) {
  if (top < drawn.reach[0]) drawn.reach[0] = top;
  if (bottom > drawn.reach[1]) drawn.reach[1] = bottom;
}

function drawRaw(ctx, plan, cell, part, drawn) {
  const { header, arrays } = part;
  const n = (arrays.samples ?? arrays.values).shape[1];
  const first = header.start / header.sfreq + header.onset;
  const from = Math.max(Math.floor((cell.start - first) * header.sfreq) - 1, 0);
  const to = Math.min(Math.ceil((cell.start + cell.seconds - first) * header.sfreq) + 1, n - 1);
  const gaps = arrays.samples ? header.gaps.filter((gap) => gap[0] === cell.at) : [];
  const step = plan.perSecond / header.sfreq;
  const start = cell.x + (first - cell.start) * plan.perSecond;
  let open = false,
    alone = false,
    x = 0,
    y = 0,
    g = 0;
  const dense = step < 1 / 3; // then a peak of one sample is thinner than a pixel, and would be faint
  let column = NaN,
    top = NaN,
    bottom = NaN;
  const fill = () => dense && bottom - top > 1 && ctx.fillRect(column, top, 1, bottom - top);
  ctx.beginPath();
  for (let i = from; i <= to; i++) {
    let value = valueAt(part, cell.at, i);
    if (gaps.length) {
      const t = first + i / header.sfreq + 1e-9;
      while (g < gaps.length && gaps[g][2] <= t) g++;
      if (g < gaps.length && gaps[g][1] <= t) value = NaN;
    }
    if (Number.isNaN(value)) {
      if (alone) ctx.rect(x - 0.5, y - 0.5, 1, 1); // a sample between two gaps is a dot
      open = alone = false;
      fill();
      column = NaN;
      continue;
    }
    x = start + i * step;
    y = yOf(cell, value);
    widen(drawn, y, y);
    if (Math.floor(x) !== column) {
      fill();
      [column, top, bottom] = [Math.floor(x), y, y];
    } else {
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
    if (open) ctx.lineTo(x, y);
    else ctx.moveTo(x, y);
    alone = !open;
    open = true;
  }
  fill();
  ctx.stroke();
}

/**
 * Columns as bars from the least to the greatest value, written into an image: a hundred thousand rectangles or strokes
 * take seconds without a graphics card. A bar reaches over from the column before, as a line through all samples would.
 */
function drawColumns(image, plan, cell, part, drawn, ink) {
  const { header, arrays } = part;
  const [, rows, n] = arrays.columns.shape;
  const data = arrays.columns.data;
  const at = (which, j) => data[(which * rows + cell.at) * n + j];
  const start = cell.x + (header.first * header.step - cell.start) * plan.perSecond;
  const from = Math.max(Math.floor(cell.x - start) - 1, 0);
  const to = Math.min(Math.ceil(cell.x + cell.seconds * plan.perSecond - start) + 1, n - 1);
  let low = NaN, high = NaN, last = NaN;
  for (let j = from; j <= to; j++) {
    let least = at(1, j), most = at(2, j);
    if (!Number.isNaN(least)) {
      drawn.columns.push([start + j, least, most]);
      if (!Number.isNaN(last)) {
        least = Math.min(least, last);
        most = Math.max(most, last);
      } else if (!Number.isNaN(low)) {
        least = Math.min(least, high);
        most = Math.max(most, low);
      }
      const ends = [yOf(cell, most), yOf(cell, least)];
      const top = Math.min(...ends), bottom = Math.max(...ends);
      widen(drawn, top, bottom);
      const x = start + j;
      if (x > cell.x - 0.5 && x < cell.x + cell.seconds * plan.perSecond) bar(image, plan, x, top - 0.5, bottom + 0.5, ink);
    }
    low = at(1, j);
    high = at(2, j);
    last = at(3, j);
  }
}

/** A bar one pixel of the page wide, its ends as dark as the share of their pixel that they cover. */
function bar(image, plan, x, top, bottom, ink) {
  const { bytes, words, width } = image;
  const ratio = width / plan.width;
  const left = Math.max(Math.round(x * ratio), 0), right = Math.min(Math.round((x + 1) * ratio), width);
  const y0 = Math.max(top, 0) * ratio, y1 = Math.min(bottom, plan.height - 24) * ratio;
  for (let y = Math.floor(y0); y < y1; y++) {
    const share = Math.min(y + 1, y1) - Math.max(y, y0);
    for (let i = y * width + left; i < y * width + right; i++) {
      if (share >= 1) words[i] = ink.word;
      else for (let c = 0; c < 3; c++) bytes[4 * i + c] += (ink.bytes[c] - bytes[4 * i + c]) * share;
    }
  }
}

function drawAnnotations(ctx, page, plan) {
  const cells = plan.cells.filter((cell) => cell.strip);
  if (!cells.length) return;
  const top = cells[0].y0 - cells[0].height / 2,
    bottom = plan.height - 24;
  const base = cells[0];
  const sheet = cells.length < plan.cells.length;
  let free = 0;
  ctx.font = "11px sans-serif";
  for (const a of page.annotations) {
    const x = xOf(base, plan, a.onset),
      stop = xOf(base, plan, a.onset + a.duration);
    if (stop < base.x || x > base.x + base.seconds * plan.perSecond) continue;
    ctx.fillStyle = "rgba(0, 105, 92, .6)";
    if (x >= base.x) ctx.fillRect(Math.round(x), sheet ? top : 4, 1, bottom - (sheet ? top : 4));
    const from = Math.max(x, base.x);
    if (stop > from + 1) {
      ctx.fillStyle = "rgba(0, 150, 130, .18)";
      ctx.fillRect(from, sheet ? top : 3, Math.min(stop, plan.width) - from, 16);
    }
    if (from + 3 > free) {
      ctx.fillStyle = "#004d40";
      ctx.fillText(a.label, from + 3, (sheet ? top : 3) + 12);
      free = from + 8 + ctx.measureText(a.label).width;
    }
  }
}

function drawMargin(ctx, page, plan) {
  ctx.textBaseline = "middle";
  let below = -1e9,
    kind = -1;
  for (const cell of plan.cells) {
    const onPaper = page.paper && cell.kind === "ecg";
    ctx.font = cell.bad ? "italic 12px sans-serif" : "bold 12px sans-serif";
    ctx.fillStyle = cell.bad ? "#707070" : page.paper ? INK : SIDES[cell.side] ?? INK;
    const name = cell.name + (cell.bad ? " ✗" : "") + (cell.note && onPaper ? ` (${cell.note.split(" ")[0]})` : "");
    const x = onPaper ? cell.x + 3 : 4;
    const y = onPaper ? cell.y0 - Math.min(10 * page.mm, cell.height * 0.45) : cell.y0;
    if (onPaper) halo(ctx, name, x, y);
    else if (y - below >= 8) ctx.fillText(name, x, y, plan.x0 - 8);
    below = onPaper ? -1e9 : y - below >= 8 ? y : below;
    if (cell.missing) {
      ctx.font = "italic 12px sans-serif";
      ctx.fillStyle = "#8a1c00";
      halo(ctx, cell.missing, cell.x + 6, cell.y0);
    }
    if (cell.tick) {
      ctx.fillStyle = INK;
      ctx.fillRect(Math.round(cell.x), cell.y0 - 3 * page.mm, 1, 6 * page.mm);
    }
    if (cell.pulse && cell.kind === "ecg" && cell.perMillivolt && page.speed >= 5) drawPulse(ctx, page, plan, cell);
    else if (kind !== cell.group && !onPaper) drawBar(ctx, page, plan, cell);
    kind = cell.group;
  }
  ctx.textBaseline = "alphabetic";
}

function halo(ctx, text, x, y) {
  ctx.strokeStyle = "rgba(255, 250, 250, .85)";
  ctx.lineWidth = 4;
  ctx.strokeText(text, x, y);
  ctx.fillText(text, x, y);
}

/** 1 mV for 200 ms, in the gain and speed of the row. */
function drawPulse(ctx, page, plan, cell) {
  const wide = 0.2 * plan.perSecond,
    high = cell.perMillivolt;
  const x = cell.x - wide - 3 * page.mm;
  cell.pulseBox = { x, y: cell.y0 - high, width: wide, height: high };
  ctx.strokeStyle = INK;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x - 1.5 * page.mm, cell.y0);
  ctx.lineTo(x, cell.y0);
  ctx.lineTo(x, cell.y0 - high);
  ctx.lineTo(x + wide, cell.y0 - high);
  ctx.lineTo(x + wide, cell.y0);
  ctx.lineTo(x + wide + 1.5 * page.mm, cell.y0);
  ctx.stroke();
}

/** A bar of a round amount beside the first row of a group. */
function drawBar(ctx, page, plan, cell) {
  const perUnit = Math.abs(cell.perUnit);
  if (!perUnit || !Number.isFinite(perUnit)) return;
  const power = 10 ** Math.floor(Math.log10(36 / perUnit));
  const amount = [5, 2, 1].map((step) => step * power).find((step) => step * perUnit <= 40) ?? power;
  const high = amount * perUnit,
    x = plan.x0 - 6;
  ctx.strokeStyle = INK;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.moveTo(x, cell.y0 - high / 2);
  ctx.lineTo(x, cell.y0 + high / 2);
  ctx.stroke();
  ctx.font = "10px sans-serif";
  ctx.fillStyle = INK;
  ctx.textAlign = "right";
  ctx.fillText(`${Number(amount.toPrecision(2))} ${unitSign(cell.unit)}`, x - 3, cell.y0 + 12);
  ctx.textAlign = "left";
}

function drawAxis(ctx, page, plan) {
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, plan.height - 24, plan.width, 24);
  ctx.fillStyle = INK;
  ctx.font = "12px sans-serif";
  const step = roundStep(plan.perSecond, 64);
  const long = page.t0 + plan.seconds > LONG && step >= 1;
  for (let k = Math.ceil(page.t0 / step - 1e-9); k * step <= page.t0 + plan.seconds + 1e-9; k++) {
    const x = plan.x0 + (k * step - page.t0) * plan.perSecond;
    ctx.fillRect(Math.round(x), plan.height - 24, 1, 5);
    ctx.textAlign = "center";
    ctx.fillText(long ? seconds(k * step, true) : `${Number((k * step).toFixed(3))}`, Math.min(x, plan.width - 14), plan
      .height - 7);
  }
  ctx.textAlign = "left";
  ctx.fillText(long ? "h:m:s" : "s", 4, plan.height - 7);
}