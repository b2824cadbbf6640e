// Which page is shown: the list of recordings, a recording, a map, a result.

import { getJSON, make, takeToken } from "./net.js";
import { recordingPage } from "./recording.js";
import { mapPage } from "./map.js";
import { resultPage } from "./result.js";

const main = document.getElementById("main");
const back = document.getElementById("back");
let source;

function home() {
  back.replaceChildren();
  if (source.kind === "map") mapPage(main, source, open);
  else if (source.kind === "result") resultPage(main, source, open);
  else if (source.n_recordings === 1) recordingPage(main, 0, { heads: source.model });
  else listPage();
}

/** Show a recording at an onset, with a way back. */
function open(number, at = 0) {
  back.replaceChildren(make("button", { type: "button", class: "link", onclick: home }, "← back"));
  recordingPage(main, number, { at, heads: source.model });
}

async function listPage(words = "", from = 0) {
  const found = await getJSON("/api/recordings", { words, from });
  const search = make("input", { type: "search", value: words, "aria-label": "Words in the name", onchange: () =>
      listPage(search.value) });
  const items = found.recordings.map((each) =>
    make("tr", {}, make("td", {}, make("button", { type: "button", class: "link", onclick: () => open(each
        .number) }, each.name)), make("td", { class: "number" }, each.duration === null ? "" :
      `${each.duration.toFixed(1)} s`)));
  const step = found.recordings.length;
  const turn = (text, to) => make("button", { type: "button", onclick: () => listPage(words, to) }, text);
  main.replaceChildren(
    make("div", { class: "tools" }, make("label", {}, "Find", search)),
    make("p", {},
      `${found.n_found} of ${source.n_recordings} recordings${step < found.n_found ? `, ${from + 1} to ${from + step} shown` : ""}.`,
      " ", from > 0 ? turn("before", Math.max(from - 200, 0)) : null, from + step < found.n_found ? turn("next",
        from + step) : null),
    ...source.notes.map((note) => make("p", { class: "small" }, note)),
    make("table", { class: "list" }, make("tbody", {}, ...items)));
}

takeToken();
try {
  source = await getJSON("/api/source");
  document.getElementById("title").textContent = `biosig view: ${source.title}`;
  home();
} catch (error) {
  main.replaceChildren(make("p", { class: "error", role: "alert" }, error.message));
}