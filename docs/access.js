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

document.addEventListener("DOMContentLoaded", () => {
  name("summary:has(.toctree-toggle)", (fold) => `Parts of ${fold.closest("li").querySelector("a").innerText}`);
  name(".search-button-field", (button) => button.innerText.replace(/\s+/g, " ").trim() || "Search");
  reach();
  addEventListener("load", reach);
  addEventListener("resize", reach);
});
