// Millimetres, gains and the words for them. Scale is kept in mm/s and mm per unit; seconds a page follow from it.

/** CSS pixels of a millimetre: 96 to an inch. Screens differ, so a page can be calibrated by a bank card. */
export const NOMINAL = 96 / 25.4;
export const CARD_MM = 85.6; // ISO/IEC 7810 ID-1
const KEY = "biosig-px-per-mm";

export function pxPerMm() {
  const known = Number(localStorage.getItem(KEY));
  return known > 1 && known < 40 ? known : NOMINAL;
}

export function calibrate(px) {
  if (px === null) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, String(px));
}

export function isCalibrated() {
  return localStorage.getItem(KEY) !== null;
}

export const SPEEDS = [7.5, 12.5, 15, 25, 30, 50, 60, 100, 200];
export const PAGES = [
  ["10", "10 s"],
  ["30", "30 s"],
  ["60", "1 min"],
  ["300", "5 min"],
  ["600", "10 min"],
  ["3600", "1 h"],
  ["all", "whole recording"]
];
const ECG_GAINS = [2.5, 5, 10, 20, 40]; // mm/mV
const EEG_GAINS = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000]; // µV/mm

/** The gains of a group, from the least to the most magnifying: { value, text }, value in mm per unit of the group. */
export function gainsOf(group) {
  const volts = group.microvolts;
  if (group.kind === "ecg" && volts)
    return ECG_GAINS.map((mm) => ({ value: (mm * volts) / 1000, text: `${mm} mm/mV` }));
  if (volts && ["eeg", "eog", "emg"].includes(group.kind))
    return EEG_GAINS.map((uv) => ({ value: volts / uv, text: `${uv} µV/mm` })).reverse();
  const steps = [];
  for (let power = -6; power <= 6; power++)
    for (const step of [1, 2, 5]) steps.push(step * 10 ** power);
  const unit = !group.unit || group.unit === "NU" ? "a.u." : group.unit;
  return steps.reverse().map((step) => ({ value: 1 / step, text: `${Number(step.toPrecision(3))} ${unit}/mm` }));
}

/** The number of the gain that a group starts with; of arbitrary units the one at which its range takes 16 mm. */
export function firstGain(group, gains) {
  if (group.kind === "ecg" && group.microvolts) return ECG_GAINS.indexOf(10);
  if (group.kind === "eeg" && group.microvolts) return gains.length - 1 - EEG_GAINS.indexOf(7);
  if (group.microvolts && ["eog", "emg"].includes(group.kind)) return gains.length - 1 - EEG_GAINS.indexOf(20);
  const wanted = group.reach > 0 ? 8 / group.reach : 1;
  let best = 0;
  gains.forEach((gain, i) => {
    if (gain.value <= wanted * 1.0001) best = i;
  });
  return best;
}

export function unitSign(unit) {
  return { uV: "µV", NU: "a.u.", "": "a.u." } [unit] ?? unit;
}

export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(Number(
    value.toPrecision(digits + 1)));
}

/** Seconds as a page names them: "12.5", or hours, minutes and seconds beyond ten minutes. */
export function seconds(t, long) {
  if (!long) return t.toFixed(1);
  const sign = t < 0 ? "-" : "";
  const whole = Math.floor(Math.abs(t) + 1e-6);
  const two = (n) => String(n).padStart(2, "0");
  return `${sign}${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}