// Fitting: the best polynomial for the rows of a file, with its bands, residuals and statistics.

import { byId, choiceField, make, numberField, truthField } from "./elements.js";
import { around } from "./landscape.js";
import { short } from "./numbers.js";
import { Panel } from "./panel.js";
import { color, Plot } from "./plots.js";
import { Latest } from "./server.js";
import { isMissing, sourceFields, take } from "./source.js";
import * as state from "./state.js";
import { t, translated } from "./words.js";

const EXAMPLE = "pontius.csv";

export class Fit extends Panel {
  constructor(choices) {
    super("fit", choices);
    this.found = null;
    this.plots = { curve: new Plot(byId("plot-fit")), residuals: new Plot(byId("plot-residuals")) };
    this.latest = new Latest((since) => this.answer(since));
    for (const [name, value] of Object.entries({ loss: "squared", sigma: "none", level: "0.95", auto: "false", drop: "false" })) state.setDefault(name, value);
    for (const options of Object.values(choices.losses)) for (const [name, value] of Object.entries(options)) state.setDefault(name, value);
  }

  build() {
    const changed = (event) => this.changed(event), rebuild = () => { this.build(); this.changed(); };
    this.fill("source", sourceFields({ changed, rebuild, expression: false, more: (names) => choiceField({
      name: "sigma", label: t("sigma"), choices: ["none", ...names], shown: (name) => (name === "none" ? t("sigmaNone") : name), changed,
    }) }), truthField({ name: "drop", label: t("dropRows"), changed }), make("div", { class: "row" },
      make("button", { type: "button", class: "example", text: t("example"), onclick: () => this.example(rebuild) })));
    this.fill("polynomial",
      numberField({ name: "degree", label: t("degree"), least: 0, most: this.choices.highest.fit, whole: true, changed: (event) => {
        if (state.get("auto") === "true") { state.drop("auto"); byId("auto").checked = false; }
        changed(event);
      } }),
      truthField({ name: "auto", label: t("autoDegree"), changed }));
    const options = Object.keys(this.choices.losses[state.get("loss")] ?? {});
    this.fill("how",
      choiceField({ name: "loss", label: t("lossChoice"), choices: Object.keys(this.choices.losses), changed: rebuild }),
      make("p", { class: "help", text: t(`loss_${state.get("loss")}`) }),
      options.map((name) => numberField({ name, label: name, least: 0.01, most: 100, log: true, changed })),
      numberField({ name: "level", label: t("level"), least: 0.5, most: 0.999, step: 0.001, changed }));
  }

  async example(rebuild) {
    const content = await (await fetch(`/examples/${EXAMPLE}`)).blob();
    state.set("degree", 2);
    await take(new File([content], EXAMPLE, { type: "text/csv" }), rebuild);
  }

  changed(event = null) {
    this.latest.ask(event?.timeStamp ?? -1);
  }

  async answer(since) {
    if (!state.isGiven("data")) { this.nothing(t("fitNothing")); return; }
    if (isMissing()) this.nothing(t("dropAgain", { name: state.get("data") }));
    if (!this.isReady(() => this.changed())) return;
    await this.question("", (found) => {
      this.found = found;
      this.draw();
      if (since >= 0) this.measure(since);
    }, () => this.changed());
  }

  /** Say that there is nothing to show yet. */
  nothing(sentence) {
    this.found = null;
    this.status(sentence, []);
    for (const plot of Object.values(this.plots)) plot.empty("");
    for (const place of [".table", ".facts", ".notes"]) this.panel.querySelector(place).textContent = "";
    this.panel.querySelector(".report").textContent = "";
    this.panel.querySelector(".command code").textContent = "";
    this.panel.classList.remove("stale");
  }

  draw() {
    const { found } = this;
    if (!found) return;
    const kind = found.optimum_kind === "exact" ? t("exact") : found.optimum_kind === "best found" ? t("bestFound") : "";
    this.status(found.formula, [
      `${t("loss")} ${short(found.loss, 6)}${kind ? ` (${kind})` : ""}`, found.r2 === null ? "" : `R² ${short(found.r2, 9)}`,
      found.sigma === null ? "" : `${t("residualSd")} ${short(found.sigma, 4)}`, t("rows", { rows: found.rows }), t("degreeOf", { degree: found.degree }),
    ], found.formula_note);
    this.panel.querySelector(".notes").textContent = [found.status === "converged" ? "" : translated(found.message), ...found.notes].filter(Boolean).join(" ");
    this.panel.querySelector(".report").textContent = found.report;
    this.panel.querySelector(".command code").textContent = found.command;
    this.table();
    this.facts();
    this.drawCurve();
    this.drawResiduals();
  }

  table() {
    const head = ["coefficientOf", "value", "stdError", "t", "p"].map((key, k) => make("th", { scope: "col", class: k ? "n" : "", text: key.length > 1 ? t(key) : key }));
    const rows = this.found.terms.map((one) => make("tr", {}, make("th", { scope: "row", text: one.term === "constant" ? t("constant") : one.term }),
      ...[[one.coef_power, 7], [one.stderr_power, 4], [one.t, 4], [one.p, 3]].map(([value, digits]) => make("td", { class: "n", text: short(value, digits) }))));
    this.panel.querySelector(".table").replaceChildren(make("table", { class: "plain" },
      make("caption", { class: "hidden", text: t("coefTable") }), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
  }

  facts() {
    const { found } = this;
    const facts = [
      ["residualSd", found.sigma], ["dof", found.dof], ["R²", found.r2], ["R²adj", found.r2_adjusted], ["F", found.f],
      ["AICc", found.aicc], ["BIC", found.bic], ["largestResidual", found.largest],
    ].filter(([, value]) => value !== null && value !== undefined);
    const named = { "R²adj": t("adjusted") };
    const list = facts.flatMap(([name, value]) => [make("dt", { text: named[name] ?? (/^[A-Z]/.test(name) ? name : t(name)) }), make("dd", { text: short(value, /^R/.test(name) ? 9 : 6) })]);
    list.push(make("dt", { text: t("errorsKind") }), make("dd", { text: t(`errors_${found.errors}`) }));
    this.panel.querySelector(".facts").replaceChildren(...list);
  }

  drawCurve() {
    const { arrays } = this.found, x = arrays.x.data, level = short(100 * Number(state.get("level")), 4);
    const data = [x, arrays.curve.data], series = [{ label: t("seriesPolynomial"), stroke: color("series-0"), width: 3 }], bands = [];
    for (const [name, stroke, dash] of [["confidence", "series-2", [7, 4]], ["prediction", "series-1", [2, 4]]]) {
      if (!arrays[`${name}.low`]) continue;
      const place = data.length;
      data.push(arrays[`${name}.high`].data, arrays[`${name}.low`].data);
      series.push({ label: t(name, { level }), stroke: color(stroke), dash, width: 1.5 }, { label: t("lower"), stroke: color(stroke), dash, width: 1.5, lower: true });
      bands.push({ series: [place, place + 1], fill: color(`${stroke}`) + "22" });
    }
    const [px, py] = [arrays["points.x"]?.data ?? [], arrays["points.y"]?.data ?? []];
    this.range = around(py, arrays.curve.data);
    this.plots.curve.draw({
      kind: `${this.look()} ${series.map((one) => one.label)}`, data, series, bands, scales: { x: { range: (_, low, high) => [low, high] }, y: { range: () => this.range } },
      xLabel: state.get("x"), yLabel: state.get("y"),
      label: t("fitLabel", { rows: this.found.rows, a: short(x[0]), b: short(x[x.length - 1]) }),
      under: (ctx, plot) => points(ctx, plot, px, py),
    });
  }

  drawResiduals() {
    const { arrays } = this.found, px = arrays["points.x"]?.data;
    if (!px) { this.plots.residuals.empty(t("noPoints")); return; }
    const residuals = arrays.residuals.data, x = arrays.x.data, ends = [x[0], x[x.length - 1]];
    this.residualRange = around(residuals, [0]);
    this.plots.residuals.draw({
      kind: `${this.look()} residuals`, data: [ends, [0, 0]], series: [{ label: "0", stroke: color("series-0") }], legend: false,
      scales: { x: { range: (_, low, high) => [low, high] }, y: { range: () => this.residualRange } }, xLabel: state.get("x"), yLabel: t("residual"),
      label: t("residualLabel", { largest: short(this.found.largest) }),
      under: (ctx, plot) => points(ctx, plot, px, residuals),
    });
  }

  redraw() {
    for (const plot of Object.values(this.plots)) plot.forget();
    if (this.found) this.draw(); else this.changed();
  }

  open() {
    this.build();
    this.changed();
  }
}

function points(ctx, plot, xs, ys) {
  ctx.fillStyle = color("ink");
  ctx.globalAlpha = xs.length > 300 ? 0.35 : 0.75;
  const size = (xs.length > 300 ? 3 : 5) * devicePixelRatio;
  for (let k = 0; k < xs.length; k += 1) ctx.fillRect(plot.valToPos(xs[k], "x", true) - size / 2, plot.valToPos(ys[k], "y", true) - size / 2, size, size);
}
