// One neck: its files, on request.
import { download } from "./download.js";

const subnetId = document.getElementById("subnet").dataset.subnet;

for (const button of document.querySelectorAll("[data-format]")) {
  const status = document.querySelector(`[data-status="${button.dataset.format}"]`);
  button.disabled = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    await download(subnetId, button.dataset.format, status);
    button.disabled = false;
  });
}
