// Before the first paint, so that no page flashes in the other theme. A classic script: modules run too late for that.
(function () {
  let chosen = null;
  try { chosen = localStorage.getItem("sluice.theme"); } catch { /* storage is off: the system's theme holds */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
