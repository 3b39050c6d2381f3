// The card beside a point: what it is, its figures with sources, and its topology.
import { kindOf } from "./data.js";
import { h, quantity } from "./format.js";
import { badge, mark, WORDS } from "./table.js";

const DRAW_AFTER_MS = 120;
let timer = 0;

export function show(card, box, row, data, at) {
  clearTimeout(timer);
  const kind = kindOf(row);
  const facts = [data.x.metric, data.y.metric, ...Object.keys(data.metrics)].filter((name, index, all) => all.indexOf(name) === index && row.scores[name]).slice(0, 5);
  const list = h("dl", { class: "facts" });
  for (const name of facts) {
    const [value, stderr, source] = row.scores[name];
    list.append(h("dt", {}, data.names[name] ?? name), h("dd", {}, quantity(value, data.metrics[name]?.unit ?? "1", stderr), " ", badge(source, data.sources)));
  }
  const figure = h("div", { class: "drawing" });
  card.replaceChildren(h("p", { class: "row" }, mark(kind), h("strong", {}, row.name), h("span", { class: "soft small" }, WORDS[kind])), list, figure);
  card.hidden = false;
  place(card, box, at);
  timer = setTimeout(() => {
    const image = h("img", { src: `/api/v1/subnets/${row.id}/graph.svg`, alt: `Topology of ${row.name}` });
    image.addEventListener("load", () => { figure.replaceChildren(image); place(card, box, at); });
  }, DRAW_AFTER_MS);
}

export function hide(card) {
  clearTimeout(timer);
  card.hidden = true;
}

function place(card, box, at) {
  const { width, height } = box.getBoundingClientRect();
  const right = at.x + 16 + card.offsetWidth <= width;
  const left = right ? at.x + 16 : Math.max(4, at.x - 16 - card.offsetWidth);
  card.style.left = `${Math.max(4, Math.min(left, width - card.offsetWidth - 4))}px`;
  card.style.top = `${Math.max(4, Math.min(at.y - 24, height - card.offsetHeight - 4))}px`;
}
