// The loss over two of the coefficients: a quadratic, so that its contours are ellipses, which are drawn as such.

import { at, color, shade } from "./plots.js";

/** Return the centre of the ellipses over the coefficients i and j, where the others stay as they are. */
export function centre(hessian, size, best, coefs, i, j) {
  const entry = (row, column) => hessian[row * size + column];
  const pull = [0, 0];
  for (let k = 0; k < size; k += 1) {
    if (k === i || k === j) continue;
    pull[0] += entry(i, k) * (coefs[k] - best[k]);
    pull[1] += entry(j, k) * (coefs[k] - best[k]);
  }
  const a = entry(i, i), b = entry(i, j), d = entry(j, j), determinant = a * d - b * b;
  if (!(determinant > 0)) return [best[i], best[j]];
  return [best[i] - (d * pull[0] - b * pull[1]) / determinant, best[j] - (a * pull[1] - b * pull[0]) / determinant];
}

/** Return how far the loss is above its least value in the plane, ½ dᵀ H d. */
function above(hessian, size, i, j, dx, dy) {
  return 0.5 * (hessian[i * size + i] * dx * dx + 2 * hessian[i * size + j] * dx * dy + hessian[j * size + j] * dy * dy);
}

/** Draw the ellipses, a factor of four in the loss apart, around a centre. */
export function contours(ctx, plot, { hessian, size, i, j, middle }) {
  const { x, y } = plot.scales;
  const corners = [[x.min, y.min], [x.min, y.max], [x.max, y.min], [x.max, y.max]];
  const most = Math.max(...corners.map(([cx, cy]) => above(hessian, size, i, j, cx - middle[0], cy - middle[1])));
  const a = hessian[i * size + i], b = hessian[i * size + j], d = hessian[j * size + j];
  const angleOf = (p, q, r) => 0.5 * Math.atan2(2 * q, p - r);
  // In pixels the matrix is that of the coefficients, scaled.
  const [left, top] = at(plot, x.min, y.max), [right, bottom] = at(plot, x.max, y.min);
  const sx = (right - left) / (x.max - x.min), sy = -(bottom - top) / (y.max - y.min);
  const p = a / sx ** 2, q = b / (sx * sy), r = d / sy ** 2;
  const half = Math.hypot((p - r) / 2, q), high = (p + r) / 2 + half;
  const low = Math.max((p * r - q * q) / high, high * 1e-16);
  const [mx, my] = at(plot, ...middle);
  const dark = document.documentElement.dataset.shade === "dark";
  const levels = 12;
  for (let k = 0; k < levels; k += 1) {
    const level = most / 4 ** k;
    ctx.beginPath();
    ctx.ellipse(mx, my, Math.sqrt(2 * level / high), Math.sqrt(2 * level / low), angleOf(p, q, r), 0, 2 * Math.PI);
    ctx.fillStyle = shade(dark ? 0.35 - 0.3 * (k / levels) : 0.62 + 0.36 * (k / levels));
    ctx.globalAlpha = dark ? 0.5 : 0.35;
    ctx.fill();
    ctx.globalAlpha = 0.6;
    ctx.lineWidth = 1;
    ctx.strokeStyle = color("soft");
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
}

/** Draw a path through points. */
export function path(ctx, plot, xs, ys, { stroke, dash = [], width = 2 }) {
  ctx.beginPath();
  ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
  ctx.lineWidth = width * devicePixelRatio;
  ctx.strokeStyle = stroke;
  ctx.lineJoin = "round";
  for (let k = 0; k < xs.length; k += 1) {
    const [px, py] = at(plot, xs[k], ys[k]);
    if (Number.isFinite(px) && Number.isFinite(py)) ctx.lineTo(px, py);
  }
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Draw a point: a disc, a ring, or a cross. */
export function point(ctx, plot, x, y, { kind, stroke }) {
  const [px, py] = at(plot, x, y), size = 6 * devicePixelRatio;
  ctx.lineWidth = 2.5 * devicePixelRatio;
  ctx.strokeStyle = ctx.fillStyle = stroke;
  ctx.beginPath();
  if (kind === "cross") {
    ctx.moveTo(px - size, py); ctx.lineTo(px + size, py);
    ctx.moveTo(px, py - size); ctx.lineTo(px, py + size);
    ctx.stroke();
  } else {
    ctx.arc(px, py, size * 0.8, 0, 2 * Math.PI);
    if (kind === "ring") ctx.stroke(); else ctx.fill();
  }
}

/** Return the range of numbers with some room around them; they may be few, or all the same. */
export function around(...lists) {
  let least = Infinity, most = -Infinity;
  for (const list of lists) for (const value of list) if (Number.isFinite(value)) { least = Math.min(least, value); most = Math.max(most, value); }
  if (!(most >= least)) return [-1, 1];
  const room = (most - least || Math.abs(most) || 1) * 0.12;
  return [least - room, most + room];
}
