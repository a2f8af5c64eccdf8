// A race: the best run of each chosen optimizer, shown in the pictures of the run itself.

import { byId, make } from "./elements.js";
import { share, short } from "./numbers.js";
import { line } from "./plots.js";
import { askArrays, Latest, Refusal } from "./server.js";
import * as state from "./state.js";
import { dataQuery } from "./source.js";
import { t, translated } from "./words.js";

export class Race {
  /** choices: what the server offers; changed: called when a racer has come in; adopt: with name and lr of one. */
  constructor({ choices, changed, adopt }) {
    this.place = byId("race");
    this.names = Object.keys(choices.optimizers);
    this.choices = choices;
    this.changed = changed;
    this.adopt = adopt;
    this.racers = new Map(); // name to {lr, loss, gap, arrays} or {error}
    this.latest = new Latest((_, superseded) => this.run(superseded));
    this.place.addEventListener("toggle", () => {
      if (this.place.open && !this.chosen.length) this.choose(["SGD", "RMSprop", "Adam"]);
      else this.refresh();
      if (!this.place.open) this.changed();
    });
    if (this.chosen.length) this.place.open = true;
  }

  get chosen() {
    return state.get("race").split(",").filter((name) => this.names.includes(name));
  }

  choose(names) {
    state.set("race", names.join(","));
    this.build();
    this.refresh();
    this.changed();
  }

  build() {
    const box = this.place.querySelector(".racers");
    box.querySelectorAll("label").forEach((label) => label.remove());
    for (const name of this.names) {
      const input = make("input", {
        type: "checkbox", name: "racer", value: name, checked: this.chosen.includes(name),
        onchange: () => this.choose(input.checked ? [...this.chosen, name] : this.chosen.filter((one) => one !== name)),
      });
      box.append(make("label", {}, input, ` ${name}`));
    }
    this.table();
  }

  /** Run those that the present problem has not seen. */
  refresh() {
    if (this.place.open && this.chosen.length) this.latest.ask(true);
    else this.table();
  }

  async run(superseded) {
    for (const name of this.chosen) {
      if (superseded()) return;
      const query = this.problem(), limit = this.choices.optimizers[name].steps;
      if (Number(state.get("steps")) > limit) query.set("steps", limit);
      const base = query.toString();
      if (this.racers.get(name)?.base === base) continue;
      try {
        query.set("optimizer", name);
        this.racers.set(name, { base, ...(await askArrays(`/api/race?${query}`)) });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (error.code === "offline") return; // it goes on with the run itself
        this.racers.set(name, { base, error: translated(error.message) });
      }
      this.table();
      this.changed();
    }
  }

  /** The state without what belongs to one optimizer. */
  problem() {
    const query = new URLSearchParams(state.query(dataQuery()));
    const own = ["optimizer", "lr", ...Object.values(this.choices.optimizers).flatMap((one) => Object.keys(one.options))];
    for (const key of [...query.keys()]) if (own.includes(key) || key.startsWith("schedule")) query.delete(key);
    query.set("steps", state.get("steps"));
    return query;
  }

  /** The racers that have come in, with the line that each is drawn by. */
  get shown() {
    if (!this.place.open) return [];
    return this.chosen.filter((name) => this.racers.get(name)?.arrays)
      .map((name) => ({ name, line: line(this.names.indexOf(name) % 6 + 1 + 7 * (1 + Math.floor(this.names.indexOf(name) / 6))), ...this.racers.get(name) }));
  }

  table() {
    const place = this.place.querySelector(".table");
    place.textContent = "";
    if (!this.chosen.length) return;
    const head = ["racer", "bestLr", "lossAtEnd", "gapAtEnd"].map((key, k) => make("th", { scope: "col", class: k ? "n" : "", text: t(key) }));
    const rows = this.chosen.map((name) => {
      const found = this.racers.get(name), shown = this.shown.find((one) => one.name === name);
      const swatch = make("span", { class: "swatch" });
      if (shown) { swatch.style.borderTopColor = shown.line.stroke; swatch.style.borderTopStyle = shown.line.dash.length > 2 ? "dotted" : "dashed"; }
      const title = make("th", { scope: "row" }, swatch, name);
      if (!found) return make("tr", {}, title, make("td", { colspan: 4, text: t("working") }));
      if (found.error) return make("tr", {}, title, make("td", { colspan: 4, text: found.error }));
      return make("tr", {}, title, ...[short(found.lr), short(found.loss, 6), share(found.gap)].map((text) => make("td", { class: "n", text })),
        make("td", {}, make("button", {
          type: "button", text: t("adopt"), "aria-label": t("adoptOf", { name, lr: short(found.lr) }),
          onclick: () => this.adopt(name, found.lr),
        })));
    });
    place.append(make("table", { class: "plain" }, make("thead", {}, make("tr", {}, ...head, make("td"))), make("tbody", {}, ...rows)));
  }
}
