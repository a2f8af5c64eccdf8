// Elements, and fields that write the state.

import * as state from "./state.js";
import { short } from "./numbers.js";
import { t } from "./words.js";

/** Make an element. Attributes that begin with on are listeners; text is its text. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "text") element.textContent = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

export const byId = (id) => document.getElementById(id);

function field(name, label, ...inputs) {
  return make("div", { class: "field", "data-field": name }, label, ...inputs, make("p", { class: "error", id: `${name}-error` }));
}

/** A text. */
export function textField({ name, label, help, changed }) {
  const input = make("input", {
    type: "text", class: "text", id: name, name, spellcheck: "false", autocapitalize: "off", value: state.get(name),
    "aria-describedby": `${name}-error ${name}-help`,
    oninput: (event) => { state.set(name, input.value); changed(event); },
  });
  const made = field(name, make("label", { for: name, text: label }), input);
  if (help) made.append(make("p", { class: "help", id: `${name}-help`, text: help }));
  return made;
}

/** Two texts with a comma between them, such as the ends of a domain. */
export function pairField({ name, label, labels, placeholder = "", changed }) {
  const parts = state.get(name).split(",");
  const inputs = labels.map((own, place) => make("input", {
    type: "text", name: `${name}-${place}`, id: `${name}-${place}`, "aria-label": own, placeholder, spellcheck: "false",
    value: parts[place] ?? "", "aria-describedby": `${name}-error`,
    oninput: (event) => {
      if (inputs.every((input) => input.value.trim() === "")) state.drop(name);
      else state.set(name, inputs.map((input) => input.value.trim()).join(","));
      changed(event);
    },
  }));
  return field(name, make("span", { text: label }), make("div", { class: "row", role: "group", "aria-label": label }, ...inputs));
}

/** One of several words; `shown` says how each is called. */
export function choiceField({ name, label, choices, shown = (choice) => choice, changed }) {
  const options = choices.map((choice) => make("option", { value: choice, text: shown(choice), selected: choice === state.get(name) }));
  const select = make("select", {
    id: name, name, "aria-describedby": `${name}-error`,
    onchange: (event) => { state.set(name, select.value); changed(event); },
  }, ...options);
  return field(name, make("label", { for: name, text: label }), select);
}

/** Yes or no. */
export function truthField({ name, label, changed }) {
  const box = make("input", {
    type: "checkbox", id: name, name, checked: state.get(name) === "true",
    onchange: (event) => { state.set(name, box.checked); changed(event); },
  });
  return field(name, make("label", { for: name, text: label }), box);
}

/** A number by a slider, and beside it as text, where values beyond the slider can be typed. */
export function numberField({ name, label, least, most, step, log = false, whole = false, place = null, changed }) {
  const read = () => (place === null ? state.get(name) : state.get(name).split(",")[place] ?? "");
  const write = (text) => {
    if (place === null) return state.set(name, text);
    const parts = state.get(name).split(",");
    parts[place] = text;
    return state.set(name, parts.join(","));
  };
  const own = place === null ? name : `${name}-${place}`;
  const onto = (value) => (log ? Math.log10(Math.max(value, least)) : value);
  const from = (text) => {
    const value = log ? 10 ** Number(text) : Number(text);
    if (whole) return Math.round(value);
    return log ? Number(value.toPrecision(3)) : value;
  };
  const says = (value) => slider.setAttribute("aria-valuetext", short(value, 6));
  const slider = make("input", {
    type: "range", id: own, name: own, min: onto(least), max: onto(most), step: log ? 0.01 : step ?? (whole ? 1 : "any"),
    "aria-describedby": `${own}-error`,
    oninput: (event) => {
      const value = from(slider.value);
      text.value = String(value);
      says(value);
      write(String(value));
      changed(event);
    },
  });
  const text = make("input", {
    type: "text", inputmode: whole ? "numeric" : "decimal", name: `${own}-text`, "aria-label": t("typed", { label }),
    spellcheck: "false", "aria-describedby": `${own}-error`,
    oninput: (event) => {
      write(text.value.trim());
      const value = Number(text.value);
      if (text.value.trim() !== "" && Number.isFinite(value)) { slider.value = onto(value); says(value); }
      changed(event);
    },
  });
  const value = read();
  slider.value = onto(Number(value));
  says(Number(value));
  text.value = value;
  return field(own, make("label", { for: own, text: label }), text, slider);
}

/** Say under each field what is wrong with it, and at the top of the page what belongs to none. */
export function showErrors(root, fields) {
  const left = { ...fields };
  for (const place of root.querySelectorAll(".field")) {
    const name = place.dataset.field, sentence = left[name] ?? left[name.replace(/-\d$/, "")] ?? "";
    delete left[name];
    place.querySelector(".error").textContent = sentence;
    for (const input of place.querySelectorAll("input, select")) {
      if (sentence) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }
  for (const place of root.querySelectorAll(".field")) delete left[place.dataset.field.replace(/-\d$/, "")];
  const rest = Object.values(left).join(" ");
  const top = byId("page-error");
  top.textContent = rest;
  top.hidden = rest === "";
}
