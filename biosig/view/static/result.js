// A result: scores beside what they must beat, then the worst errors, each with its signal.

import { choice, getJSON, make } from "./net.js";
import { signalFigure } from "./map.js";
import { number } from "./scale.js";

const SHOWN = 12;

export async function resultPage(main, source, open) {
  const result = await getJSON("/api/result");
  const metrics = [...new Set(result.scores.map((row) => row.metric))];
  const list = make("div", { id: "errors" });
  const load = async (method) => {
    const found = await getJSON("/api/errors", { method, n: 50 });
    list.replaceChildren(make("p", { class: "small" },
      `The ${found.errors.length} windows with the greatest loss of ${found.n_windows}, of ${found.n_people} people; loss: ${found.loss}.`
      ), ...(await Promise.all(found.errors.map((each, k) => errorItem(each, k)))));
    window.biosig = Object.freeze({ view: { errors: found.errors, scores: result.scores } });
  };
  const errorItem = async (each, k) => {
    const truth = Object.entries(each.truth).map(([name, value]) => `${name.replace(/^y_?/, "")} ${number(value)}`
      .trim()).join(", ");
    const said = Object.entries(each.prediction).map(([name, value]) =>
      `${name.replace(/^score_/, "")} ${number(value)}`).join(", ");
    const body = make("div", {});
    const details = make("details", {
      ontoggle: async () => {
        if (details.open && !body.childNodes.length) body.append(await signalFigure(each, open,
          `true: ${truth}`, each.duration));
      }
    }, make("summary", {},
      `${k + 1}. loss ${number(each.loss)}: ${each.recording} at ${number(each.onset)} s, person ${each.subject} (${each.person_errors} of these windows); true: ${truth}; predicted: ${said}`
      ), body);
    if (k === 0) details.open = true;
    return details;
  };
  const heads = ["method", "metric", "value", "95 % interval", "", "people"].map((text) => make(
  "th", { scope: "col" }, text));
  const rows = metrics.flatMap((metric) => result.scores.filter((row) => row.metric === metric).map((row) => {
    const bar = make("span", { class: "bar" });
    bar.style.width = `${Math.max(0, Math.min(1, row.value ?? 0)) * 120}px`;
    return make("tr", {}, make("td", {}, row.method), make("td", {}, row.metric), make(
    "td", { class: "number" }, number(row.value)), make("td", {}, row.low === null || row.low ===
      undefined ? "–" : `${number(row.low)} to ${number(row.high)}`), make("td", {}, bar), make(
    "td", { class: "number" }, number(row.n_subjects)));
  }));
  main.replaceChildren(
    make("h2", {}, `${result.title}: ${result.model}`),
    result.trained === false ? make("p", { class: "error" },
      "The model on trial had random weights: no number here is evidence for pretraining.") : "",
    make("table", { id: "scores" }, make("caption", {}, "Scores, beside what they must beat"), make("thead", {},
      make("tr", {}, ...heads)), make("tbody", {}, ...rows)),
    make("details", {}, make("summary", {}, `${result.notes.length} notes`), ...result.notes.map((note) => make(
    "p", { class: "small" }, note))),
    make("h2", {}, "Worst errors first"),
    source.n_recordings ? "" : make("p", { class: "small" },
      `Signals are shown with --signals FOLDER; the result was made from ${result.shards || "unnamed shards"}.`),
    make("div", { class: "tools" }, choice("Method", result.methods.map((name) => [name, name]), "model", load)),
    list);
  await load(result.methods.includes("model") ? "model" : result.methods[0]);
}