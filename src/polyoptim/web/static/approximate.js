// Approximating: a function by a polynomial in a number format, with its error, its coefficients and its code.

import { byId, choiceField, make, numberField, pairField, textField, truthField } from "./elements.js";
import { path } from "./landscape.js";
import { share, short } from "./numbers.js";
import { Panel } from "./panel.js";
import { color, Plot } from "./plots.js";
import { Latest } from "./server.js";
import * as state from "./state.js";
import { has, t, translated } from "./words.js";

const DEFAULTS = {
  format: "float32", error: "absolute", objective: "minimax", scheme: "horner", fma: "true", guard: "none",
  output_format: "none", exhaustive: "false", code: "c", fixed: "", tolerance: "none",
};

export class Approximate extends Panel {
  constructor(choices) {
    super("approximate", choices);
    this.found = null;
    this.plots = { error: new Plot(byId("plot-error")), ulp: new Plot(byId("plot-ulp")) };
    this.latest = new Latest((since) => this.answer(since));
    for (const [name, value] of Object.entries(DEFAULTS)) state.setDefault(name, value);
  }

  build() {
    const changed = (event) => this.changed(event);
    const named = (name) => (has(`word_${name}`) ? t(`word_${name}`) : name);
    const choice = (name, choices) => choiceField({ name, label: t(name), choices, shown: named, changed });
    this.fill("source", textField({ name: "target", label: t("target"), help: t("approximateHelp"), changed }),
      pairField({ name: "domain", label: t("domain"), labels: [t("domainFrom"), t("domainTo")], changed }));
    this.fill("polynomial",
      numberField({ name: "degree", label: t("degree"), least: 0, most: this.choices.highest.approximate, whole: true, changed: (event) => {
        if (state.isGiven("tolerance")) { state.drop("tolerance"); byId("tolerance").value = "none"; }
        changed(event);
      } }),
      textField({ name: "tolerance", label: t("tolerance"), help: t("toleranceHelp"), changed }),
      textField({ name: "fixed", label: t("fixed"), help: t("fixedHelp"), changed }));
    this.fill("how",
      choice("format", this.choices.formats), choice("error", ["absolute", "relative"]),
      choice("objective", ["minimax", "l2", "l1", "ulp", "flips"]));
    this.fill("evaluation",
      choice("scheme", ["horner", "estrin"]), truthField({ name: "fma", label: "FMA", changed }),
      choice("output_format", ["none", ...this.choices.formats.filter((name) => name !== "real")]),
      choice("guard", ["none", "clamp", "nan"]), truthField({ name: "exhaustive", label: t("exhaustive"), changed }));
    const code = this.panel.querySelector('[name="code"]');
    code.replaceChildren(...Object.keys(this.choices.code).map((name) => make("option", { value: name, text: t(`code_${name}`), selected: name === state.get("code") })));
    code.onchange = (event) => { state.set("code", code.value); this.changed(event); };
  }

  changed(event = null) {
    this.panel.querySelector(".working").textContent = "";
    clearTimeout(this.slow);
    this.slow = setTimeout(() => { if (this.latest.busy) this.panel.querySelector(".working").textContent = t("working"); }, 400);
    this.latest.ask(event?.timeStamp ?? -1);
  }

  /** No file matters to an approximation. */
  query(more = {}) {
    const query = new URLSearchParams(state.query(more));
    for (const name of ["data", "x", "y", "range"]) query.delete(name);
    return query.toString();
  }

  async answer(since) {
    try {
      await this.question("", (found) => {
        this.found = found;
        this.draw();
        if (since >= 0) this.measure(since);
      }, () => this.changed());
    } finally {
      clearTimeout(this.slow);
      this.panel.querySelector(".working").textContent = "";
    }
  }

  draw() {
    const { found } = this;
    if (!found) return;
    this.status(found.formula, [
      `${t("largestError")} ${short(found.sup_error, 5)} (${t(`kind_${found.sup_error_kind}`)})`,
      found.objective === "minimax" && found.lower_bound !== null ? `${t("lowerBound")} ${short(found.lower_bound, 5)}` : `${t("loss")} ${short(found.loss, 5)}`,
      found.gap === null ? "" : `${t("gap")} ${share(found.gap)}`,
      found.max_ulp === null ? "" : `${short(found.max_ulp, 4)} ulp (${t(`kind_${found.max_ulp_kind}`)})`,
    ], found.formula_note);
    this.panel.querySelector(".notes").textContent = [...found.notes].join(" ");
    this.panel.querySelector(".report").textContent = found.report;
    this.panel.querySelector(".command code").textContent = found.command;
    this.panel.querySelector(".code").textContent = found.code;
    this.panel.querySelector(".codefile").dataset.file = found.file;
    this.panel.querySelector(".codefile").textContent = found.file.replace(/^[^.]+/, "");
    this.panel.querySelector(".codefile").setAttribute("aria-label", t("downloadFile", { name: found.file }));
    this.table();
    this.facts();
    this.drawError();
    this.drawUlp();
  }

  table() {
    const head = ["coefficientOf", "decimal", "exactly", "formatOf"].map((key) => make("th", { scope: "col", text: t(key) }));
    const power = (k) => (k === 0 ? t("constant") : k === 1 ? "x" : `x^${k}`);
    const rows = this.found.coefficients.map((one) => make("tr", {}, make("th", { scope: "row", text: power(one.power) }),
      make("td", { text: String(one.value) }), make("td", {}, make("code", { text: one.exactly })), make("td", { text: one.format })));
    this.panel.querySelector(".table").replaceChildren(make("table", { class: "plain" },
      make("caption", { class: "hidden", text: t("coefTable") }), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
  }

  facts() {
    const { found } = this;
    const facts = [
      ["largestError", short(found.sup_error, 8), found.sup_error_kind], ["provedBound", short(found.sup_error_bound, 8), "proved"],
      ["withRounding", short(found.total_error_bound, 8), "proved"], ["lowerBound", short(found.lower_bound, 8), ""],
      ["maxUlp", short(found.max_ulp, 6), found.max_ulp_kind], ["flips", found.flips === null ? "–" : share(found.flips), found.max_ulp_kind],
      ["inputCount", found.input_count === null ? "–" : found.input_count.toLocaleString("en"), ""],
    ].filter(([, text]) => text !== "–");
    this.panel.querySelector(".facts").replaceChildren(...facts.flatMap(([name, text, kind]) => [
      make("dt", { text: t(name) }), make("dd", { text: kind ? `${text} (${t(`kind_${kind}`)})` : text }),
    ]));
  }

  drawError() {
    const { found } = this, x = found.arrays.x.data, error = found.arrays.error.data, bound = found.sup_error_bound ?? found.sup_error;
    this.bound = bound;
    const most = Math.max(bound, ...error.map(Math.abs).filter(Number.isFinite)) * 1.15 || 1;
    this.range = [-most, most];
    this.plots.error.draw({
      kind: `${this.look()} ${found.error}`, data: [x, error], series: [{ label: t("errorCurve"), stroke: color("series-0"), spanGaps: false }], legend: false,
      scales: { x: { range: (_, low, high) => [low, high] }, y: { range: () => this.range } }, xLabel: "x", yLabel: t(`error_${found.error}`),
      label: t("errorLabel", { a: short(x[0]), b: short(x[x.length - 1]), largest: short(found.sup_error, 5) }),
      over: (ctx, plot) => {
        const ends = [x[0], x[x.length - 1]];
        for (const sign of [-1, 1]) path(ctx, plot, ends, [sign * this.bound, sign * this.bound], { stroke: color("best"), dash: [3, 4], width: 1.5 });
      },
    });
  }

  drawUlp() {
    const histogram = this.found.arrays.histogram, figure = byId("plot-ulp").closest("figure");
    figure.hidden = !histogram;
    if (!histogram) return;
    const bins = [];
    for (let k = 0; k < histogram.shape[0]; k += 1) {
      const [low, high, many] = histogram.data.subarray(3 * k, 3 * k + 3);
      if (many > 0) bins.push([low, Number.isFinite(high) ? high : low + 1, many]);
    }
    const all = bins.reduce((sum, bin) => sum + bin[2], 0), least = Math.min(...bins.map((bin) => bin[2])) / all;
    this.ulpX = [0, Math.max(...bins.map((bin) => bin[1]))];
    this.ulpY = [10 ** Math.floor(Math.log10(least) - 0.3), 1.5];
    this.plots.ulp.draw({
      kind: `${this.look()} ulp ${this.ulpX} ${this.ulpY}`, data: [this.ulpX, [null, null]], series: [{ label: "" }], legend: false, log: { y: true },
      scales: { x: { range: this.ulpX }, y: { range: this.ulpY } }, xLabel: t("ulpAxis"), yLabel: t("shareOfInputs"),
      label: t("ulpLabel", { largest: short(this.found.max_ulp, 4) }),
      over: (ctx, plot) => bins.forEach(([low, high, many]) => {
        const left = plot.valToPos(low, "x", true), right = plot.valToPos(high, "x", true), top = plot.valToPos(many / all, "y", true);
        ctx.fillStyle = color("series-0");
        ctx.fillRect(left + 0.5, top, Math.max(right - left - 1, 1), plot.bbox.top + plot.bbox.height - top);
      }),
    });
  }

  redraw() {
    const working = this.panel.querySelector(".working");
    if (working.textContent) working.textContent = t("working");
    for (const plot of Object.values(this.plots)) plot.forget();
    this.draw();
  }

  open() {
    this.build();
    this.changed();
  }
}
