// The whole state of the Pareto page in the address, so that a link shows what its sender saw.

const MOST_PINS = 8;
const short = (value) => Number(value.toPrecision(5)).toString();
const numbers = (text) => text.split(",").map(Number);

export function read() {
  const query = new URLSearchParams(location.search);
  const region = query.get("select");
  const zoom = query.get("zoom") ? numbers(query.get("zoom")) : null;
  return {
    x: query.get("x"),
    y: query.get("y"),
    log: new Set((query.get("log") ?? "").split(",").filter(Boolean)),
    mode: ["zoom", "select", "lasso"].includes(query.get("drag")) ? query.get("drag") : "zoom",
    budget: query.has("budget") && Number.isFinite(Number(query.get("budget"))) ? Number(query.get("budget")) : null,
    pins: (query.get("pins") ?? "").split(",").filter((id) => /^[0-9a-f-]{36}$/.test(id)).slice(0, MOST_PINS),
    region: region ? readRegion(region) : null,
    zoom: zoom?.length === 4 && zoom.every(Number.isFinite) ? zoom : null,
    sort: query.get("sort"),
  };
}

function readRegion(text) {
  const [kind, xs, ys] = text.split(":");
  const region = { kind, x: numbers(xs ?? ""), y: numbers(ys ?? "") };
  const sound = (kind === "box" || kind === "lasso") && region.x.length === region.y.length && region.x.length > 1;
  return sound && [...region.x, ...region.y].every(Number.isFinite) ? region : null;
}

const regionText = ({ kind, x, y }) => `${kind}:${x.map(short)}:${y.map(short)}`;

export const same = (a, b) => Boolean(a && b) && regionText(a) === regionText(b);

export function write(state) {
  const query = new URLSearchParams();
  if (state.x) query.set("x", state.x);
  if (state.y) query.set("y", state.y);
  if (state.log.size) query.set("log", [...state.log].sort().join(","));
  if (state.mode !== "zoom") query.set("drag", state.mode);
  if (state.budget !== null) query.set("budget", short(state.budget));
  if (state.pins.length) query.set("pins", state.pins.join(","));
  if (state.region) query.set("select", regionText(state.region));
  if (state.zoom) query.set("zoom", state.zoom.map(short).join(","));
  if (state.sort) query.set("sort", state.sort);
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

export function togglePin(state, id) {
  const at = state.pins.indexOf(id);
  if (at >= 0) state.pins.splice(at, 1);
  else if (state.pins.length < MOST_PINS) state.pins.push(id);
  else return false;
  return true;
}
