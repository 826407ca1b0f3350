"""Is every Markdown cell of the notebooks on its page of the site?

python docs/complete.py             # after docs/build.py, which asks this too; exits with 1 when something is lost
"""

import json
import re
import sys
from pathlib import Path

from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

ROOT = Path(__file__).resolve().parents[1]
SHOWN = "text", "code_inline"  # tokens whose content a reader sees as it is written
EMPTY = "## Export"  # its only cell is hidden, so that the heading has nothing below it on the site
PARSER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin).use(front_matter_plugin)


def letters(text):
    """Text without what Markdown, HTML and typography may change."""
    return re.sub(r"[\W_]+", "", text).lower()


def pieces(source):
    """The pieces of a Markdown text that must stand on a page; formulas are between them."""
    for token in PARSER.parse(source):
        if token.type in ("fence", "code_block"):
            yield token.content
        piece = ""
        for part in token.children or []:
            if part.type in SHOWN:
                piece += part.content
            elif part.type == "math_inline":
                yield piece
                piece = ""
        yield piece


def text_of(page):
    """All that a page says in its article, without formulas."""
    article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find("article")
    for formula in article.find_all("math"):
        formula.decompose()
    return letters(article.get_text())


def lost_in(notebook, page):
    """Number and text of each Markdown cell with a piece that does not follow, on the page, what came before it."""
    text, place = text_of(page), 0
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"], start=1):
        source = "".join(cell["source"])
        if cell["cell_type"] != "markdown" or source == EMPTY:
            continue
        for piece in pieces(source):
            found = text.find(letters(piece), place)
            if found < 0:
                yield number, piece
                break
            place = found + len(letters(piece))


def lost_cells(root, site):
    """A message for each Markdown cell that is not on its page."""
    for notebook in sorted((root / "nbs").rglob("*.ipynb")):
        name = notebook.relative_to(root / "nbs")
        if name.parts[0] == "tests" or any(part.startswith(("_", ".")) for part in name.parts):
            continue
        page = site / name.with_suffix(".html")
        if not page.is_file():
            yield f"nbs/{name}: it has no page"
            continue
        for number, piece in lost_in(notebook, page):
            yield f"nbs/{name} cell {number}: not on its page: {piece[:80]}"


def main():
    """Look at the site that was built."""
    lost = list(lost_cells(ROOT, ROOT / "_docs" / "site"))
    print("\n".join(lost) or "every Markdown cell is on its page")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
