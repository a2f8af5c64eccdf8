// Numbers as people read them.

/** Return a number with so many significant digits, without trailing zeros. */
export function short(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 10 ** Math.max(digits, 6)) return String(Number(value.toPrecision(digits)));
  return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
}

/** Return a share as per cent, as a factor where it is large, and as it is where it is tiny. */
export function share(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Math.abs(value) < 1e-5) return short(value, 2);
  return Math.abs(value) < 10 ? `${short(100 * value, 3)} %` : `${short(value, 3)} ×`;
}

/** Return the formula of coefficients in terms such as x², as it stands at one step. */
export function formula(coefs, terms) {
  const parts = [];
  coefs.forEach((value, place) => {
    const size = short(Math.abs(value), 6), term = terms[place];
    const text = term === "1" ? size : `${size} ${term}`;
    parts.push(parts.length ? `${value < 0 ? "−" : "+"} ${text}` : `${value < 0 ? "−" : ""}${text}`);
  });
  return `y = ${parts.join(" ")}`;
}
