// The list of searches: filters at once, and stays current while something runs.
import { refresh } from "./live.js";

document.getElementById("state-filter")?.addEventListener("change", (event) => event.target.form.requestSubmit());

const REFRESH_MS = 3000;
setInterval(() => {
  const list = document.querySelector("[data-live='list']");
  if (list?.dataset.active === "yes" && !document.hidden) refresh();
}, REFRESH_MS);
