// One search: follows its events, keeps the page's parts current, draws its curves, and carries out pause, resume and cancel.
import { drawLines } from "./curves.js";
import { follow, refresh } from "./live.js";
import { afterPaint, loadPlotly } from "./plotly.js";

const CURVES_MS = 4000;
const REFRESH_MS = 1000;
const WAIT_MS = 3000;
const page = document.getElementById("search");
const $ = (id) => document.getElementById(id);
const searchId = page.dataset.search;
const outcome = () => document.querySelector("[data-live='outcome']").dataset;
let curves = null;

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;

async function loadCurves() {
  try {
    const answer = await fetch(`/searches/${searchId}/curves`);
    if (answer.ok) curves = await answer.json();
    await loadPlotly();
  } catch { /* what is drawn stays; the next event tries again */ }
  draw();
}

function draw() {
  if (!curves || !globalThis.Plotly) return;
  const { loss, hypervolume } = curves;
  if (hypervolume.value.length) {
    $("volume-veil").hidden = true;
    drawLines("volume", [{ name: "", x: hypervolume.evaluations, y: hypervolume.value }], { x: "evaluations", y: "hypervolume", shape: "hv" });
  }
  if (loss.step.length) {
    $("loss-veil").hidden = true;
    const lines = Object.entries(loss.classes).map(([name, y]) => ({ name, x: loss.step, y }));
    drawLines("loss", lines.length ? lines : [{ name: "", x: loss.step, y: loss.all }], { x: "training step", y: "loss", log: true });
  }
  afterPaint(() => performance.mark("neckline:drawn"));
}

let refreshing = 0;
let redrawing = 0;
function changed() {
  refreshing ||= setTimeout(async () => { refreshing = 0; say((await refresh()) ? "" : "Could not update; what you see is from before."); enable(); }, REFRESH_MS);
  redrawing ||= setTimeout(() => { redrawing = 0; loadCurves(); }, CURVES_MS);
}

const say = (text) => { $("trouble").textContent = text; $("trouble").hidden = !text; };

function enable() {
  for (const button of document.querySelectorAll("[data-move]")) button.disabled = false;
}

document.addEventListener("click", async (event) => {
  const move = event.target.closest?.("[data-move]")?.dataset.move;
  if (!move) return;
  if (move === "cancel" && !confirm("Cancel this search for good? What it has found stays.")) return;
  event.target.disabled = true;
  const answer = await fetch(`/api/v1/searches/${searchId}:${move}`, { method: "POST" }).catch(() => null);
  const problem = answer && !answer.ok ? await answer.json().catch(() => ({})) : null;
  say(!answer ? "The service did not answer; nothing was changed." : problem ? problem.detail ?? "That was refused." : "");
  await refresh();
  enable();
});
document.addEventListener("themechange", draw);

enable();
await loadCurves();
if (outcome().ended !== "yes") {
  const words = { live: "Live", reconnecting: "Connection lost; trying again", ended: "" };
  follow(searchId, Number(page.dataset.last), changed, (how) => { $("live").textContent = words[how]; if (how === "ended") changed(); });
  // While earlier jobs run, the search itself has no events.
  const timer = setInterval(() => {
    if (outcome().ended === "yes") clearInterval(timer);
    else if (outcome().waits === "yes" && !document.hidden) changed();
  }, WAIT_MS);
}
page.dataset.ready = "yes";
