// Training: every change shows the whole run again.

import { byId, choiceField, make, numberField, textField, truthField } from "./elements.js";
import { around, centre, contours, path, point } from "./landscape.js";
import { LossMap } from "./map.js";
import { formula, share, short } from "./numbers.js";
import { Panel } from "./panel.js";
import { color, line, Plot } from "./plots.js";
import { Race } from "./race.js";
import { askArrays, Latest, Refusal } from "./server.js";
import { sourceFields } from "./source.js";
import * as state from "./state.js";
import { has, t, translated } from "./words.js";

const PLAYED = 9; // seconds that a whole run is played in
const REST = 220; // milliseconds without a change, after which the run is asked for in detail

export class Train extends Panel {
  constructor(choices) {
    super("train", choices);
    this.run = null; // what the server said last
    this.place = -1; // the row of the trace that is shown
    this.playing = 0;
    this.plots = Object.fromEntries(["curve", "loss", "coef", "path", "state"].map((name) => [name, new Plot(byId(`plot-${name}`))]));
    this.latest = new Latest((question) => this.answer(question));
    this.detailed = new Latest((question) => this.answer(question)); // so that no slider waits for details
    this.race = new Race({ choices, changed: () => this.draw(), adopt: (name, lr) => this.adopt(name, { lr }) });
    this.map = new LossMap({ choices, adopt: (other, lr, value) => this.adopt(state.get("optimizer"), { lr, [other]: value }) });
    byId("step").addEventListener("input", () => { this.stop(); this.show(Number(byId("step").value)); });
    this.panel.querySelector(".play").addEventListener("click", () => (this.playing ? this.stop() : this.play()));
    for (const name of ["path-x", "path-y", "memory"]) {
      this.panel.querySelector(`[name="${name}"]`).addEventListener("change", (event) => {
        state.set({ "path-x": "px", "path-y": "py", memory: "memory" }[name], event.target.value);
        this.choosers();
        this.draw();
      });
    }
    this.build();
  }

  /** Make the controls anew: after a change of what can be set, or of the language. */
  build() {
    const focused = document.activeElement?.id;
    const optimizer = this.choices.optimizers[state.get("optimizer")] ?? this.choices.optimizers.RMSprop;
    state.setDefault("steps", Math.min(2000, optimizer.steps));
    for (const [name, option] of Object.entries(optimizer.options)) state.setDefault(name, option.value ?? "none");
    const changed = (event) => this.changed(event), rebuild = () => { this.build(); this.changed(); };
    this.fill("source", sourceFields({ changed, rebuild }));
    this.fill("polynomial",
      numberField({ name: "degree", label: t("degree"), least: 0, most: this.choices.limits.degree, whole: true, changed }),
      choiceField({ name: "basis", label: t("basis"), choices: this.choices.bases, shown: (name) => t(`basis_${name}`), changed }));
    const about = `about_${state.get("optimizer")}`;
    this.fill("optimizer",
      choiceField({
        name: "optimizer", label: t("optimizer"), choices: Object.keys(this.choices.optimizers),
        changed: () => this.adopt(state.get("optimizer"), {}),
      }),
      make("p", { class: "help", text: has(about) ? t(about) : "" }),
      this.slider("lr", t("lr"), this.choices.ranges.lr, changed),
      make("div", { class: "row" }, make("button", { type: "button", class: "bestlr", text: t("bestRate"), onclick: (event) => this.bestRate(event.target) })),
      make("p", { class: "help stable" }));
    this.fill("options", Object.entries(optimizer.options).map(([name, option]) => this.option(name, option, changed)), this.schedule(changed, rebuild));
    this.fill("run",
      numberField({ name: "steps", label: t("steps"), least: Math.min(100, optimizer.steps / 20), most: Math.min(10000, optimizer.steps), step: Math.min(100, optimizer.steps / 20), whole: true, changed }),
      make("div", { class: "field", "data-field": "seed" }, make("label", { for: "seed", text: t("seed") }),
        make("input", { type: "number", id: "seed", name: "seed", step: 1, value: state.get("seed"), "aria-describedby": "seed-error", oninput: (event) => { state.set("seed", event.target.value); changed(event); } }),
        make("p", { class: "error", id: "seed-error" })),
      make("div", { class: "row" }, make("button", {
        type: "button", text: t("otherSeed"),
        onclick: (event) => { byId("seed").value = Number(state.get("seed")) + 1; state.set("seed", byId("seed").value); changed(event); },
      })));
    this.race.build();
    if (focused) byId(focused)?.focus({ preventScroll: true });
  }

  slider(name, label, range, changed, place = null) {
    return numberField({ name, label, place, changed, ...range });
  }

  /** The fields of one option of the optimizer, by the kind of its default. */
  option(name, option, changed) {
    if (option.choices.length) {
      const words = option.choices.map((choice) => choice ?? "none");
      return choiceField({ name, label: name, choices: words, changed });
    }
    if (typeof option.value === "boolean") return truthField({ name, label: name, changed });
    const range = this.choices.ranges[name];
    const parts = option.parts.length ? option.parts.map((part, place) => [part, place]) : [[name, null]];
    const typed = option.value === null || (Array.isArray(option.value) && option.value.includes(null)) || !range;
    if (typed) return [textField({ name, label: name, changed })];
    return parts.map(([label, place]) => this.slider(name, label, range, changed, place));
  }

  /** The schedule and its options, with what the server offers for them. */
  schedule(changed, rebuild) {
    const names = ["none", ...Object.keys(this.choices.schedules)];
    const chosen = state.get("schedule");
    const drop = () => state.drop(...names.flatMap((name) => Object.keys(this.choices.schedules[name] ?? {}).map((option) => `schedule.${option}`)));
    const fields = [choiceField({
      name: "schedule", label: t("schedule"), choices: names, shown: (name) => (name === "none" ? t("none") : name),
      changed: () => { drop(); rebuild(); },
    })];
    const options = Object.keys(this.choices.schedules[chosen] ?? {});
    return [...fields, ...options.map((option) => textField({ name: `schedule.${option}`, label: option, changed }))];
  }

  /** Show what the server took for those options of the schedule that are left to it. */
  follow(options) {
    for (const [option, value] of Object.entries(options)) {
      const name = `schedule.${option}`, input = byId(name);
      if (state.isGiven(name)) continue;
      state.setDefault(name, value);
      if (input && input !== document.activeElement) input.value = state.get(name);
    }
  }

  /** Take an optimizer with its own defaults, and these options. */
  adopt(name, options) {
    const before = this.choices.optimizers[state.get("optimizer")];
    const every = Object.values(this.choices.optimizers).flatMap((one) => Object.keys(one.options));
    if (name !== state.get("optimizer") || this.shownOptimizer !== name) state.drop(...every);
    state.set("optimizer", name);
    const now = this.choices.optimizers[name] ?? before;
    state.setDefault("steps", Math.min(2000, now.steps));
    if (Number(state.get("steps")) > now.steps) state.set("steps", now.steps);
    for (const [option, { value }] of Object.entries(now.options)) state.setDefault(option, value ?? "none");
    if (!("lr" in options)) state.set("lr", now.lr);
    for (const [option, value] of Object.entries(options)) {
      const pair = Object.keys(now.options).find((one) => now.options[one].parts.includes(option));
      if (!pair) state.set(option, value);
      else state.set(pair, state.get(pair).split(",").map((one, k) => (k === now.options[pair].parts.indexOf(option) ? value : one)).join(","));
    }
    this.build();
    this.changed();
  }

  /** Find the rate of a grid that ends lowest, and take it. */
  async bestRate(button) {
    button.disabled = true;
    button.textContent = t("working");
    try {
      const query = new URLSearchParams(this.query());
      query.delete("lr");
      for (const key of [...query.keys()]) if (key.startsWith("schedule")) query.delete(key);
      const found = await askArrays(`/api/race?${query}`);
      state.set("lr", Number(found.lr.toPrecision(4)));
      this.build();
      this.changed();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refused(error);
    } finally {
      button.disabled = false;
      button.textContent = t("bestRate");
    }
  }

  /** Something was changed: show the whole run. */
  changed(event = null) {
    this.stop();
    this.atEnd = true;
    this.ask("live", event);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.ask("full"), REST);
  }

  ask(detail, event = null) {
    if (!this.isReady(() => this.ask(detail, event))) return;
    (detail === "full" ? this.detailed : this.latest).ask({ detail, since: event?.timeStamp ?? null });
  }

  /** Ask the server, and show what it says. */
  async answer({ detail, since }) {
    const take = (run) => {
      this.shownOptimizer = state.get("optimizer");
      this.take(run, detail);
      if (since !== null) this.measure(since);
    };
    const answered = await this.question(detail === "full" ? "&detail=full" : "", take, () => this.ask(detail));
    if (answered && detail === "full") { this.race.refresh(); this.map.refresh(this.run.stable_lr); }
  }

  refused(error) {
    clearTimeout(this.resting);
    super.refused(error);
  }

  /** Show a run: its end, or where the last one was played to. */
  take(run, detail) {
    const { arrays } = run, rows = arrays.step.data.length, first = this.run === null;
    const part = this.run && !this.atEnd ? this.place / Math.max(this.run.arrays.step.data.length - 1, 1) : 1;
    this.run = run;
    run.rows = rows;
    run.detailed = detail === "full";
    run.columns = run.terms.length;
    byId("step").max = rows - 1;
    this.choosers();
    this.follow(run.schedule_options);
    this.place = Math.round(part * (rows - 1));
    const stable = this.panel.querySelector(".stable");
    stable.textContent = run.stable_lr === null ? "" : t("stable", { rate: short(run.stable_lr) });
    this.panel.querySelector(".command code").textContent = run.command;
    this.panel.querySelector(".notes").textContent = [run.status === "diverged" ? translated(run.message) : "", ...run.notes].filter(Boolean).join(" ");
    if (first && detail === "full" && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
    cancelAnimationFrame(this.later);
    if (detail === "full") { this.draw(); return; }
    this.show(this.place, true); // what a person looks at; the other pictures come in the frame after it
    this.later = requestAnimationFrame(() => { this.later = requestAnimationFrame(() => this.draw()); });
  }

  /** Offer the coefficients and the states of this run. */
  choosers() {
    const offer = (name, key, values, label, fallback) => {
      const select = this.panel.querySelector(`[name="${name}"]`);
      const wanted = state.isGiven(key) && values.includes(state.get(key)) ? state.get(key) : fallback;
      select.replaceChildren(...values.map((value) => make("option", { value, text: label(value), selected: value === wanted })));
      select.disabled = values.length < 2;
      return wanted;
    };
    const { terms, arrays } = this.run, places = terms.map((_, place) => String(place));
    const last = Math.min(terms.length - 1, 3);
    this.px = Number(offer("path-x", "px", places, (place) => terms[place], terms.length > 1 ? "1" : "0"));
    this.py = Number(offer("path-y", "py", places, (place) => terms[place], String(last === 1 ? 0 : last)));
    const names = Object.keys(arrays).filter((name) => name.startsWith("state.")).map((name) => name.slice(6));
    if (names.length) this.memory = offer("memory", "memory", names, (name) => name, names[0]);
    this.memories = names;
  }

  coefs(row) {
    const { data } = this.run.arrays.coefs, { columns } = this.run;
    return data.subarray(row * columns, (row + 1) * columns);
  }

  series(column) {
    const { data } = this.run.arrays.coefs, { columns, rows } = this.run;
    return Float64Array.from({ length: rows }, (_, row) => data[row * columns + column]);
  }

  /** Draw everything. */
  draw() {
    if (!this.run) return;
    this.drawLoss();
    this.drawCoefs();
    this.drawState();
    this.show(this.place);
  }

  values(coefs) {
    const { columns: { data }, x } = this.run.arrays, count = x.data.length, sum = new Float64Array(count);
    coefs.forEach((coef, k) => { for (let n = 0; n < count; n += 1) sum[n] += coef * data[k * count + n]; });
    return sum;
  }

  /** Show one row of the trace, or of its pictures the curve only. */
  show(row, curveOnly = false) {
    const { run } = this, { arrays } = run;
    this.place = Math.min(Math.max(row, 0), run.rows - 1);
    this.atEnd = this.place === run.rows - 1;
    const step = arrays.step.data[this.place];
    byId("step").value = this.place;
    byId("step").setAttribute("aria-valuetext", t("atStep", { step, steps: run.steps }));
    this.panel.querySelector(".readout").textContent = `${t("loss")} ${short(arrays.loss.data[this.place], 5)}`
      + (state.get("schedule") === "none" ? "" : ` · lr ${short(arrays.lr.data[this.place], 3)}`);
    this.say(step);
    this.drawCurve();
    if (curveOnly) return;
    this.drawPath();
    for (const name of ["loss", "coef", "state"]) this.plots[name].mark(step);
  }

  /** Say the formula and the loss: at the end those of the result. */
  say(step) {
    const { run } = this, { arrays } = run;
    const loss = this.atEnd ? run.loss : arrays.loss.data[this.place];
    const excess = this.atEnd ? run.excess : arrays.excess.data[this.place];
    const gap = run.gap === null ? null : excess / run.optimum;
    byId("status").setAttribute("aria-busy", String(this.playing !== 0));
    const how = this.atEnd ? t(`status_${run.status}`) : "";
    this.status(this.atEnd ? run.formula : formula([...this.coefs(this.place)], run.terms), [
      `${t("loss")} ${short(loss, 6)}`, `${t("optimum")} ${short(run.optimum, 6)}`,
      `${t("gap")} ${gap === null ? t("gapNone") : share(gap)}`, t("endAt", { steps: step }), how,
    ], this.atEnd ? run.formula_note : "");
  }

  drawCurve() {
    const { run } = this, { arrays } = run, x = arrays.x.data;
    const best = Number.isNaN(arrays.best.data[0]) ? null : this.values(arrays.best.data);
    const shown = this.values(this.coefs(this.place));
    const series = [
      { label: t("seriesBest"), stroke: color("best"), dash: [3, 4], width: 2 },
      { label: t("seriesPolynomial"), stroke: color("series-0"), width: 3 },
    ];
    const data = [x, best ?? new Array(x.length).fill(null), shown];
    let range = around(best ?? [], arrays.y?.data ?? arrays["points.y"].data);
    if (!this.playing && this.atEnd) {
      const wide = around(best ?? [], arrays.y?.data ?? arrays["points.y"].data, shown), span = range[1] - range[0];
      range = [Math.max(wide[0], range[0] - span), Math.min(wide[1], range[1] + span)];
    }
    if (arrays.y) {
      series.splice(0, 0, { label: t("seriesTarget"), stroke: color("target"), width: 2, dash: [9, 5] });
      data.splice(1, 0, arrays.y.data);
    }
    const [px, py] = [arrays["points.x"]?.data, arrays["points.y"]?.data];
    this.range = range;
    this.plots.curve.draw({
      kind: `${this.look()} ${series.length}`, data, series, scales: { x: { range: (_, low, high) => [low, high] }, y: { range: () => this.range } },
      label: t("curveLabel", { step: arrays.step.data[this.place], a: short(x[0]), b: short(x[x.length - 1]), loss: short(arrays.loss.data[this.place], 5), optimum: short(run.optimum, 5) }),
      under: px ? (ctx, plot) => {
        ctx.fillStyle = color("soft");
        ctx.globalAlpha = px.length > 300 ? 0.4 : 0.8;
        for (let k = 0; k < px.length; k += 1) ctx.fillRect(plot.valToPos(px[k], "x", true) - 2, plot.valToPos(py[k], "y", true) - 2, 4, 4);
      } : null,
    });
  }

  drawLoss() {
    const { run } = this, { arrays } = run, positive = (list) => Array.from(list, (value) => (value > 0 && Number.isFinite(value) ? value : null));
    const steps = arrays.step.data, racers = this.race.shown;
    const ends = run.optimum > 0 ? [[steps[0], steps[steps.length - 1]], [run.optimum, run.optimum]] : [[steps[0]], [null]];
    const tables = [[steps, positive(arrays.loss.data)], ends, ...racers.map((one) => [one.arrays.step.data, positive(one.arrays.loss.data)])];
    const series = [
      { label: state.get("optimizer"), stroke: color("series-0") },
      { label: t("optimum"), stroke: color("best"), dash: [3, 4] },
      ...racers.map((one) => ({ label: `${one.name} lr ${short(one.lr, 3)}`, ...one.line })),
    ];
    this.plots.loss.draw({
      kind: `${this.look()} ${series.map((one) => one.label)}`, data: uPlot.join(tables), series, log: { y: true }, xLabel: "", label: t("lossLabel", {
        first: short(arrays.loss.data[0]), last: short(run.loss, 5), steps: run.steps, optimum: short(run.optimum, 5),
      }),
    });
  }

  drawCoefs() {
    const { run } = this, { arrays, terms, columns } = run, steps = arrays.step.data;
    const series = [], data = [steps];
    for (let k = 0; k < columns; k += 1) {
      series.push({ label: terms[k], ...line(k) });
      data.push(this.series(k));
    }
    this.plots.coef.draw({
      kind: `${this.look()} ${terms}`, data, series, legend: columns <= 12,
      label: t("coefLabel", { list: terms.map((term, k) => `${term}: ${short(arrays.coef.data[k])}`).join(", ") }),
      under: (ctx, plot) => arrays.best.data.forEach((best, k) => {
        if (Number.isFinite(best)) path(ctx, plot, [steps[0], steps[steps.length - 1]], [best, best], { ...line(k), dash: [2, 5], width: 1 });
      }),
    });
  }

  drawPath() {
    const { run, px, py } = this, { arrays, columns, terms } = run, plot = this.plots.path;
    if (columns < 2 || px === py) { plot.empty(t("single")); return; }
    const xs = this.series(px), ys = this.series(py), { best, hessian } = arrays;
    const racers = this.race.shown.filter((one) => one.arrays.coefs.shape[1] === columns).map((one) => {
      const list = one.arrays.coefs.data, pick = (column) => Float64Array.from({ length: list.length / columns }, (_, row) => list[row * columns + column]);
      return { line: one.line, xs: pick(px), ys: pick(py) };
    });
    const ranges = [around(xs, [best.data[px]]), around(ys, [best.data[py]])];
    if (run.status === "diverged") {
      [xs, ys].forEach((list, k) => { ranges[k] = around(list.subarray(0, Math.max(2, Math.floor(list.length / 2))), [best.data[[px, py][k]]]); });
    }
    this.ranges = ranges;
    const middle = centre(hessian.data, columns, best.data, this.coefs(this.place), px, py);
    plot.draw({
      kind: `${this.look()} ${terms[px]} ${terms[py]}`, data: [ranges[0], [null, null]], series: [{ label: "" }], legend: false,
      scales: { x: { range: () => this.ranges[0] }, y: { range: () => this.ranges[1] } }, xLabel: terms[px], yLabel: terms[py],
      label: t("pathLabel", {
        x: terms[px], y: terms[py], from: `${short(xs[0])}, ${short(ys[0])}`, to: `${short(xs[xs.length - 1])}, ${short(ys[ys.length - 1])}`,
        best: `${short(best.data[px])}, ${short(best.data[py])}`,
      }) + " " + t("pathNote"),
      over: (ctx, u) => {
        if (Number.isFinite(middle[0])) contours(ctx, u, { hessian: hessian.data, size: columns, i: px, j: py, middle });
        for (const one of racers) path(ctx, u, one.xs, one.ys, one.line);
        path(ctx, u, xs, ys, { stroke: color("soft"), width: 1.2 });
        path(ctx, u, xs.subarray(0, this.place + 1), ys.subarray(0, this.place + 1), { stroke: color("series-0"), width: 2.5 });
        point(ctx, u, xs[0], ys[0], { kind: "ring", stroke: color("ink") });
        point(ctx, u, best.data[px], best.data[py], { kind: "cross", stroke: color("best") });
        point(ctx, u, xs[this.place], ys[this.place], { kind: "disc", stroke: color("series-0") });
      },
    });
  }

  drawState() {
    const { run } = this, { arrays, columns, terms, rows } = run, plot = this.plots.state;
    const optimizer = this.choices.optimizers[state.get("optimizer")];
    if (optimizer && !optimizer.state.length) { plot.empty(t("stateless")); return; }
    const found = this.memories.includes(this.memory) ? arrays[`state.${this.memory}`] : null;
    if (!found) {
      if (run.detailed) plot.empty(t("stateEmpty"));
      return; // else it comes when the controls rest
    }
    const data = [arrays.step.data], series = [];
    const column = (k) => Float64Array.from({ length: rows }, (_, row) => found.data[row * columns + k]);
    const lists = terms.map((_, k) => column(k)), log = lists.every((list) => list.every((value) => value >= 0));
    terms.forEach((term, k) => {
      data.push(log ? Array.from(lists[k], (value) => (value > 0 && Number.isFinite(value) ? value : null)) : lists[k]);
      series.push({ label: term, ...line(k) });
    });
    plot.draw({ kind: `${this.look()} ${terms} ${this.memory} ${log}`, data, series, log: { y: log }, legend: columns <= 12, label: t("stateLabel", { name: this.memory }) });
  }

  play() {
    const button = this.panel.querySelector(".play");
    button.textContent = t("pause");
    button.setAttribute("aria-pressed", "true");
    if (this.atEnd || this.place >= this.run.rows - 1) this.place = 0;
    this.atEnd = false;
    let last = performance.now(), position = this.place;
    const frame = (now) => {
      position += (now - last) / 1000 * this.run.rows / PLAYED;
      last = now;
      const row = Math.min(Math.floor(position), this.run.rows - 1);
      if (row >= this.run.rows - 1) this.stop();
      this.show(row);
      if (this.playing) this.playing = requestAnimationFrame(frame);
    };
    this.playing = requestAnimationFrame(frame);
  }

  stop() {
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    const button = this.panel.querySelector(".play");
    button.textContent = t("play");
    button.setAttribute("aria-pressed", "false");
    byId("status").setAttribute("aria-busy", "false");
  }

  /** Draw in other colours or another language. */
  redraw() {
    for (const plot of [...Object.values(this.plots), this.map.plot]) plot.forget();
    this.draw();
    this.map.draw();
  }

  close() {
    this.stop();
    clearTimeout(this.resting);
    super.close();
  }

  /** Come to the front. */
  open() {
    this.build();
    this.atEnd = true;
    this.ask("full");
  }
}
