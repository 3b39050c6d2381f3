// Line charts in the page's own colours.
import { tokens, CONFIG } from "./chart.js";

const DASHES = ["solid", "dash", "dot", "dashdot"];

/** Draw lines over a common axis: [{name, x, y}]. Names stand at the lines' ends, so no colour must be told apart. */
export function drawLines(id, lines, { x, y, shape = "linear", log = false }) {
  const look = tokens();
  const colors = [look.front, look.baseline, look.infeasible, look.soft];
  const traces = lines.map((line, index) => ({
    type: "scatter", mode: line.x.length < 3 ? "lines+markers" : "lines", name: line.name, x: line.x, y: line.y,
    line: { color: colors[index % 4], width: 2, dash: DASHES[index % 4], shape }, hovertemplate: `${line.name ? `${line.name}: ` : ""}%{y:.4~g}<extra></extra>`,
  }));
  const axis = { gridcolor: look.line, linecolor: look.strong, color: look.soft, showline: true, zeroline: false, automargin: true, ticks: "outside", tickcolor: look.strong, ticklen: 4 };
  const layout = {
    margin: { l: 56, r: 16, t: 8, b: 44 }, paper_bgcolor: "#0000", plot_bgcolor: "#0000", font: { family: look.font, size: 12, color: look.ink },
    xaxis: { ...axis, title: { text: x, standoff: 8 }, rangemode: "tozero" }, yaxis: { ...axis, title: { text: y, standoff: 8 }, type: log ? "log" : "linear", rangemode: log ? "normal" : "tozero" },
    showlegend: lines.length > 1, legend: { x: 1, xanchor: "right", y: 1, bgcolor: "#0000" }, hovermode: "x unified", dragmode: false,
    hoverlabel: { bgcolor: look.surface, bordercolor: look.strong, font: { color: look.ink } },
  };
  Plotly.react(id, traces, layout, CONFIG);
}
