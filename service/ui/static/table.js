// The table beside the chart: the same points, for the keyboard and for reading figures off.
import { kindOf } from "./data.js";
import { columnScale, h, number } from "./format.js";

const MOST_ROWS = 100;
const MARKS = {
  front: [["circle", { cx: 6, cy: 6, r: 4.5, fill: "var(--data-front)" }]],
  dominated: [["circle", { cx: 6, cy: 6, r: 3.5, fill: "none", stroke: "var(--data-dominated)", "stroke-width": 1.5 }]],
  infeasible: [["path", { d: "M2 2l8 8M10 2l-8 8", stroke: "var(--data-infeasible)", "stroke-width": 1.8 }]],
  baseline: [["path", { d: "M6 .8 11.2 6 6 11.2.8 6z", fill: "var(--data-baseline)" }]],
};
export const WORDS = { front: "on the front", dominated: "dominated", infeasible: "misses a constraint", baseline: "published neck" };

export function mark(kind) {
  const space = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(space, "svg");
  made.setAttribute("class", "glyph");
  made.setAttribute("viewBox", "0 0 12 12");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", WORDS[kind]);
  for (const [name, attributes] of MARKS[kind]) {
    const part = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    made.append(part);
  }
  return made;
}

export function badge(source, sources) {
  return h("span", { class: `source ${source}`, title: sources[source] ?? source }, source);
}

/** Which rows the table shows, and what they are called. */
export function choose(data, selected) {
  if (selected) return { rows: data.rows.filter((row) => selected.has(row.id)), title: "Selected in the chart" };
  const baselines = data.rows.filter((row) => row.isBaseline);
  const top = data.frontRows.length ? data.frontRows : data.nearestRows;
  const title = data.frontRows.length || !data.rows.length ? "Front and published necks" : "Nearest to the constraints, and published necks";
  return { rows: [...new Set([...top, ...baselines])], title };
}

export function columnsOf(data, rows) {
  const names = [data.x.metric, data.y.metric, ...Object.keys(data.metrics)];
  return [...new Set(names)].map((metric) => {
    const { unit, direction } = data.metrics[metric] ?? (metric === data.x.metric ? data.x : data.y);
    const scored = rows.map((row) => row.scores[metric]).filter(Boolean);
    const sources = new Set(scored.map((score) => score[2]));
    const only = sources.size === 1 && scored.every((score) => score.length === 3) ? [...sources][0] : null;
    return { metric, direction, unit, only, scale: columnScale(unit, scored.map((score) => score[0]), scored.map((score) => score[1]).filter(Boolean)) };
  });
}

export function render(table, data, state, rows, act, most = MOST_ROWS) {
  const columns = columnsOf(data, rows);
  const ordered = sorted(rows, state.sort, columns, data);
  table.tHead.replaceChildren(headRow(columns, data, state, act));
  const hasMisses = rows.some((row) => !row.isFeasible);
  if (hasMisses) table.tHead.rows[0].append(h("th", { scope: "col", class: "num" }, "Misses by"));
  const body = ordered.slice(0, most).map((row) => bodyRow(row, columns, data, state, act, hasMisses));
  const nothing = h("tr", {}, h("td", { colspan: columns.length + 2, class: "soft" }, "No neck is scored yet. They appear here as the search goes on."));
  table.tBodies[0].replaceChildren(...(data.rows.length ? body : [nothing]));
  return Math.max(0, ordered.length - MOST_ROWS);
}

function headRow(columns, data, state, act) {
  const [by, way] = (state.sort ?? "").split(" ");
  const cell = ({ metric, scale, only }) => {
    const how = by === metric ? (way === "down" ? "descending" : "ascending") : null;
    const next = by === metric && way !== "down" ? `${metric} down` : metric;
    const button = h("button", { type: "button", onclick: () => act.sort(next) }, data.names[metric] ?? metric);
    const unit = scale.unit ? h("span", { class: "unit" }, scale.unit) : null;
    return h("th", { scope: "col", class: "num", "aria-sort": how, "data-metric": metric }, button, unit, only ? h("span", { class: "unit" }, badge(only, data.sources)) : null);
  };
  return h("tr", {}, h("th", { scope: "col" }, h("span", { class: "sr" }, "Pin")), h("th", { scope: "col" }, "Neck"), ...columns.map(cell));
}

function bodyRow(row, columns, data, state, act, hasMisses) {
  const pinned = state.pins.includes(row.id);
  const box = h("input", { type: "checkbox", "aria-label": `Pin ${row.name}`, onchange: (event) => act.pin(row.id, event.target) });
  box.checked = pinned;
  const link = h("a", { href: `/subnets/${row.id}` }, row.name);
  const made = h("tr", { "data-id": row.id }, h("td", {}, box), h("th", { scope: "row" }, h("span", { class: "row nowrap" }, mark(kindOf(row)), link)));
  for (const column of columns) made.append(cellOf(row, column, data));
  if (hasMisses) made.append(h("td", { class: "num" }, row.isFeasible ? "–" : row.violation === null ? "not scored" : `${number(row.violation * 100)} %`));
  made.addEventListener("mouseenter", () => act.point(row, made));
  made.addEventListener("mouseleave", () => act.point(null));
  made.addEventListener("focusin", () => act.point(row, made));
  made.addEventListener("focusout", () => act.point(null));
  return made;
}

function cellOf(row, column, data) {
  const cell = h("td", { class: "num" });
  const score = row.scores[column.metric];
  if (!score) { cell.append("–"); return cell; }
  for (let at = 0; at < score.length; at += 3) {
    if (at) cell.append(h("br"));
    const { divisor, digits } = column.scale;
    cell.append(number(score[at], divisor, null, digits));
    if (score[at + 1]) cell.append(h("span", { class: "error" }, ` ± ${number(score[at + 1], divisor, null, digits)}`));
    if (!column.only) cell.append(" ", badge(score[at + 2], data.sources));
  }
  return cell;
}

function sorted(rows, sort, columns, data) {
  if (!sort) return data.frontRows.length ? rows : [...rows].sort((a, b) => (a.violation ?? Infinity) - (b.violation ?? Infinity));
  const [metric, way] = sort.split(" ");
  if (!columns.some((column) => column.metric === metric)) return rows;
  const value = (row) => row.scores[metric]?.[0] ?? (way === "down" ? -Infinity : Infinity);
  return [...rows].sort((a, b) => (way === "down" ? value(b) - value(a) : value(a) - value(b)));
}
