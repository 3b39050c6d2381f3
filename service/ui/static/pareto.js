// The Pareto page: joins data, chart, table, card, budget and pins; the state lives in the address.
import * as card from "./card.js";
import { CONFIG, figure } from "./chart.js";
import { bestWithin, inside, kindOf, load } from "./data.js";
import { download } from "./download.js";
import { h, quantity } from "./format.js";
import { follow } from "./live.js";
import { afterPaint, loadPlotly } from "./plotly.js";
import * as address from "./state.js";
import { badge, choose, mark, render } from "./table.js";

const RELOAD_MS = 1500;
const STEPS = 1000;
const AT_ONCE = 25; // rows of a new selection, which fill the window; the others follow when these can be seen
const page = document.getElementById("pareto");
const $ = (id) => document.getElementById(id);
const searchId = page.dataset.search;
const state = address.read();
let data = null;
let selected = null;
const statuses = new Map();

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;

/* ---------- loading ---------- */

async function reload({ first = false } = {}) {
  try {
    [data] = await Promise.all([load(searchId, state.x, state.y), loadPlotly()]);
  } catch (error) {
    say(first ? "" : `Could not update (${error.message}); what you see is from before.`);
    if (first) veil("The points could not be loaded", error.message, true);
    return;
  }
  say("");
  $("veil").hidden = true;
  controls();
  draw();
}

function veil(title, text, retry) {
  const button = retry ? h("p", {}, h("button", { type: "button", onclick: () => { veil("Loading the points…", "", false); reload({ first: true }); } }, "Try again")) : null;
  $("veil").replaceChildren(h("strong", {}, title), h("span", {}, text), button ?? "");
  $("veil").hidden = false;
}

const say = (text) => { $("trouble").textContent = text; $("trouble").hidden = !text; };

/* ---------- drawing ---------- */

/** Everything beside the chart: the table, the budget's answer, the pins and the words. */
function answer(rows) {
  selected = state.region ? new Set(inside(data, state.region, state.log.has("x"), state.log.has("y")).map((row) => row.id)) : null;
  drawTable(rows);
  drawBudget();
  drawPins();
  drawWords();
  afterPaint(() => performance.mark("neckline:answered"));
}

function draw() {
  if (!data) return;
  answer();
  if (data.rows.length) redraw();
  else veil("No points yet", "They appear here as soon as the first neck is scored.", false);
}

function redraw() {
  const { traces, layout } = figure(data, state, selected, best());
  Plotly.react("chart", traces, layout, CONFIG);
  listen();
  afterPaint(() => performance.mark("neckline:drawn"));
}

let pending = 0;
function redrawSoon() {
  cancelAnimationFrame(pending);
  pending = requestAnimationFrame(redraw);
}

const best = () => (state.budget === null ? null : bestWithin(data, state.budget));

function drawTable(most) {
  const { rows, title } = choose(data, selected);
  const left = render($("table"), data, state, rows, { sort, pin, point }, most);
  $("table-title").textContent = `${title} (${rows.length.toLocaleString("en")})`;
  $("table-more").textContent = left ? `${left.toLocaleString("en")} more are not listed; select fewer.` : "";
  $("clear").hidden = !state.region;
  page.dataset.selected = selected ? selected.size : "";
}

function drawBudget() {
  const found = best();
  const { x, y } = data;
  const word = x.direction === "minimise" ? "≤" : "≥";
  const values = feasibleX();
  $("budget").disabled = values.length === 0;
  if (state.budget === null) { $("budget-answer").textContent = "Move the slider to ask."; return; }
  $("budget").value = toStep(state.budget);
  const bound = `${data.names[x.metric] ?? x.metric} ${word} ${quantity(state.budget, x.unit)}`;
  $("budget").setAttribute("aria-valuetext", bound);
  if (!found) { $("budget-answer").replaceChildren(`Nothing feasible has ${bound}.`); return; }
  const value = `${data.names[y.metric] ?? y.metric} ${quantity(found.y, y.unit, found.ye)}`;
  $("budget-answer").replaceChildren(`Best with ${bound}: `, value, " ", badge(found.ys, data.sources), " by ", h("a", { href: `/subnets/${found.id}` }, found.name));
}

function drawPins() {
  $("pins").replaceChildren(...state.pins.map((id, index) => {
    const row = data.byId.get(id);
    const name = row?.name ?? "another neck";
    const remove = h("button", { type: "button", class: "plain", "aria-label": `Unpin ${name}`, onclick: () => pin(id) }, "×");
    const status = h("span", { class: "small", role: "status" }, statuses.get(id)?.childNodes.length ? [...statuses.get(id).childNodes] : []);
    statuses.set(id, status);
    const bundle = h("button", { type: "button", "aria-label": `Download the bundle of ${name}`, onclick: () => download(id, "bundle", status) }, "Bundle");
    return h("li", {}, h("span", { class: "soft" }, `${index + 1}`), row ? mark(kindOf(row)) : "", h("a", { href: `/subnets/${id}` }, name), h("span", { class: "end" }, bundle, remove), status);
  }));
  $("pins-none").hidden = state.pins.length > 0;
  $("compare").hidden = state.pins.length < 2;
  $("compare").href = `/compare?subnet_ids=${state.pins.join(",")}`;
}

const count = (value) => value.toLocaleString("en");

function imagesOf({ partial: { images, of_images: every }, verified }) {
  if (!verified) return ` Scored on ${count(images)} of ${count(every)} validation images; at its end the front is scored again on all of them.`;
  return ` The front and the published necks were scored again on all ${count(every)} validation images; others stand where ${count(images)} of them put them.`;
}

function drawWords() {
  const thinned = data.evaluated > data.shown;
  $("counts").textContent = thinned
    ? `${count(data.shown)} of ${count(data.evaluated)} evaluations drawn: every non-dominated one and every published neck; dominated ones thinned evenly.`
    : `${count(data.evaluated)} evaluations, ${count(data.front.length)} on the front.`;
  if (data.partial) $("counts").append(imagesOf(data));
  if (data.measured) $("counts").append(" The front holds what was measured at the end; other necks stand where they were predicted.");
  for (const format of ["png", "svg"]) $(format).disabled = !data.rows.length;
  $("infeasible").hidden = data.frontRows.length > 0 || data.rows.length === 0;
  for (const suffix of ["csv", "json"]) $(suffix).href = `/searches/${searchId}/pareto.${suffix}?x=${encodeURIComponent(data.x.metric)}&y=${encodeURIComponent(data.y.metric)}`;
}

/* ---------- controls ---------- */

function controls() {
  const names = [...new Set([...Object.keys(data.metrics), data.x.metric, data.y.metric])];
  const bases = [...new Set(names.map((name) => name.split("@")[0]))];
  const devices = [...new Set(names.filter((name) => name.includes("@")).map((name) => name.split("@")[1]))];
  for (const axis of ["x", "y"]) {
    const options = names.map((name) => h("option", { value: name }, data.names[name] ?? name));
    $(`${axis}-metric`).replaceChildren(...options);
    $(`${axis}-metric`).value = data[axis].metric;
    $(`${axis}-log`).checked = state.log.has(axis);
    $(`${axis}-log`).disabled = data.rows.some((row) => row[axis] !== null && row[axis] <= 0);
  }
  $("device-field").hidden = devices.length < 2;
  $("device").replaceChildren(...devices.map((name) => h("option", { value: name }, name)));
  $("device").value = data.x.metric.split("@")[1] ?? devices[0] ?? "";
  for (const button of document.querySelectorAll("[data-drag]")) button.setAttribute("aria-pressed", String(button.dataset.drag === state.mode));
  return bases;
}

const feasibleX = () => data.rows.filter((row) => row.isFeasible && row.x !== null).map((row) => row.x);

function span() {
  const values = feasibleX();
  return [Math.min(...values), Math.max(...values)];
}

function toStep(value) {
  const [low, high] = span();
  if (!(high > low)) return STEPS;
  const part = low > 0 ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.round(Math.min(1, Math.max(0, part)) * STEPS);
}

function fromStep(step) {
  const [low, high] = span();
  if (step >= STEPS) return high;
  return low > 0 ? low * (high / low) ** (step / STEPS) : low + ((high - low) * step) / STEPS;
}

function keep(change) {
  change();
  address.write(state);
  draw();
}

function pin(id, box) {
  const done = address.togglePin(state, id);
  if (!done && box) box.checked = false;
  if (!done) say("Eight necks are pinned, the most that can be compared: unpin one first.");
  else say("");
  address.write(state);
  drawPins();
  for (const other of document.querySelectorAll(`#table tr[data-id="${id}"] input`)) other.checked = state.pins.includes(id);
  redrawSoon();
}

function sort(by) {
  const focused = document.activeElement?.closest("th")?.dataset.metric;
  state.sort = by;
  address.write(state);
  drawTable();
  if (focused) document.querySelector(`#table th[data-metric="${CSS.escape(focused)}"] button`)?.focus();
}

function point(row, line) {
  for (const other of document.querySelectorAll("#table tr.current")) other.classList.remove("current");
  line?.classList.add("current");
  const chart = $("chart");
  if (!row || row.x === null || row.y === null || !chart._fullLayout) return card.hide($("card"));
  const { xaxis, yaxis } = chart._fullLayout;
  const at = { x: xaxis._offset + xaxis.d2p(row.x), y: yaxis._offset + yaxis.d2p(row.y) };
  ring(at);
  card.show($("card"), chart, row, data, at);
}

function ring(at) {
  $("ring").hidden = !at;
  if (at) { $("ring").style.left = `${at.x}px`; $("ring").style.top = `${at.y}px`; }
}

/* ---------- what the user does ---------- */

let listening = false;
function listen() {
  if (listening) return;
  listening = true;
  const chart = $("chart");
  chart.on("plotly_hover", ({ points }) => {
    const row = data.byId.get(points[0].customdata);
    if (row) point(row, document.querySelector(`#table tr[data-id="${row.id}"]`));
  });
  chart.on("plotly_unhover", () => { ring(null); point(null); });
  chart.on("plotly_click", ({ points, event }) => { if (points[0].customdata && !event.defaultPrevented) pin(points[0].customdata); });
  chart.on("plotly_selected", (event) => {
    const region = event?.range ? { kind: "box", x: event.range.x, y: event.range.y } : event?.lassoPoints ? { kind: "lasso", x: event.lassoPoints.x, y: event.lassoPoints.y } : null;
    if (!region || address.same(region, state.region)) return;
    state.region = region;
    answer(AT_ONCE); // in the chart, plotly itself has dimmed what is not selected
    afterPaint(() => { address.write(state); drawTable(); redraw(); });
  });
  chart.on("plotly_relayout", (change) => {
    const range = (axis) => (change[`${axis}.range[0]`] !== undefined ? [change[`${axis}.range[0]`], change[`${axis}.range[1]`]] : null);
    const [x, y] = [range("xaxis"), range("yaxis")];
    if (!x && !y) return;
    const full = chart._fullLayout;
    const value = (axis, pair) => (full[axis].type === "log" ? pair.map((exponent) => 10 ** exponent) : pair);
    state.zoom = [...value("xaxis", full.xaxis.range), ...value("yaxis", full.yaxis.range)];
    $("reset").disabled = false;
    address.write(state);
  });
}

for (const axis of ["x", "y"]) {
  $(`${axis}-metric`).addEventListener("change", (event) => {
    const other = axis === "x" ? "y" : "x";
    const before = data[axis].metric;
    state[axis] = event.target.value;
    state[other] = data[other].metric === event.target.value ? before : data[other].metric;
    Object.assign(state, { zoom: null, region: null, budget: null });
    address.write(state);
    reload();
  });
  $(`${axis}-log`).addEventListener("change", (event) => keep(() => {
    state.log[event.target.checked ? "add" : "delete"](axis);
    state.zoom = null;
  }));
}
$("device").addEventListener("change", (event) => {
  for (const axis of ["x", "y"]) if (data[axis].metric.includes("@")) state[axis] = `${data[axis].metric.split("@")[0]}@${event.target.value}`;
  Object.assign(state, { zoom: null, region: null });
  address.write(state);
  reload();
});
for (const button of document.querySelectorAll("[data-drag]")) {
  button.addEventListener("click", () => keep(() => { state.mode = button.dataset.drag; controls(); }));
}
$("reset").addEventListener("click", () => keep(() => { state.zoom = null; }));
$("clear").addEventListener("click", () => keep(() => { state.region = null; }));
$("budget").addEventListener("input", (event) => { state.budget = fromStep(Number(event.target.value)); drawBudget(); redrawSoon(); });
$("budget").addEventListener("change", () => address.write(state));
for (const format of ["png", "svg"]) {
  $(format).addEventListener("click", () => {
    const { width, height } = $("chart").getBoundingClientRect();
    Plotly.downloadImage("chart", { format, width, height, scale: format === "png" ? 2 : 1, filename: `pareto-${searchId}` });
  });
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") { ring(null); card.hide($("card")); } });
document.addEventListener("themechange", () => draw());

/* ---------- live ---------- */

let waiting = 0;
const WORDS = { live: "Live", reconnecting: "Connection lost; trying again", ended: "Ended" };
await reload({ first: true });
address.write(state);
if (page.dataset.ended !== "yes") {
  follow(searchId, Number(page.dataset.last), (event) => {
    if (event.kind === "evaluation" || event.kind === "state") waiting ||= setTimeout(() => { waiting = 0; reload(); }, RELOAD_MS);
  }, (how) => { $("live").textContent = WORDS[how]; if (how === "ended") reload(); });
}
page.dataset.ready = "yes";
