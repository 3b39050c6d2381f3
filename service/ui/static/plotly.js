// Plotly is large: it is fetched from the start, beside the data, and run when a page is there to be read.

let loading = null;

/** Resolve when `Plotly` is there to draw. */
export function loadPlotly() {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    const release = adoptStyles();
    script.src = document.getElementById("plotly").href;
    script.onload = () => { release(); done(); };
    script.onerror = () => { release(); loading = null; failed(new Error("the drawing library did not arrive")); };
    document.head.append(script);
  });
  return loading;
}

/** The policy of these pages forbids styles within their text, and plotly's bundle adds some (for maps, which
 *  nothing here draws) as it starts: until the returned function is called they become stylesheets of their own.
 *  Plotly's own rules go into the sheet that base.html names for them. */
function adoptStyles() {
  const { head } = document;
  head.appendChild = (node) => {
    if (!(node instanceof HTMLStyleElement)) return Node.prototype.appendChild.call(head, node);
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(node.textContent);
    document.adoptedStyleSheets.push(sheet);
    return node;
  };
  return () => { delete head.appendChild; };
}

/** Call back when what was changed by now can be seen. */
export function afterPaint(work) {
  requestAnimationFrame(() => setTimeout(work));
}
