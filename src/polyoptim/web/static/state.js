// The state of the page: names to texts, exactly what stands in its address.

const DEFAULTS = {
  verb: "train", target: "sin(x)", domain: "-pi,pi", samples: "2000", degree: "3", basis: "power",
  optimizer: "RMSprop", lr: "0.001", schedule: "none", steps: "2000", seed: "0",
};
// Of the page only: no answer of the server depends on them.
const OWN = new Set(["lang", "race", "map", "px", "py", "memory", "step"]);

let values = new Map();
let timer = 0;
const defaults = new Map(Object.entries(DEFAULTS));

/** Let a name have this value where the address does not say. */
export function setDefault(name, value) {
  defaults.set(name, String(value));
}

export function get(name) {
  return values.has(name) ? values.get(name) : defaults.get(name) ?? "";
}

export function isGiven(name) {
  return values.has(name);
}

export function set(name, value) {
  const text = String(value);
  if (text === defaults.get(name)) values.delete(name);
  else values.set(name, text);
  show();
}

export function drop(...names) {
  for (const name of names) values.delete(name);
  show();
}

/** Return the query of the page, or with `more` that of a question to the server. */
export function query(more = null) {
  const pairs = [...values].filter(([name]) => more === null || !OWN.has(name));
  return new URLSearchParams([...pairs, ...Object.entries(more ?? {})]).toString();
}

export function address() {
  const text = query().replaceAll("%28", "(").replaceAll("%29", ")").replaceAll("%2C", ",").replaceAll("%2F", "/");
  return `${location.pathname}${text ? `?${text}` : ""}`;
}

export function read() {
  values = new Map(new URLSearchParams(location.search));
  for (const [name, value] of values) if (value === defaults.get(name)) values.delete(name);
}

/** Write the state into the address; browsers allow that some times a second only. */
function show() {
  clearTimeout(timer);
  timer = setTimeout(() => history.replaceState(null, "", address()), 150);
}

/** Write it at once. */
export function flush() {
  clearTimeout(timer);
  history.replaceState(null, "", address());
}
