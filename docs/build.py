"""Build the documentation site: nbdev's processed notebooks, rendered by Sphinx, from pip packages alone.

python docs/build.py            # into _docs/site; warnings are errors
python docs/build.py --open     # and show it

Quarto is not needed. Where it is installed, `nbdev_docs` builds its own site from the same notebooks.
"""

import argparse
import re
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import nbformat
import yaml
from api import api_page
from nbdev.serve import proc_nbs
from structure import draw_structure

ROOT = Path(__file__).resolve().parents[1]
SOURCE, SITE = ROOT / "_docs" / "source", ROOT / "_docs" / "site"
PAGES = ROOT / "docs" / "pages"
TREE = "```{toctree}\n:hidden:\n\ncourse\ntutorials\nstructure\napi\nglossary\nlimits\ncontributing\nchangelog\n```"


def front_matter(notebook):
    """nbdev writes title and subtitle into a raw cell for Quarto; here they become a heading again. Returns both."""
    words = yaml.safe_load(re.match(r"---\n(.*?)\n---", notebook.cells[0].source, re.S)[1])
    notebook.cells[0] = nbformat.v4.new_markdown_cell(f"# {words['title']}\n\n*{words['description']}*", id="title")
    return words["title"], words["description"]


def visible(cell):
    """What a reader sees of a cell: not the bookkeeping, and of an echo: false cell only its output."""
    directives = [line for line in cell.source.splitlines() if line.startswith("#|")]
    cell.source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("#|")).strip()
    tags = ["hide-cell"] if any("code-fold: true" in line for line in directives) else []  # a solution
    if any("echo: false" in line for line in directives) or cell.source.startswith("show_doc("):
        tags.append("remove-input")
    cell.metadata = {"tags": tags} if tags else {}
    return cell


def links(text):
    """Links between notebooks: nbdev's are to .html pages and to .ipynb files; Sphinx wants the latter."""
    text = re.sub(r"\]\((?!https?:)([\w/.]+)\.html(#[^)]*)?\)", r"](\1.ipynb\2)", text)
    text = re.sub(r"\{target=\"_blank\"[^}]*\}", "{.source}", text)  # nbdev's link to the code
    return re.sub(r"<a\s[^>]*></a>", "", text)


def convert(path, target):
    """One processed notebook to a page; returns its title and subtitle."""
    notebook = nbformat.read(path, as_version=4)
    title = front_matter(notebook)
    notebook.cells = [
        visible(cell) if cell.cell_type == "code" else cell for cell in notebook.cells if cell.cell_type != "raw"
    ]
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip() or cell.get("outputs")]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = links(cell.source)
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output.data = {"text/markdown": links(output.data["text/markdown"].removeprefix("---\n"))}
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    return title


def list_pages(page, titles):
    """Put what each page is about where its name stands alone in a list of contents."""
    text = page.read_text(encoding="utf-8")
    named = re.search(r"```\{toctree\}\n(.*?)```", text, re.S)[1].splitlines()
    wanted = [name for name in titles if any(Path(name).match(pattern) for pattern in named if pattern)]
    wanted.sort(key=lambda name: named.index(name) if name in named else 0)
    rows = "".join(f"| [{titles[name][0]}]({name}.ipynb) | {titles[name][1]} |\n" for name in wanted)
    page.write_text(
        text.replace("```{toctree}\n", f"| | |\n|---|---|\n{rows}\n```{{toctree}}\n:hidden:\n", 1), encoding="utf-8"
    )


def collect():
    """All pages into one folder."""
    shutil.rmtree(ROOT / "_docs", ignore_errors=True)
    shutil.rmtree(ROOT / "_proc", ignore_errors=True)
    SOURCE.mkdir(parents=True)
    proc_nbs(n_workers=1)
    names = [path.relative_to(ROOT / "_proc") for path in sorted((ROOT / "_proc").rglob("*.ipynb"))]
    names = [name for name in names if name.parts[0] != "tests"]  # they prove, and have nothing to show
    titles = {name.with_suffix("").as_posix(): convert(ROOT / "_proc" / name, SOURCE / name) for name in names}
    home = nbformat.read(SOURCE / "index.ipynb", as_version=4)
    home.cells.append(nbformat.v4.new_markdown_cell(TREE, id="tree"))
    nbformat.write(home, SOURCE / "index.ipynb")
    shutil.copytree(ROOT / "nbs" / "images", SOURCE / "images")
    shutil.copytree(PAGES, SOURCE, dirs_exist_ok=True)
    for name in ("course.md", "tutorials.md"):
        list_pages(SOURCE / name, titles)
    for name in ("conf.py", "formulas.py", "style.css", "favicon.svg"):
        shutil.copy(ROOT / "docs" / name, SOURCE)
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, SOURCE / name.lower())
    (SOURCE / "api.md").write_text(api_page(ROOT), encoding="utf-8")
    draw_structure(ROOT / "galaxy_classifier", SOURCE / "images" / "structure.svg")
    shutil.rmtree(ROOT / "_proc")


def main():
    """Collect, build, perhaps show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--open", action="store_true", help="show the site in a browser")
    words = parser.parse_args()
    collect()
    done = subprocess.run([sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", SOURCE, SITE])
    if done.returncode:
        sys.exit(done.returncode)
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{SITE.relative_to(ROOT)}/index.html: {len(list(SITE.rglob('*.html')))} pages, {size / 1e6:.0f} MB")
    if words.open:
        webbrowser.open((SITE / "index.html").as_uri())


if __name__ == "__main__":
    main()
