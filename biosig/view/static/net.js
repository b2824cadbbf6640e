// Requests to the server of this page, and the binary form of signals (biosig/view/wire.py).

const KEY = "biosig-token";

/** Keep the token of the address for this tab, and take it out of the address. */
export function takeToken() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
}

async function ask(path, parameters, signal) {
  const query = new URLSearchParams(parameters ?? {}).toString();
  const answer = await fetch(path + (query ? "?" + query : ""), {
    headers: { "X-Biosig-Token": sessionStorage.getItem(KEY) ?? "" },
    signal,
  });
  if (!answer.ok) {
    const text = await answer.text();
    let sentence = text;
    try {
      sentence = JSON.parse(text).error ?? text;
    } catch {
      // it was a sentence already
    }
    throw new Error(sentence);
  }
  return answer;
}

export async function getJSON(path, parameters, signal) {
  return (await ask(path, parameters, signal)).json();
}

const TYPES = { int16: Int16Array, int32: Int32Array, float32: Float32Array, float64: Float64Array };

/** A stretch of signal: its header, and `arrays` by name, each { data, shape }. */
export async function getSignal(path, parameters, signal) {
  const body = await (await ask(path, parameters, signal)).arrayBuffer();
  const length = new DataView(body).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, length)));
  const arrays = {};
  for (const [name, place] of Object.entries(header.arrays)) {
    const count = place.shape.reduce((a, b) => a * b, 1);
    arrays[name] = { data: new TYPES[place.type](body, 4 + length + place.at, count), shape: place.shape };
  }
  return { header, arrays, bytes: body.byteLength };
}

/** Answers by key, those used last up to `limit` bytes. */
export class Kept {
  constructor(limit) {
    this.limit = limit;
    this.bytes = 0;
    this.map = new Map();
  }

  get(key) {
    const found = this.map.get(key);
    if (found) {
      this.map.delete(key);
      this.map.set(key, found);
    }
    return found;
  }

  put(key, value) {
    this.drop(key);
    this.map.set(key, value);
    this.bytes += value.bytes;
    for (const oldest of this.map.keys()) {
      if (this.bytes <= this.limit) break;
      this.drop(oldest);
    }
  }

  drop(key) {
    const found = this.map.get(key);
    if (found) {
      this.bytes -= found.bytes;
      this.map.delete(key);
    }
  }
}

/** An element with attributes, listeners ("onclick": …) and children; text is text, never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** A select with a visible name; `options` are [value, text]. */
export function choice(name, options, value, changed) {
  const select = make("select", { "aria-label": name, onchange: () => changed(select.value) });
  for (const [each, text] of options) select.append(make("option", { value: each }, String(text)));
  select.value = value;
  return make("label", {}, name, select);
}