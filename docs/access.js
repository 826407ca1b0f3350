// What people without a mouse or without eyes need, and the theme does not bring.
function name(selector, words) {
  for (const element of document.querySelectorAll(selector)) element.setAttribute("aria-label", words(element));
}

// What scrolls can be reached and scrolled by keys, and only that.
function reach() {
  for (const box of document.querySelectorAll("article table, .cell_output, .cell_output pre, div.math"))
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
}

// Numbers are read by their last digits, and stand below each other.
function align(table) {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const head = [...(table.tHead?.rows[0]?.cells ?? [])];
  if (rows.some((row) => row.cells.length != head.length)) return;
  for (const [place, title] of head.entries()) {
    const cells = rows.map((row) => row.cells[place]);
    const numbers = cells.filter((cell) => /^[-+\u2212]?\d[\d\s.,%±()eto-]*$/.test(cell.innerText.trim()));
    if (place && numbers.length > cells.length/2) for (const cell of [title, ...cells]) cell.classList.add("number");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  name("summary:has(.toctree-toggle)", (fold) => `Parts of ${fold.closest("li").querySelector("a").innerText}`);
  name(".search-button-field", (button) => button.innerText.replace(/\s+/g, " ").trim() || "Search");
  // The words of a fold are its name; the theme gives it another one.
  for (const fold of document.querySelectorAll("details.hide > summary")) fold.removeAttribute("aria-label");
  document.querySelectorAll("article table").forEach(align);
  for (const output of document.querySelectorAll(".cell_output pre"))
    if (!/ {2}|[│┃|]/.test(output.innerText)) output.classList.add("prose");
  reach();
  addEventListener("load", reach);
  addEventListener("resize", reach);
});
