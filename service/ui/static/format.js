// Numbers as people read them; the same rules as figures.py.

const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

/** One scale for a column: that of its middle value. */
export function scaleOf(unit, values) {
  const middle = middleOf(values);
  if (unit === "MACs" || unit === "parameters" || unit === "bytes") {
    const [divisor, prefix] = PREFIXES.find(([size]) => middle >= size) ?? [1, ""];
    return { divisor, unit: unit === "bytes" ? `${prefix}B` : prefix };
  }
  return { divisor: 1, unit: unit === "1" ? "" : unit };
}

/** The same with decimals that fit the column's middle value and its middle error. */
export function columnScale(unit, values, errors) {
  const scale = scaleOf(unit, values);
  const error = middleOf(errors);
  const whole = scale.divisor === 1 && !error && values.every(Number.isInteger);
  return { ...scale, digits: whole ? 0 : decimals(middleOf(values) / scale.divisor, error / scale.divisor) };
}

function middleOf(values) {
  const known = values.filter(Number.isFinite).map(Math.abs).sort((a, b) => a - b);
  return known.length ? known[known.length >> 1] : 0;
}

export function decimals(value, stderr) {
  if (stderr && Number.isFinite(stderr)) return Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(stderr))));
  if (value === 0 || !Number.isFinite(value)) return 0;
  return Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value)))));
}

export function number(value, divisor = 1, stderr = null, given = null) {
  if (value === null || value === undefined) return "–";
  const error = stderr === null ? null : stderr / divisor;
  const digits = given ?? (error === null && divisor === 1 && Number.isInteger(value) ? 0 : decimals(value / divisor, error));
  return writer(digits).format(value / divisor);
}

const writers = new Map(); // making one takes longer than a hundred uses of it

function writer(digits) {
  if (!writers.has(digits)) writers.set(digits, new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return writers.get(digits);
}

export function quantity(value, unit, stderr = null) {
  const scale = scaleOf(unit, [value]);
  const suffix = unit === "MACs" ? `${scale.unit}MACs` : scale.unit;
  const error = stderr ? ` ± ${number(stderr, scale.divisor, stderr)}` : "";
  return `${number(value, scale.divisor, stderr)}${error}${suffix ? ` ${suffix}` : ""}`;
}

/** An exact value, such as a bound that a person set, without trailing zeros. */
export function plain(value, unit) {
  const scale = scaleOf(unit, [value]);
  const suffix = unit === "MACs" ? `${scale.unit}MACs` : scale.unit;
  return `${Number((value / scale.divisor).toPrecision(6))}${suffix ? ` ${suffix}` : ""}`;
}

const NECKS = { fpn: "FPN", pafpn: "PAFPN", bifpn: "BiFPN", nas_fpn: "NAS-FPN", rev_fp: "RevFP" };

export function neckName(origin, index) {
  const name = origin.startsWith("baseline:") ? origin.slice(9) : null;
  if (name === null) return `#${index}`;
  return NECKS[name] ?? (name.length < 6 ? name.replaceAll("_", "-").toUpperCase() : name.replaceAll("_", " "));
}

/** Make an element: h("a", {href: "/"}, "text", child). Never parses HTML. */
export function h(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}
