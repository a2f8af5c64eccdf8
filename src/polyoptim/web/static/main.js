// The page: verbs, language, theme, link, files.

import { Approximate } from "./approximate.js";
import { byId, showErrors } from "./elements.js";
import { Fit } from "./fit.js";
import { askJson, Refusal, save } from "./server.js";
import { listenForDrops } from "./source.js";
import * as state from "./state.js";
import { Train } from "./train.js";
import { choose, chosen, spell, t, translated } from "./words.js";

const THEMES = ["auto", "light", "dark"];
const PANELS = { train: Train, fit: Fit, approximate: Approximate };
const made = {};
let choices = null;

/** What the browser keeps for this page; private windows may refuse. */
const kept = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* it lasts as long as the page */ } },
};

/** Read the state from the address; a verb that is none is as if there were none. */
function read() {
  state.read();
  if (!Object.hasOwn(PANELS, state.get("verb"))) state.drop("verb");
}

function verb() {
  return state.get("verb");
}

function panel() {
  return made[verb()];
}

function open() {
  for (const name of Object.keys(PANELS)) {
    if (name !== verb()) made[name]?.close();
    byId(name).hidden = name !== verb();
    const tab = byId(`tab-${name}`);
    tab.setAttribute("aria-selected", String(name === verb()));
    tab.tabIndex = name === verb() ? 0 : -1;
  }
  showErrors(byId(verb()), {});
  made[verb()] ??= new PANELS[verb()](choices);
  panel().open();
}

function setLanguage(name) {
  choose(name);
  const button = byId("language");
  button.textContent = name === "zh" ? "English" : "中文";
  button.lang = name === "zh" ? "en" : "zh-CN";
  spell();
  setTheme(document.documentElement.dataset.theme);
  for (const play of document.querySelectorAll(".play")) play.textContent = t(play.getAttribute("aria-pressed") === "true" ? "pause" : "play");
  for (const button of document.querySelectorAll("[data-file]")) button.setAttribute("aria-label", t("downloadFile", { name: button.dataset.file }));
}

function setTheme(name) {
  const theme = THEMES.includes(name) ? name : "auto";
  document.documentElement.dataset.theme = theme;
  const dark = theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.shade = dark ? "dark" : "light";
  byId("theme").textContent = t(`theme_${theme}`);
}

async function copy(text, button, said) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // where there is no clipboard: not https, or not allowed
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = t(said);
  setTimeout(() => { button.textContent = t(button.dataset.text); }, 1500);
}

async function download(button) {
  button.disabled = true;
  try {
    await save(button.dataset.file, panel().query({ verb: verb() }));
    showErrors(byId(verb()), {});
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.code === "offline") panel().refused(error);
    else showErrors(byId(verb()), Object.fromEntries(Object.entries(error.fields).map(([name, sentence]) => [name, translated(sentence)])));
  } finally {
    button.disabled = false;
  }
}

function listen() {
  byId("language").addEventListener("click", () => {
    const name = chosen() === "zh" ? "en" : "zh";
    kept.set("language", name);
    state.drop("lang");
    setLanguage(name);
    panel().build();
    panel().redraw();
  });
  byId("theme").addEventListener("click", () => {
    const name = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    kept.set("theme", name);
    setTheme(name);
    panel().redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    setTheme(document.documentElement.dataset.theme);
    panel().redraw();
  });
  byId("share").addEventListener("click", (event) => {
    state.flush();
    copy(location.href, event.target, "shared");
  });
  for (const button of document.querySelectorAll("[data-file]")) button.addEventListener("click", () => download(button));
  const tabs = Object.keys(PANELS);
  for (const name of tabs) {
    byId(`tab-${name}`).addEventListener("click", () => {
      if (name === verb()) return;
      state.flush();
      state.set("verb", name);
      history.pushState(null, "", state.address());
      open();
    });
    byId(`tab-${name}`).addEventListener("keydown", (event) => {
      const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (turn) { const next = byId(`tab-${tabs[(tabs.indexOf(name) + turn + tabs.length) % tabs.length]}`); next.focus(); next.click(); }
    });
  }
  addEventListener("popstate", () => { read(); open(); });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    panel().panel.querySelector('[role="status"]').focus();
  });
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", () => copy(panel().panel.querySelector(".code").textContent, button, "copied"));
  }
  for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (event) => event.preventDefault());
  listenForDrops(() => { panel().build(); panel().changed(); });
}

async function begin() {
  read();
  const wanted = state.get("lang") || kept.get("language") || (navigator.language.startsWith("zh") ? "zh" : "en");
  document.documentElement.dataset.theme = kept.get("theme") ?? "auto";
  setLanguage(wanted);
  choices = await askJson("/api/choices");
  listen();
  open();
}

begin();
