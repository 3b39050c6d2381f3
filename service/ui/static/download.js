// Files of a neck: asked for, waited for and downloaded in place.
import { h } from "./format.js";

const WAIT_MS = 700;
const LONG_MS = 180_000;

/** Ask for a file and download it; `status` is an element that says how far it is. */
export async function download(subnetId, format, status) {
  try {
    status.textContent = "Asking…";
    let artifact = await api(`/api/v1/subnets/${subnetId}/artifacts`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ format }) });
    const until = Date.now() + LONG_MS;
    while (!artifact.content) {
      if (["FAILED", "CANCELLED"].includes(artifact.state)) throw new Error(artifact.error?.detail ?? "it could not be made");
      if (Date.now() > until) throw new Error("it is still being made; ask again later");
      status.textContent = artifact.state === "QUEUED" ? "Waiting for a worker…" : "Being made…";
      await new Promise((done) => { setTimeout(done, WAIT_MS); });
      artifact = await api(`/api/v1/artifacts/${artifact.id}`);
    }
    const link = h("a", { href: artifact.content, download: artifact.filename ?? true }, artifact.filename ?? "file");
    status.replaceChildren(link, ` (${size(artifact.size)}, sha256 `, h("code", { title: artifact.sha256 }, artifact.sha256.slice(0, 12)), ")");
    link.click();
  } catch (error) {
    status.replaceChildren(`Not downloaded: ${error.message}.`);
  }
}

async function api(path, options) {
  const answer = await fetch(path, options);
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.detail ?? `the service answered ${answer.status}`);
  return found;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
