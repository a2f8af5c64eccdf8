// Plots: uPlot with the page's colours, and what is drawn by hand on its axes.

/* global uPlot */

import { short } from "./numbers.js";

const SERIES = 7;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The line of the series at this place: a colour, and with each round of the palette another dash. */
export function line(place) {
  return { stroke: color(`series-${place % SERIES}`), dash: DASHES[Math.floor(place / SERIES) % DASHES.length] };
}

// Viridis, every eighth, from dark to light.
const VIRIDIS = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
];

/** Return a colour for a share from 0 to 1. */
export function shade(part) {
  const at = Math.min(Math.max(part, 0), 1) * (VIRIDIS.length - 1), low = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mixed = VIRIDIS[low].map((value, k) => Math.round(value + (VIRIDIS[low + 1][k] - value) * (at - low)));
  return `rgb(${mixed.join(",")})`;
}

function axis(more = {}) {
  const grid = { stroke: color("grid"), width: 1 };
  return {
    stroke: color("ink"), grid, ticks: grid, size: more.side === 2 ? 34 : 62, font: "12px system-ui", labelFont: "12px system-ui",
    labelSize: 18, values: (_, marks) => marks.map((mark) => (mark === null ? "" : short(mark, 6))), ...more,
  };
}

/** A log axis: lines at powers of ten, where these are few also at 2 and 5 times them, and as many numbers as fit. */
function logAxis(more) {
  return axis({
    ...more,
    splits: (_plot, _place, least, most) => {
      const low = Math.ceil(Math.log10(least) - 1e-9), high = Math.floor(Math.log10(most) + 1e-9);
      const every = Math.max(1, Math.ceil((high - low + 1) / 7)), found = [];
      for (let power = low - 1; power <= high; power += 1) {
        if (every === 1 && high - low < 3) for (const factor of [1, 2, 5]) found.push(Number(`${factor}e${power}`));
        else if ((power - low) % every === 0 && power >= low) found.push(Number(`1e${power}`));
      }
      return found.filter((mark) => mark >= least * (1 - 1e-9) && mark <= most * (1 + 1e-9));
    },
    filter: (_plot, marks) => marks,
  });
}

/** One plot in its place. It is made anew where its series or its colours change, else it gets new data only. */
export class Plot {
  constructor(place) {
    this.place = place;
    this.plot = null;
    this.kind = "";
    this.marker = null;
    this.marked = null; // where the marker stands
    new ResizeObserver(() => this.resize()).observe(place);
  }

  /** Forget what is drawn, so that the next time it is made anew. */
  forget() {
    this.kind = "";
  }

  resize() {
    if (this.plot) this.plot.setSize(this.size());
  }

  size() {
    const legend = this.plot?.root.querySelector(".u-legend");
    return { width: Math.max(this.place.clientWidth, 120), height: Math.max(this.place.clientHeight - (legend?.offsetHeight ?? 0), 90) };
  }

  /**
   * Draw.
   * kind: a text that is the same as long as only the data change; data: x and the series;
   * series: label, stroke, …; bands: of uPlot; scales: {x, y} of uPlot; log: which scales are logarithmic;
   * under, over: draw by hand below and above the series: (context, plot) => …; label: for those who do not see it.
   */
  draw({ kind, data, series, bands = [], scales = {}, log = {}, xLabel = "", yLabel = "", under = null, over = null, legend = true, label }) {
    this.under = under;
    this.over = over;
    if (kind !== this.kind || this.plot === null) {
      this.plot?.destroy();
      this.place.textContent = "";
      this.kind = kind;
      const named = (name, side, text) => (log[name] ? logAxis : axis)({ side, ...(text ? { label: text } : {}), ...(side === 3 ? {} : { space: 60 }) });
      const options = {
        ...this.size(),
        legend: { show: legend, live: false, markers: { width: 3 } },
        cursor: { drag: { x: false, y: false }, points: { show: false } },
        scales: {
          x: { time: false, ...(log.x ? { distr: 3 } : {}), ...scales.x },
          y: { ...(log.y ? { distr: 3 } : {}), ...scales.y },
        },
        axes: [named("x", 2, xLabel), named("y", 3, yLabel)],
        bands,
        series: [{ label: xLabel || "x" }, ...series.map((one) => ({ width: 2, points: { show: false }, spanGaps: true, ...one }))],
        hooks: {
          drawAxes: [(plot) => this.byHand(plot, this.under)],
          draw: [(plot) => this.byHand(plot, this.over), () => this.setMark()],
        },
      };
      this.plot = new uPlot(options, data, this.place);
      const entries = this.plot.root.querySelectorAll(".u-legend .u-series"); // without x
      series.forEach((one, place) => { if (one.lower && entries[place]) entries[place].hidden = true; });
      this.plot.setSize(this.size());
    } else {
      this.plot.setData(data);
    }
    this.plot.root.setAttribute("role", "img");
    this.plot.root.setAttribute("aria-label", label);
  }

  byHand(plot, drawing) {
    if (!drawing) return;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    drawing(ctx, plot);
    ctx.restore();
  }

  /** Show a line upright at this x, without drawing anything else again. */
  mark(x) {
    this.marked = x;
    this.setMark();
  }

  /** Move the marker to its place: a plot knows its scales only when it has been drawn, and draws anew in another size. */
  setMark() {
    if (!this.plot || this.marked === null) return;
    if (!this.marker || this.marker.parentNode !== this.plot.over) {
      this.marker = document.createElement("div");
      this.marker.className = "mark";
      this.plot.over.append(this.marker);
    }
    this.marker.style.left = `${this.plot.valToPos(this.marked, "x")}px`;
  }

  /** Say why there is nothing to see. */
  empty(sentence) {
    this.plot?.destroy();
    this.plot = null;
    this.kind = "";
    this.place.textContent = "";
    const words = document.createElement("p");
    words.className = "nothing";
    words.textContent = sentence;
    this.place.append(words);
  }
}

/** Positions on the canvas of uPlot. */
export function at(plot, x, y) {
  return [plot.valToPos(x, "x", true), plot.valToPos(y, "y", true)];
}
