// Where each row of a page stands. A cell is one trace: a row of a group, from `start` to `stop` seconds, at `x`, `y0`.

export const LAYOUTS = ["3x4+1", "6x2", "12x1"];
const PARTS = { "3x4+1": 4, "6x2": 2 };
const PAPER_SECONDS = 10;
const BESIDE = 15; // mm a row of anything but ECG and EEG

/** The group whose montage has twelve leads on paper, or -1. */
export function paperGroup(page) {
  return page.shown.find((g) => page.groups[g].kind === "ecg" && /12 leads|Cabrera/.test(page.montageOf(g).name)) ?? -1;
}

/** Whether the page is a sheet of ten seconds whose leads stand side by side. */
export function isSheet(page) {
  return PARTS[page.layout] !== undefined && paperGroup(page) >= 0 && page.speed >= 5;
}

/** Left margin in mm: names, and the calibration pulse of an ECG. */
export function marginMm(page) {
  const pulse = page.shown.some((g) => page.groups[g].kind === "ecg") ? 0.2 * page.speed : 0;
  return page.speed >= 5 && page.speed <= 100 ? Math.max(18, Math.ceil(12 + pulse)) : 22;
}

/** Cells and size of a page of `width` pixels that begins at `t0`. */
export function layOut(page, width, room) {
  const mm = page.mm;
  const perSecond = page.speed * mm;
  const x0 = Math.round(marginMm(page) * mm);
  const top = 22;
  const cells = [];
  if (isSheet(page)) {
    const g = paperGroup(page);
    const rows = page.montageOf(g).rows;
    const parts = PARTS[page.layout];
    const lines = 12 / parts;
    const each = PAPER_SECONDS / parts;
    const tall = Math.round(30 * mm);
    for (let i = 0; i < 12; i++) {
      const part = Math.floor(i / lines);
      const y0 = top + Math.round((14 + 30 * (i % lines)) * mm);
      cells.push(page.cell(g, rows[i], i, { x: x0 + part * each * perSecond, y0, start: page.t0 + part * each,
        seconds: each, tick: part > 0, pulse: part === 0, height: tall }));
    }
    let height = top + Math.round(30 * lines * mm);
    const rhythm = rows.findIndex((row) => row.name === "II");
    if (page.layout === "3x4+1") {
      cells.push(page.cell(g, rows[rhythm], rhythm, { x: x0, y0: height + Math.round(14 * mm), start: page.t0,
        seconds: PAPER_SECONDS, pulse: true, strip: true, height: tall }));
      height += tall;
    }
    return { cells, x0, width: Math.ceil(x0 + PAPER_SECONDS * perSecond + 4 * mm), height: height + 26,
      seconds: PAPER_SECONDS, perSecond, top };
  }
  const span = Math.min(Math.max((width - x0 - Math.round(2 * mm)) / perSecond, 1 / perSecond), page.length);
  const wanted = [];
  for (const g of page.shown) {
    const group = page.groups[g];
    const dense = ["eeg", "eog", "emg"].includes(group.kind);
    const tall = group.kind === "ecg" ? 20 : dense ? 10 : BESIDE;
    page.montageOf(g).rows.forEach((row, i) => wanted.push({ g, row, i, tall, least: dense ? 3.2 : tall }));
  }
  const pad = 10; // mm above the first and below the last row, for what is larger than a row
  const size = (each, height) => height * (each.row.gap_before ? 1.35 : 1);
  const free = (room - top - 26) / mm - 2 * pad - wanted.reduce((sum, each) => sum + size(each, each.tall), 0);
  const give = wanted.reduce((sum, each) => sum + size(each, each.tall - each.least), 0);
  const shrink = free < 0 && give > 0 ? Math.max(0, 1 + free / give) : 1;
  let y = top + pad * mm;
  for (const { g, row, i, tall, least } of wanted) {
    const height = (least + (tall - least) * shrink) * mm;
    if (row.gap_before) y += 0.35 * height;
    const up = page.groups[g].kind === "ecg" ? 0.6 : 0.5;
    cells.push(page.cell(g, row, i, { x: x0, y0: Math.round(y + up * height), start: page.t0, seconds: span, pulse: page
        .groups[g].kind === "ecg", strip: true, height }));
    y += height;
  }
  return { cells, x0, width: Math.min(width, Math.ceil(x0 + span * perSecond + 4 * mm)), height: Math.ceil(y + pad *
      mm) + 26, seconds: span, perSecond, top };
}