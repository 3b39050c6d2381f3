// The scatter: plotly's SVG traces, themed from the page's own tokens.
import { kindOf } from "./data.js";
import { plain, scaleOf } from "./format.js";

export function tokens() {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: token("ink"), soft: token("ink-soft"), line: token("line"), strong: token("line-strong"), surface: token("surface"),
    accent: token("accent"), bad: token("bad"), front: token("data-front"), dominated: token("data-dominated"),
    infeasible: token("data-infeasible"), baseline: token("data-baseline"), band: token("data-band"), font: token("font"),
  };
}

const SHAPES = {
  dominated: { symbol: "circle-open", size: 6, opacity: 0.75, width: 1.2 },
  infeasible: { symbol: "x-thin-open", size: 7, opacity: 0.8, width: 1.6 },
  front: { symbol: "circle", size: 9, opacity: 1, width: 0 },
  baseline: { symbol: "diamond", size: 12, opacity: 1, width: 0 },
};
const NAMES = { dominated: "Dominated", infeasible: "Misses a constraint", front: "Front", baseline: "Published necks" };
export const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false };

/** Everything plotly needs for the data and the state. */
export function figure(data, state, selected, best) {
  const look = tokens();
  data.parts ??= split(data); // the same arrays each time, so that plotly redraws what changed and no more
  const traces = [stairs(data, look)];
  for (const [kind, part] of Object.entries(data.parts)) traces.push(scatter(kind, part, look, selected, data));
  traces.push(rings(data, state, best, look));
  return { traces, layout: layout(data, state, look) };
}

function split(data) {
  const found = {};
  for (const kind of Object.keys(SHAPES)) {
    const rows = data.rows.filter((row) => row.x !== null && row.y !== null && kindOf(row) === kind);
    const column = (key) => rows.map((row) => row[key]);
    const errors = (key) => (rows.some((row) => row[key]) ? rows.map((row) => row[key] ?? 0) : null);
    found[kind] = { rows, x: column("x"), y: column("y"), ids: column("id"), names: column("name"), xe: errors("xe"), ye: errors("ye") };
  }
  return found;
}

/** Names stand on the side that better points would lie on, which the front leaves empty. */
function labelPlace({ x, y }) {
  return `${y.direction === "minimise" ? "bottom" : "top"} ${x.direction === "minimise" ? "left" : "right"}`;
}

function scatter(kind, part, look, selected, data) {
  const { symbol, size, opacity, width } = SHAPES[kind];
  const isBaseline = kind === "baseline";
  const isNamed = isBaseline && innerWidth > 640; // names would cover one another on a phone; a tap says them
  const bars = (array) => ({ type: "data", visible: Boolean(array) && (kind === "front" || isBaseline), array: array ?? [], thickness: 1, width: 0, color: look[kind] });
  return {
    type: "scatter", name: NAMES[kind], uid: kind, mode: isNamed ? "markers+text" : "markers", hoverinfo: "none",
    x: part.x, y: part.y, customdata: part.ids, text: isBaseline ? part.names : undefined, textposition: labelPlace(data),
    textfont: { color: look.baseline, size: 12, shadow: Array(4).fill(`0 0 3px ${look.surface}`).join(", ") }, cliponaxis: !isBaseline && kind !== "front", error_x: bars(part.xe), error_y: bars(part.ye),
    marker: { symbol, size, opacity, color: look[kind], line: { width, color: look[kind] } },
    selectedpoints: selected ? part.rows.flatMap((row, index) => (selected.has(row.id) ? [index] : [])) : null,
    unselected: { marker: { opacity: 0.18 }, textfont: { color: look.baseline } }, selected: { marker: { opacity: 1 } },
  };
}

/** The edge of what is dominated: steps from member to member, never a straight line between them. */
function stairs(data, look) {
  const rows = data.frontRows.filter((row) => row.x !== null && row.y !== null).sort((a, b) => a.x - b.x);
  const shape = data.x.direction === "minimise" ? "hv" : "vh";
  return {
    type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false, uid: "stairs", x: rows.map((row) => row.x),
    y: rows.map((row) => row.y), line: { shape, color: look.front, width: 1.5 },
  };
}

function rings(data, state, best, look) {
  const pinned = state.pins.map((id) => data.byId.get(id)).filter((row) => row && row.x !== null && row.y !== null);
  const rows = best ? [...pinned, best] : pinned;
  return {
    type: "scatter", mode: "markers+text", hoverinfo: "skip", showlegend: false, uid: "rings", x: rows.map((row) => row.x), y: rows.map((row) => row.y),
    text: rows.map((row, index) => (index < pinned.length ? `${state.pins.indexOf(row.id) + 1}` : "")), textposition: "bottom center",
    textfont: { color: look.ink, size: 12 }, cliponaxis: false, unselected: { marker: { opacity: 1 }, textfont: { color: look.ink } },
    marker: { symbol: rows.map((row, index) => (index < pinned.length ? "circle-open" : "star-open")), size: rows.map((row, index) => (index < pinned.length ? 17 : 22)), color: look.ink, line: { width: 2 } },
  };
}

function layout(data, state, look) {
  const zoom = state.zoom;
  const axis = (name, range) => {
    const { metric, unit, direction } = data[name];
    const scale = scaleOf(unit, data.rows.map((row) => row[name]).filter((value) => value !== null));
    const isLog = state.log.has(name);
    const words = unit === "1" ? "" : ` (${scaledUnit(unit, scale)})`;
    const [low, high] = [Math.min, Math.max].map((pick) => pick(...data.rows.map((row) => row[name] ?? NaN).filter(Number.isFinite)));
    return {
      title: { text: `${data.names[metric] ?? metric}${words}, ${direction === "minimise" ? "lower" : "higher"} is better`, standoff: 12 },
      type: isLog ? "log" : "linear", gridcolor: look.line, zerolinecolor: look.line, linecolor: look.strong, ticks: "outside",
      tickcolor: look.strong, ticklen: 4, automargin: true, color: look.soft, showline: true, zeroline: false,
      range: range ? (isLog ? range.map(Math.log10) : range) : padded(low, high, isLog), ...ticks(low, high, isLog, scale),
    };
  };
  return {
    autosize: true, margin: { l: 64, r: 20, t: 16, b: 56 }, paper_bgcolor: "#0000", plot_bgcolor: "#0000", showlegend: false,
    font: { family: look.font, size: 13, color: look.ink }, dragmode: state.mode, hovermode: "closest", hoverdistance: 14,
    xaxis: axis("x", zoom?.slice(0, 2)), yaxis: axis("y", zoom?.slice(2)), shapes: shapes(data, state, look), selections: [],
    newselection: { line: { color: look.accent, width: 1.5, dash: "dot" } }, activeselection: { fillcolor: look.accent, opacity: 0.08 },
    annotations: notes(data, state, look),
  };
}

function scaledUnit(unit, scale) {
  return unit === "MACs" ? `${scale.unit}MACs` : unit === "parameters" ? scale.unit || "parameters" : scale.unit || unit;
}

function padded(low, high, isLog) {
  if (!Number.isFinite(low)) return [0, 1];
  const [a, b] = isLog ? [Math.log10(low), Math.log10(high)] : [low, high];
  const gap = (b - a || Math.abs(a) || 1) * 0.08;
  return [a - gap, b + gap];
}

/** Ticks in the column's own prefix: 20, 40, 60 under "MMACs" rather than 20M, 40M. */
function ticks(low, high, isLog, scale) {
  if (isLog) return logTicks(low, high, scale);
  if (scale.divisor === 1) return {};
  const span = (high - low) / scale.divisor || 1;
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => span / size <= 7) ?? power * 10;
  const first = Math.max(0, Math.floor((low / scale.divisor - span) / step));
  const values = Array.from({ length: 40 }, (_, index) => (first + index) * step);
  return { tickvals: values.map((value) => value * scale.divisor), ticktext: values.map((value) => Number(value.toPrecision(6)).toLocaleString("en")) };
}

/** Whole steps of each decade: as many of 1 to 9 as leave room for their labels. */
function logTicks(low, high, { divisor }) {
  const decades = Math.log10(high / low);
  const digits = decades > 3 ? [1] : decades > 1.2 ? [1, 2, 5] : decades > 0.8 ? [1, 2, 3, 5, 7] : [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
  const first = Math.floor(Math.log10(low / divisor)) - 1;
  const values = Array.from({ length: Math.ceil(decades) + 4 }, (_, index) => digits.map((digit) => digit * 10 ** (first + index))).flat();
  return { tickvals: values.map((value) => value * divisor), ticktext: values.map((value) => Number(value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 9 })) };
}

function shapes(data, state, look) {
  const found = [];
  for (const { metric, upper, lower } of data.constraints) {
    const name = metric === data.x.metric ? "x" : metric === data.y.metric ? "y" : null;
    for (const value of name ? [upper, lower] : []) if (value !== null) found.push(line(name, value, look.infeasible, "dash"));
  }
  if (state.budget !== null) found.push(line("x", state.budget, look.accent, "solid"));
  const region = state.region;
  const frame = { line: { color: look.accent, width: 1.5, dash: "dot" }, fillcolor: look.band, layer: "below" };
  if (region?.kind === "box") found.push({ type: "rect", x0: region.x[0], x1: region.x[1], y0: region.y[0], y1: region.y[1], ...frame });
  if (region?.kind === "lasso") {
    const path = region.x.map((x, index) => `${index ? "L" : "M"}${x},${region.y[index]}`).join("");
    found.push({ type: "path", path: `${path}Z`, ...frame });
  }
  return found;
}

function line(name, value, color, dash) {
  const along = name === "x" ? { x0: value, x1: value, y0: 0, y1: 1, yref: "paper" } : { y0: value, y1: value, x0: 0, x1: 1, xref: "paper" };
  return { type: "line", ...along, line: { color, width: 1.5, dash }, layer: "below" };
}

function notes(data, state, look) {
  const found = [];
  const place = (name, value) => (state.log.has(name) ? Math.log10(value) : value); // annotations take exponents on log axes
  for (const { metric, upper, lower } of data.constraints) {
    const value = upper ?? lower;
    const text = `${upper !== null ? "≤" : "≥"} ${plain(value, data.metrics[metric]?.unit ?? "1")}`;
    const base = { text, showarrow: false, font: { size: 12, color: look.infeasible } };
    if (metric === data.x.metric) found.push({ ...base, x: place("x", value), xref: "x", y: 1, yref: "paper", yanchor: "top", xanchor: "left", xshift: 4 });
    if (metric === data.y.metric) found.push({ ...base, y: place("y", value), yref: "y", x: 1, xref: "paper", xanchor: "right", yanchor: "bottom" });
  }
  return found;
}
