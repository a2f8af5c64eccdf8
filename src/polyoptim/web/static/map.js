// A map: the end of a whole run for each lr and each value of a second number, filled while one looks.

import { byId } from "./elements.js";
import { at, color, Plot, shade } from "./plots.js";
import { short } from "./numbers.js";
import { askArrays, Latest, Refusal } from "./server.js";
import * as state from "./state.js";
import { dataQuery } from "./source.js";
import { t, translated } from "./words.js";

const ACROSS = 57, UPWARDS = 24, AT_ONCE = 4;

export class LossMap {
  /** choices: what the server offers; adopt: called with lr and the second number. */
  constructor({ choices, adopt }) {
    this.place = byId("map");
    this.choices = choices;
    this.adopt = adopt;
    this.plot = new Plot(byId("plot-map"));
    this.latest = new Latest((_, superseded) => this.fill(superseded));
    this.cells = null;
    this.place.addEventListener("toggle", () => {
      if (this.place.open) state.set("map", "1"); else state.drop("map");
      this.refresh();
    });
    this.place.querySelector(".take").addEventListener("click", () => this.best && this.adopt(this.other, this.best.lr, this.best.value));
    byId("plot-map").addEventListener("click", (event) => this.click(event));
    if (state.isGiven("map")) this.place.open = true;
  }

  get optimizer() {
    return state.get("optimizer");
  }

  get other() {
    return this.choices.optimizers[this.optimizer]?.second ?? null;
  }

  /** The range of the second number: its slider's, or that of the pair to which it belongs. */
  get range() {
    const { options } = this.choices.optimizers[this.optimizer];
    const name = this.other in options ? this.other : Object.keys(options).find((pair) => options[pair].parts.includes(this.other));
    const { least, most } = this.choices.ranges[name];
    return name === "betas" || most > 0.99 && most < 1 ? [least, 0.99] : name === "etas" ? [1.01, 2] : [least, most];
  }

  /** The range of lr: where gradient descent has a limit, around that. */
  get rates() {
    const limit = this.optimizer === "SGD" ? this.stable : null;
    return limit ? [limit * 1e-3, limit * 10] : [1e-6, this.choices.ranges.lr.most];
  }

  refresh(stable = this.stable) {
    this.stable = stable;
    const text = this.place.querySelector(".maptext");
    text.textContent = this.other ? t("mapText", { name: this.optimizer }) + (this.optimizer === "SGD" ? ` ${t("mapEdge")}` : "") : "";
    if (!this.place.open) return;
    if (!this.other) {
      this.cells = this.best = null;
      this.plot.empty(t("mapNone", { name: this.optimizer }));
      this.tell("");
      return;
    }
    this.latest.ask(true);
  }

  async fill(superseded) {
    const [least, most] = this.range, [low, high] = this.rates;
    const other = this.other, value = (row) => least + (most - least) * row / (UPWARDS - 1);
    const base = state.query({ ...dataQuery(), over: other, lrs: `${low},${high},${ACROSS}` });
    const query = new URLSearchParams(base);
    query.delete("schedule");
    query.delete("lr");
    this.best = null;
    this.cells = { other, low, high, least, most, excess: new Float64Array(ACROSS * UPWARDS).fill(NaN), made: 0, edge: [], optimum: 0 };
    const cells = this.cells;
    this.draw();
    for (let row = 0; row < UPWARDS; row += AT_ONCE) {
      if (superseded() || !this.place.open) return;
      query.set("others", `${value(row)},${value(row + AT_ONCE - 1)},${AT_ONCE}`);
      try {
        const part = await askArrays(`/api/map?${query}`);
        cells.excess.set(part.arrays.excess.data, row * ACROSS);
        part.arrays.edge.data.forEach((edge, k) => { if (Number.isFinite(edge)) cells.edge.push([edge, part.arrays.other.data[k]]); });
        cells.optimum = part.optimum;
        cells.made = row + AT_ONCE;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.tell(translated(error.message));
        return;
      }
      this.look();
      this.draw();
    }
  }

  rate(column) {
    const { low, high } = this.cells;
    return low * (high / low) ** (column / (ACROSS - 1));
  }

  value(row) {
    const { least, most } = this.cells;
    return least + (most - least) * row / (UPWARDS - 1);
  }

  /** Find the best cell and say it. */
  look() {
    const { excess, made, optimum, other } = this.cells;
    let found = -1;
    excess.forEach((one, place) => { if (Number.isFinite(one) && (found < 0 || one < excess[found])) found = place; });
    const progress = made < UPWARDS ? t("mapFilling", { done: made * ACROSS, all: UPWARDS * ACROSS }) : "";
    if (found < 0) { this.tell(progress); return; }
    const lr = Number(this.rate(found % ACROSS).toPrecision(4)), value = Number(this.value(Math.floor(found / ACROSS)).toPrecision(4));
    this.best = { lr, value };
    this.tell(progress || t("mapBest", { lr: short(lr), other, value: short(value), loss: short(optimum + excess[found], 6) }));
  }

  tell(sentence) {
    this.place.querySelector(".best").textContent = sentence;
    this.place.querySelector(".take").hidden = !this.best;
  }

  click(event) {
    if (!this.plot.plot || !this.cells) return;
    const over = this.plot.plot.over.getBoundingClientRect();
    const lr = this.plot.plot.posToVal(event.clientX - over.left, "x"), value = this.plot.plot.posToVal(event.clientY - over.top, "y");
    const { least, most } = this.cells;
    this.adopt(this.cells.other, Number(lr.toPrecision(3)), Number(Math.min(Math.max(value, least), most).toPrecision(3)));
  }

  /** Draw the cells: the darker the nearer to the optimum. */
  draw() {
    if (!this.cells || !this.place.open) return;
    const { low, high, least, most, excess, edge, other } = this.cells;
    const ends = excess.filter(Number.isFinite).map((one) => Math.log10(Math.max(one, 1e-16)));
    const from = ends.length ? Math.min(...ends) : 0, to = ends.length ? Math.max(...ends) : 1;
    const room = (high / low) ** (0.5 / (ACROSS - 1)), half = (most - least) / (UPWARDS - 1) / 2;
    this.plot.draw({
      kind: `map ${other} ${low} ${high} ${document.documentElement.dataset.shade} ${document.documentElement.lang}`,
      data: [[low, high], [null, null]], series: [{ label: "" }], legend: false, log: { x: true },
      scales: { x: { range: [low / room, high * room] }, y: { range: [least - half, most + half] } },
      xLabel: "lr", yLabel: other, label: t("mapLabel", { name: this.optimizer, other }),
      over: (ctx, plot) => {
        excess.forEach((one, place) => {
          const column = place % ACROSS, row = Math.floor(place / ACROSS);
          if (row >= this.cells.made) return;
          const [x0, y0] = at(plot, this.rate(column) / room, this.value(row) + half), [x1, y1] = at(plot, this.rate(column) * room, this.value(row) - half);
          ctx.fillStyle = Number.isFinite(one) ? shade((Math.log10(Math.max(one, 1e-16)) - from) / (to - from || 1)) : color("line");
          ctx.fillRect(x0, y0, x1 - x0 + 0.7, y1 - y0 + 0.7);
        });
        ctx.lineWidth = 3 * devicePixelRatio;
        ctx.strokeStyle = "#ffffff";
        ctx.beginPath();
        edge.forEach(([rate, value]) => ctx.lineTo(...at(plot, rate, value)));
        ctx.stroke();
        this.here(ctx, plot);
        this.scale(ctx, plot, from, to);
      },
    });
  }

  /** Draw where the present run stands. */
  here(ctx, plot) {
    const { options } = this.choices.optimizers[this.optimizer];
    const pair = Object.keys(options).find((name) => options[name].parts.includes(this.cells.other));
    const value = pair ? Number(state.get(pair).split(",")[options[pair].parts.indexOf(this.cells.other)]) : Number(state.get(this.cells.other));
    const [x, y] = at(plot, Number(state.get("lr")), value), size = 7 * devicePixelRatio;
    for (const [width, stroke] of [[6, "#000000"], [2.5, "#ffffff"]]) {
      ctx.beginPath();
      ctx.lineWidth = width * devicePixelRatio;
      ctx.strokeStyle = stroke;
      ctx.arc(x, y, size, 0, 2 * Math.PI);
      ctx.stroke();
    }
  }

  /** Draw what the colours mean, in the corner. */
  scale(ctx, plot, from, to) {
    const ratio = devicePixelRatio, { left, top, width } = plot.bbox, long = 120 * ratio, high = 10 * ratio;
    const x = left + width - long - 14 * ratio, y = top + 24 * ratio;
    ctx.fillStyle = color("back");
    ctx.globalAlpha = 0.85;
    ctx.fillRect(x - 10 * ratio, y - 22 * ratio, long + 20 * ratio, 52 * ratio);
    ctx.globalAlpha = 1;
    for (let k = 0; k < 60; k += 1) { ctx.fillStyle = shade(k / 59); ctx.fillRect(x + long * k / 60, y, long / 60 + 1, high); }
    ctx.fillStyle = color("ink");
    ctx.font = `${11 * ratio}px system-ui`;
    ctx.textAlign = "left";
    ctx.fillText(t("excessScale"), x, y - 7 * ratio);
    ctx.fillText(short(10 ** from, 2), x, y + high + 13 * ratio);
    ctx.textAlign = "right";
    ctx.fillText(short(10 ** to, 2), x + long, y + high + 13 * ratio);
  }
}
