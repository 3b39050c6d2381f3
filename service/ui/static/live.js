// Keeps server-rendered parts of a page current: fetches the page again and puts its [data-live] parts in place.

let running = null;

/** Fetch this page and replace what changed; an error leaves everything as it is. Resolves to whether it worked. */
export function refresh() {
  running ??= load().finally(() => { running = null; });
  return running;
}

async function load() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return false;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (other && other.innerHTML !== part.innerHTML) replace(part, other);
      if (other) { Object.assign(part.dataset, other.dataset); part.hidden = other.hidden; }
    }
    return true;
  } catch {
    return false;
  }
}

function replace(part, other) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const mark = focused && (focused.id ? `#${focused.id}` : focused.getAttribute("href") && `[href="${focused.getAttribute("href")}"]`);
  const scrolled = part.querySelector(".scroll")?.scrollLeft ?? 0;
  part.replaceChildren(...other.childNodes);
  if (mark) part.querySelector(mark)?.focus();
  const scroller = part.querySelector(".scroll");
  if (scroller) scroller.scrollLeft = scrolled;
}

/** Follow a job's events; calls back with each, and with whether the connection stands. Returns a function that stops. */
export function follow(jobId, after, onEvent, onState) {
  const kinds = ["state", "progress", "evaluation", "notice"];
  let source = null;
  let timer = 0;
  let last = after;
  const open = () => {
    source = new EventSource(`/api/v1/searches/${jobId}/events?after=${last}`);
    source.onopen = () => onState("live");
    source.onerror = () => {
      onState("reconnecting");
      if (source.readyState === EventSource.CLOSED) { clearTimeout(timer); timer = setTimeout(open, 3000); }
    };
    for (const kind of kinds) {
      source.addEventListener(kind, (message) => {
        last = Math.max(last, Number(message.lastEventId) || last);
        let event = null;
        try { event = JSON.parse(message.data); } catch { return; }
        onEvent(event);
      });
    }
    source.addEventListener("end", () => { source.close(); onState("ended"); });
  };
  open();
  return () => { clearTimeout(timer); source?.close(); };
}
