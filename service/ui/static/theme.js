// Runs before the first paint: the theme chosen earlier, else the system's.
(() => {
  const root = document.documentElement;
  let chosen = null;
  try { chosen = localStorage.getItem("neckline-theme"); } catch { /* storage may be forbidden */ }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const say = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`); };
    button.hidden = false;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      say();
      document.dispatchEvent(new CustomEvent("themechange"));
    });
    say();
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("neckline-theme", root.dataset.theme); } catch { /* the page works all the same */ }
      say();
      document.dispatchEvent(new CustomEvent("themechange"));
    });
  });
})();
