// Devices: scatters of predicted against measured latency, calibration, and the enrolment of agents.
import { CONFIG, tokens } from "./chart.js";
import { h } from "./format.js";
import { refresh } from "./live.js";
import { afterPaint, loadPlotly } from "./plotly.js";

const REFRESH_MS = 3000;
const $ = (id) => document.getElementById(id);
const known = new Map();

async function drawAll() {
  await loadPlotly();
  for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
  for (const chart of document.querySelectorAll("[data-scatter]")) {
    const id = chart.dataset.scatter;
    if (!known.has(id)) {
      const answer = await fetch(`/devices/${id}/scatter`).catch(() => null);
      if (!answer?.ok) continue;
      known.set(id, await answer.json());
    }
    if (known.get(id)) draw(chart, known.get(id));
  }
  afterPaint(() => performance.mark("neckline:drawn"));
}

function draw(chart, { predicted, measured, low, high }) {
  const look = tokens();
  const every = [...predicted, ...measured];
  const range = [Math.log10(Math.min(...every)) - 0.08, Math.log10(Math.max(...every)) + 0.08];
  const ends = range.map((exponent) => 10 ** exponent);
  const misses = low ? measured.map((value, index) => value < low[index] || value > high[index]) : measured.map(() => false);
  const bars = low ? { type: "data", symmetric: false, array: predicted.map((value, index) => high[index] - value), arrayminus: predicted.map((value, index) => value - low[index]), thickness: 1, width: 0, color: look.front } : undefined;
  const axis = (title) => ({ type: "log", range, title: { text: title, standoff: 8 }, gridcolor: look.line, color: look.soft, linecolor: look.strong, showline: true, ticks: "outside", tickcolor: look.strong, ticklen: 4, automargin: true, dtick: range[1] - range[0] > 1.3 ? 1 : "D2", tickformat: "~g" });
  const traces = [
    { type: "scatter", mode: "lines", x: ends, y: ends, line: { color: look.strong, width: 1, dash: "dash" }, hoverinfo: "skip" },
    { type: "scatter", mode: "markers", x: measured, y: predicted, error_y: bars, marker: { color: misses.map((miss) => (miss ? look.infeasible : look.front)), symbol: misses.map((miss) => (miss ? "x" : "circle")), size: 7 }, hovertemplate: "measured %{x:.3~g} ms<br>predicted %{y:.3~g} ms<extra></extra>" },
  ];
  const layout = { margin: { l: 56, r: 12, t: 8, b: 48 }, paper_bgcolor: "#0000", plot_bgcolor: "#0000", showlegend: false, font: { family: look.font, size: 12, color: look.ink }, xaxis: { ...axis("measured p10 (ms)"), constrain: "domain" }, yaxis: { ...axis("predicted (ms)"), scaleanchor: "x", constrain: "domain" }, dragmode: false, hoverlabel: { bgcolor: look.surface, bordercolor: look.strong, font: { color: look.ink } } };
  Plotly.react(chart, traces, layout, CONFIG);
}

async function post(path, body) {
  const answer = await fetch(`/api/v1${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body) });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error((found.errors ?? []).map((fault) => fault.detail).join("; ") || found.detail || `the service answered ${answer.status}`);
  return found;
}

async function invite(deviceId, place) {
  const { command, expires_at: expires } = await post(`/devices/${deviceId}/agents`);
  const copy = h("button", { type: "button", onclick: async () => { await navigator.clipboard.writeText(command); copy.textContent = "Copied"; } }, "Copy");
  place.replaceChildren(h("p", { class: "small" }, "Run this on the device. The token works once", expires ? `, until ${expires.slice(0, 16).replace("T", " ")} UTC` : "", "."), h("pre", { class: "code", tabindex: 0, "aria-label": "Command" }, h("code", {}, command)), h("p", {}, copy));
}

async function attempt(place, work) {
  try { await work(); } catch (error) { place.replaceChildren(h("p", { class: "note bad" }, `That did not work: ${error.message}.`)); }
}

document.addEventListener("click", (event) => {
  const { calibrate, invite: invited } = event.target.dataset ?? {};
  if (calibrate) {
    const supernet = document.querySelector(`[data-supernet="${calibrate}"]`).value;
    event.target.disabled = true;
    attempt($("enrolment"), async () => { await post(`/devices/${calibrate}/predictors`, { supernet_id: supernet }); await update(); });
  }
  if (invited) attempt(document.querySelector(`[data-command="${invited}"]`), () => invite(invited, document.querySelector(`[data-command="${invited}"]`)));
});

$("register").hidden = false;
$("register").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt($("enrolment"), async () => {
    const device = await post("/devices", { kind: "remote", name: $("name").value || null, threads: Number($("threads").value) || 1, batch: 1 });
    await invite(device.id, $("enrolment"));
    await update();
  });
});

async function update() {
  await refresh();
  await drawAll();
}

document.addEventListener("themechange", drawAll);
await drawAll();
setInterval(() => { if (document.querySelector("[data-live='devices']").dataset.active === "yes" && !document.hidden) update(); }, REFRESH_MS);
document.body.dataset.ready = "yes";
