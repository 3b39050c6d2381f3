// Datasets: adding one, with the reason beside the field where it is refused; and progress while one is checked.
import { refresh } from "./live.js";

const REFRESH_MS = 2000;
const problem = document.getElementById("problem");

function bodyOf(form) {
  const value = (name) => form.elements[name].value;
  if (form.dataset.add === "folder") return { path: value("path"), ...(value("name") ? { name: value("name") } : {}) };
  const options = Object.fromEntries(["train", "val", "image_size", "seed"].map((name) => [name, Number(value(name))]));
  return { builtin: "digits", options };
}

function show(form, { errors, detail }) {
  const homeless = [];
  for (const { pointer, detail: reason } of errors ?? []) {
    const fault = form.querySelector(`[data-field="${CSS.escape(pointer)}"] .fault`);
    if (!fault) { homeless.push(reason); continue; }
    fault.textContent = reason;
    fault.hidden = false;
    fault.parentElement.querySelector("input").setAttribute("aria-invalid", "true");
  }
  problem.textContent = homeless.join("; ") || (errors?.length ? "" : detail ?? "It was refused.");
  problem.hidden = !problem.textContent;
}

for (const form of document.querySelectorAll("[data-add]")) {
  form.querySelector("button").disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    for (const fault of document.querySelectorAll(".fault")) fault.hidden = true;
    for (const input of document.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
    problem.hidden = true;
    try {
      const answer = await fetch("/api/v1/datasets", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(bodyOf(form)) });
      const found = await answer.json();
      if (!answer.ok) { show(form, found); return; }
      form.reset();
      await refresh();
      document.getElementById(`d${found.id}`)?.scrollIntoView({ block: "start" });
    } catch {
      show(form, { detail: "The service did not answer; your entries are kept." });
    }
  });
}

setInterval(() => { if (document.querySelector("[data-live='datasets']").dataset.active === "yes" && !document.hidden) refresh(); }, REFRESH_MS);
document.body.dataset.ready = "yes";
