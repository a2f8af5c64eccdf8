// Where the target comes from: an expression, or a file that was dropped or opened.

import { byId, choiceField, make, numberField, pairField, showErrors, textField } from "./elements.js";
import { askJson, Refusal } from "./server.js";
import * as state from "./state.js";
import { t, translated } from "./words.js";

let file = null; // what the user gave, to send it again where the server has lost it
let known = null; // what the server says of it: upload, data, names, numbers

/** What a question to the server says of the data. */
export function dataQuery() {
  return state.isGiven("data") && known?.data === state.get("data") ? { upload: known.upload } : {};
}

/** Whether the state is about a file that is not here. */
export function isMissing() {
  return state.isGiven("data") && known?.data !== state.get("data");
}

/** Send the file, and take its first columns of numbers where the state names none. */
export async function take(given, changed) {
  try {
    const found = await askJson(`/api/data?${new URLSearchParams({ name: given.name })}`, { method: "POST", body: given });
    file = given;
    known = found;
    const again = state.get("data") === found.data && found.names.includes(state.get("x")) && found.names.includes(state.get("y"));
    if (!again) {
      state.drop("range");
      state.set("data", found.data);
      const rest = found.numbers.filter((name) => name !== "y"), x = found.numbers.includes("x") ? "x" : rest[0];
      state.set("x", x);
      state.set("y", found.numbers.includes("y") ? "y" : found.numbers.find((name) => name !== x));
    }
    changed();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    showErrors(document.querySelector(".panel:not([hidden])"), { page: translated(error.message) });
  }
}

/** Send the file again, after the server was started anew; tell whether there is one. */
export async function takeAgain(changed) {
  if (file === null) {
    known = null;
    return false;
  }
  await take(file, changed);
  return true;
}

/** Return the fields of a target: where a file is wanted (fit) there is no expression; `more` makes one of its columns. */
export function sourceFields({ changed, rebuild, expression = true, more = null }) {
  const opener = make("input", {
    type: "file", accept: ".csv,.parquet", id: "file", class: "hidden", name: "file",
    onchange: () => { if (opener.files.length) take(opener.files[0], rebuild); },
  });
  const open = make("div", { class: "field", "data-field": "data" },
    make("div", { class: "row" },
      make("button", { type: "button", text: t("openFile"), onclick: () => opener.click() }), opener,
      make("label", { for: "file", class: "hidden", text: t("openFile") })),
    make("p", { class: "help", text: t("orDrop") }), make("p", { class: "error", id: "data-error" }));
  const domain = pairField({
    name: state.isGiven("data") ? "range" : "domain", label: t("domain"), labels: [t("domainFrom"), t("domainTo")],
    placeholder: state.isGiven("data") ? t("range") : "", changed,
  });
  if (state.isGiven("data")) {
    const fields = [make("div", { class: "field", "data-field": "data" },
      make("span", { text: `${t("ownFile")}: ${state.get("data")}` }),
      expression && make("button", {
        type: "button", text: t("leaveFile"),
        onclick: () => { state.drop("data", "x", "y", "range"); rebuild(); },
      }), make("p", { class: "error", id: "data-error" }))];
    if (isMissing()) fields[0].querySelector(".error").textContent = t("dropAgain", { name: state.get("data") });
    else {
      const names = known.numbers;
      fields.push(choiceField({ name: "x", label: t("columnX"), choices: names, changed }));
      fields.push(choiceField({ name: "y", label: t("columnY"), choices: names, changed }));
      if (more) fields.push(more(names));
      if (expression) fields.push(domain);
    }
    return [...fields, open];
  }
  if (!expression) return [open];
  return [
    textField({ name: "target", label: t("target"), help: t("targetHelp"), changed }), domain,
    numberField({ name: "samples", label: t("samples"), least: 10, most: 20000, log: true, whole: true, changed }), open,
  ];
}

/** Let files be dropped anywhere on the page. */
export function listenForDrops(rebuild) {
  const cover = byId("cover");
  let depth = 0;
  const shows = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => { if (shows(event)) { depth += 1; cover.hidden = false; } });
  addEventListener("dragleave", (event) => { if (shows(event)) { depth -= 1; if (depth <= 0) cover.hidden = true; } });
  addEventListener("dragover", (event) => { if (shows(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!shows(event)) return;
    event.preventDefault();
    depth = 0;
    cover.hidden = true;
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0], rebuild);
  });
}
