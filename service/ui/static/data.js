// The points of a search as rows, and the questions asked of them. No drawing here.
import { neckName } from "./format.js";

export async function load(searchId, x, y) {
  const query = new URLSearchParams();
  if (x) query.set("x", x);
  if (y) query.set("y", y);
  const answer = await fetch(`/searches/${searchId}/pareto/points?${query}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `the service answered ${answer.status}`);
  }
  const text = await answer.text();
  performance.mark("neckline:data");
  return prepare(JSON.parse(text));
}

function prepare(data) {
  const { id, number, origin, violation, scores } = data.points;
  const front = new Set(data.front);
  data.rows = id.map((key, index) => {
    const row = { id: key, number: number[index], origin: origin[index], scores: scores[index], violation: violation[index] };
    row.name = neckName(row.origin, row.number);
    row.isBaseline = row.origin.startsWith("baseline:");
    row.isFront = front.has(index);
    row.isFeasible = row.violation === 0;
    [row.x, row.xe, row.xs] = row.scores[data.x.metric] ?? [null, null, null];
    [row.y, row.ye, row.ys] = row.scores[data.y.metric] ?? [null, null, null];
    return row;
  });
  data.byId = new Map(data.rows.map((row) => [row.id, row]));
  data.frontRows = data.front.map((index) => data.rows[index]);
  data.nearestRows = data.nearest.map((index) => data.rows[index]);
  return data;
}

/** The kind that decides a point's shape and colour. */
export function kindOf(row) {
  if (row.isBaseline) return "baseline";
  if (!row.isFeasible) return "infeasible";
  return row.isFront ? "front" : "dominated";
}

export const better = (axis, a, b) => (axis.direction === "minimise" ? a < b : a > b);

/** The best feasible row on y whose x keeps within a budget, or null. */
export function bestWithin(data, budget) {
  let best = null;
  for (const row of data.rows) {
    if (!row.isFeasible || row.x === null || row.y === null || better(data.x, budget, row.x)) continue;
    if (best === null || better(data.y, row.y, best.y)) best = row;
  }
  return best;
}

/** Rows inside a region: {kind: "box", x: [a, b], y: [c, d]} or {kind: "lasso", x: [...], y: [...]}, as displayed. */
export function inside(data, region, logX, logY) {
  if (!region) return [];
  const place = (value, log) => (log ? Math.log10(value) : value);
  const xs = region.x.map((value) => place(value, logX));
  const ys = region.y.map((value) => place(value, logY));
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return data.rows.filter((row) => {
    if (row.x === null || row.y === null) return false;
    const px = place(row.x, logX);
    const py = place(row.y, logY);
    if (px < left || px > right || py < low || py > high) return false;
    return region.kind === "box" || within(px, py, xs, ys);
  });
}

function within(px, py, xs, ys) {
  let found = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
    if (ys[i] > py !== ys[j] > py && px < ((xs[j] - xs[i]) * (py - ys[i])) / (ys[j] - ys[i]) + xs[i]) found = !found;
  }
  return found;
}
