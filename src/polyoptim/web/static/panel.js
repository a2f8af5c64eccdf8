// What the panels of all verbs share: they ask the server after every change, and show what it says or refuses.

import { byId, showErrors } from "./elements.js";
import { askArrays, Refusal } from "./server.js";
import { dataQuery, isMissing, takeAgain } from "./source.js";
import * as state from "./state.js";
import { t, translated } from "./words.js";

const AGAIN = 1500; // milliseconds until a server that has gone is asked again

export class Panel {
  /** name: of the verb; choices: what the server offers. */
  constructor(name, choices) {
    this.name = name;
    this.choices = choices;
    this.panel = byId(name);
    this.sent = 0; // how often a lost file was sent again
  }

  /** Leave the front: the fields of other panels have the same names. */
  close() {
    clearTimeout(this.waiting);
    for (const place of this.panel.querySelectorAll("form fieldset > div")) place.replaceChildren();
  }

  /** Put fields into a place of the panel. */
  fill(place, ...fields) {
    this.panel.querySelector(`.${place}`).replaceChildren(...fields.flat(2).filter(Boolean));
  }

  /** What the server is asked: the state, and which file it is about. */
  query(more = {}) {
    return state.query({ ...dataQuery(), ...more });
  }

  /** Whether the question can be asked; a file that has been lost is sent again first. */
  isReady(again) {
    if (!isMissing()) return true;
    takeAgain(() => {}).then((there) => { if (there) again(); });
    return false;
  }

  /** Ask, show by `take`, and where the server refuses or has gone, say so; tell whether it has answered. */
  async question(more, take, again) {
    const asked = this.query();
    try {
      const found = await askArrays(`/api/${this.name}?${asked}${more}`);
      clearTimeout(this.waiting);
      this.sent = 0;
      if (state.get("verb") !== this.name) return false; // another panel is open by now
      if (more && asked !== this.query()) return false; // a later question is on its way
      showErrors(this.panel, {});
      this.panel.classList.remove("stale");
      take(found);
      return true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.code === "offline") this.offline(again);
      else {
        if (error.code === "gone" && this.sent < 2) { // once more than a server that was started anew needs
          this.sent += 1;
          if (await takeAgain(again)) return false;
        }
        if (error.code === "gone") this.build();
        this.refused(error);
      }
      return false;
    }
  }

  /** Say what is wrong, where it is wrong; the last good picture stays, paler. */
  refused(error) {
    if (state.get("verb") !== this.name) return;
    if (error.code === "offline") { this.offline(() => this.changed()); return; }
    showErrors(this.panel, Object.fromEntries(Object.entries(error.fields).map(([name, sentence]) => [name, translated(sentence)])));
    const target = this.panel.querySelector('[name="target"]'), place = error.position;
    if (target && error.fields.target && place !== null) {
      const before = target.value.slice(Math.max(0, place - 12), place), after = target.value.slice(place, place + 12);
      this.panel.querySelector('[data-field="target"] .error').textContent += ` (${place > 12 ? "…" : ""}${before}▲${after})`;
    }
    this.panel.classList.add("stale");
  }

  /** The server has gone: say so, and go on when it is back. */
  offline(again) {
    byId("page-error").textContent = t("unreachable");
    byId("page-error").hidden = false;
    this.panel.classList.add("stale");
    clearTimeout(this.waiting);
    this.waiting = setTimeout(again, AGAIN);
  }

  /** Keep the time from the change of a control to the painted curve, where tools for developers look for it. */
  measure(since) {
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => performance.measure("change to curve", { start: since, end: performance.now() });
      channel.port2.postMessage(null);
    });
  }

  /** What the look of a plot depends on beside its data. */
  look() {
    return `${document.documentElement.dataset.shade} ${document.documentElement.lang}`;
  }

  /** Say the formula and the numbers of a result; a note on the formula is shown to who points at it. */
  status(formula, numbers, note = "") {
    const place = this.panel.querySelector('[role="status"]');
    if (place.children.length < 2) {
      place.replaceChildren(document.createElement("div"), document.createElement("div"));
      place.children[0].className = "formula";
      place.children[1].className = "numbers";
    }
    place.children[0].textContent = formula;
    place.children[0].title = note;
    place.children[1].textContent = numbers.filter(Boolean).join(" · ");
  }
}
