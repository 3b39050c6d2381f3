// Plotly is large: it is fetched from the start, beside the data, and run when a page is there to be read.

let loading = null;

/** Resolve when `Plotly` is there to draw. */
export function loadPlotly() {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = document.getElementById("plotly").href;
    script.onload = () => done();
    script.onerror = () => { loading = null; failed(new Error("the drawing library did not arrive")); };
    document.head.append(script);
  });
  return loading;
}
