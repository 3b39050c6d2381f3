// The form of a new search: checked by the API as it is typed, with the reason beside the field at fault.
import { h } from "./format.js";

const CHECK_AFTER_MS = 350;
const form = document.getElementById("form");
const $ = (id) => document.getElementById(id);
let asked = 0;
let timer = 0;
let hasChosenNecks = false;

/** The request that the form stands for: what is left empty, or as the service chose it, is left out. Names that
    start with "/" are JSON pointers into it. */
function request() {
  const body = {};
  const fields = new Map();
  for (const input of form.elements) {
    if (!input.name || input.closest("[data-when][hidden]") || (input.type === "radio" && !input.checked)) continue;
    if (input.name.startsWith("/")) put(body, input.name, valueOf(input));
    else fields.set(input.name, input);
  }
  const device = fields.get("device").value;
  if (device) body.devices = [device.startsWith("kind:") ? { kind: device.slice(5), threads: 1, batch: 1 } : device];
  body.objectives = checked("objective");
  if (hasChosenNecks) body.baselines = checked("baseline");
  const limit = fields.get("latency").value;
  if (limit) body.constraints = [{ metric: "latency_ms", upper: Number(limit) }];
  const minutes = fields.get("minutes").value;
  if (minutes) put(body, "/budget/wall_s", Number(minutes) * 60);
  return body;
}

const checked = (name) => [...form.querySelectorAll(`input[name="${name}"]:checked`)].map((input) => input.value);

function valueOf(input) {
  if (input.dataset.kind === "boolean") return input.value === "" ? undefined : input.value === "yes";
  if (input.dataset.kind === "number") return input.value === "" ? undefined : Number(input.value);
  return input.value === "" && input.dataset.kind === "optional" ? undefined : input.value;
}

function put(body, pointer, value) {
  if (value === undefined) return;
  const parts = pointer.slice(1).split("/");
  const last = parts.pop();
  let place = body;
  for (const part of parts) place = place[part] ??= {};
  place[last] = value;
}

/* Which parts of the form apply. */
function arrange() {
  const source = form.querySelector("input[name=source]:checked")?.value ?? "new";
  for (const part of form.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== `source=${source}`;
}

/* A device chosen or left out moves the second objective between latency and MACs. */
function arrangeObjectives() {
  const hasDevice = Boolean(form.elements.device.value);
  for (const box of form.querySelectorAll("input[name=objective]")) {
    if (box.value.startsWith("latency")) {
      box.disabled = !hasDevice;
      if (!hasDevice) box.checked = false;
    }
  }
  const others = checked("objective").filter((name) => name !== "ap");
  if (!others.length) form.querySelector(`input[name=objective][value=${hasDevice ? "latency_ms" : "macs"}]`).checked = true;
  form.elements.latency.disabled = !hasDevice;
}

/* ---------- checking ---------- */

async function check() {
  const turn = ++asked;
  $("estimate").textContent ||= "Checking…";
  let answer;
  let found;
  try {
    answer = await fetch("/api/v1/searches:validate", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request()) });
    found = await answer.json();
  } catch {
    if (turn === asked) problem("The service does not answer; your entries are kept.");
    return;
  }
  if (turn !== asked) return;
  clear();
  if (answer.ok) resolved(found);
  else faults(found);
}

function resolved(found) {
  estimate(found);
  if (hasChosenNecks) return;
  for (const box of form.querySelectorAll("input[name=baseline]")) box.checked = found.resolved.baselines.includes(box.value);
}

function clear() {
  for (const fault of form.querySelectorAll(".fault")) { fault.hidden = true; fault.textContent = ""; }
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  problem("");
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
  if (text) $("go").disabled = true;
}

const ALIASES = [[/^\/constraints\/0/, "latency"], [/^\/budget\/wall_s/, "minutes"], [/^\/devices/, "/devices/0"], [/^\/objectives/, "/objectives"], [/^\/baselines/, "/baselines"]];

function faults({ errors, detail }) {
  $("estimate").textContent = "";
  $("go").disabled = true;
  const homeless = [];
  for (const { pointer, detail: reason } of errors ?? []) {
    const place = fieldOf(pointer);
    if (!place) { homeless.push(reason); continue; }
    const fault = place.querySelector(".fault");
    fault.textContent = fault.textContent ? `${fault.textContent}; ${reason}` : sentence(reason);
    fault.hidden = false;
    place.closest("details")?.setAttribute("open", "");
    place.querySelector("input, select")?.setAttribute("aria-invalid", "true");
  }
  if (homeless.length || !errors?.length) problem(homeless.join("; ") || detail || "The request was refused.");
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function fieldOf(pointer) {
  const alias = ALIASES.find(([pattern]) => pattern.test(pointer))?.[1];
  for (let place = alias ?? pointer; place; place = place.slice(0, Math.max(0, place.lastIndexOf("/")))) {
    const found = form.querySelector(`[data-field="${CSS.escape(place)}"]`);
    if (found) return found;
  }
  return null;
}

/* ---------- the estimate ---------- */

function estimate({ space_size: size, estimate: cost }) {
  const line = (name, seconds) => [h("dt", {}, name), h("dd", {}, seconds === null ? "not measured yet" : seconds === 0 ? "nothing to do" : duration(seconds))];
  const list = h("dl", { class: "facts" }, ...line("Training", cost.training_s), ...line("Calibration", cost.calibration_s), ...line("Search", cost.searching_s));
  const total = cost.total_s === null ? h("p", {}, "The total is known once this service has finished a job of each kind.") : h("p", {}, "Together about ", h("strong", {}, duration(cost.total_s)), ".");
  const space = h("p", {}, `${count(size)} necks in the space.`);
  $("estimate").replaceChildren(list, total, space, h("p", {}, `From ${cost.basis}.`));
  $("go").disabled = false;
}

function count(text) {
  return text.length <= 6 ? Number(text).toLocaleString("en") : `${text[0]}.${text.slice(1, 3)} × 10${superscript(text.length - 1)}`;
}

const superscript = (value) => [...String(value)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/* ---------- what the user does ---------- */

form.addEventListener("input", (event) => {
  arrange();
  if (event.target.name === "device") arrangeObjectives();
  hasChosenNecks ||= event.target.name === "baseline";
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_AFTER_MS);
});

// The same form sent twice makes one search.
const once = crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`;
let sends = 0;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  $("go").disabled = true;
  clearTimeout(timer);
  asked++;
  try {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": `${once}-${sends}` };
    const answer = await fetch("/api/v1/searches", { method: "POST", headers, body: JSON.stringify(request()) });
    const found = await answer.json();
    if (answer.ok) { location.assign(`/searches/${found.id}`); return; }
    sends++;
    clear();
    faults(found);
  } catch {
    problem("The service did not answer; your entries are kept. Try again.");
    $("go").disabled = false;
  }
});

arrange();
arrangeObjectives();
check();
form.dataset.ready = "yes";
