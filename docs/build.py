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
from api import lessons_in, write_api
from complete import EMPTY, lost_cells
from nbdev.config import get_config
from nbdev.serve import proc_nbs
from structure import draw_structure

ROOT = Path(__file__).resolve().parents[1]
SOURCE, SITE = ROOT / "_docs" / "source", ROOT / "_docs" / "site"
PAGES = ROOT / "docs" / "pages"
TOP = (
    *("course", "tutorials", "using", "installation", "measurements", "api"),
    *("glossary", "structure", "limits", "contributing", "changelog"),
)
COLAB = "https://colab.research.google.com/github"
FIRST = "00_tour.ipynb"  # what a page that is no notebook offers to run
NAMED = re.compile(r"(?<!\[)`(0\d\w?(?:_[\w.]+)?|tutorials/\w+)`(?!\])")  # a notebook in a text, such as `04a`
BADGE = re.compile(r"^\[!\[Open in Colab\][^\n]*\n*")  # the line below a title has this link
TEXTS = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md", "api.md": "docs/api.py"}


def tree_of(names):
    """A list of contents that only the navigation shows."""
    lines = "\n".join(names)
    return f"```{{toctree}}\n:hidden:\n\n{lines}\n```"


def page_links(path, notebook=None):
    """A line with a way to Colab and to the source of a page, a file of the repository."""
    settings = get_config()
    place = f"{settings.user}/{settings.repo}/blob/{settings.branch}"
    runs = f"{COLAB}/{place}/nbs/{notebook or FIRST}"
    what = "Open in Colab" if notebook else "Try it in Colab"
    return (
        f'<p class="page-links"><a href="{runs}">{what}</a> · '
        f'<a href="https://github.com/{place}/{path}">Source of this page</a></p>'
    )


def front_matter(notebook, name):
    """nbdev writes title and subtitle into a raw cell for Quarto; here they become a heading again. Returns both."""
    words = yaml.safe_load(re.match(r"---\n(.*?)\n---", notebook.cells[0].source, re.S)[1])
    source = f"# {words['title']}\n\n*{words['description']}*\n\n{page_links(f'nbs/{name}', name)}"
    notebook.cells[0] = nbformat.v4.new_markdown_cell(source, id="title")
    return words["title"], words["description"]


def visible(cell, heading):
    """What a reader sees of a cell: not the bookkeeping, and of an echo: false cell only its output."""
    directives = [line for line in cell.source.splitlines() if line.startswith("#|")]
    cell.source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("#|")).strip()
    tags = ["hide-cell"] if any("code-fold: true" in line for line in directives) else []  # a solution
    if any("echo: false" in line for line in directives) or cell.source.startswith("show_doc("):
        tags.append("remove-input")
    said = [line.split("fig-alt:")[1].strip(" \"") for line in directives if "fig-alt:" in line]
    cell.metadata = {"mystnb": {"image": {"alt": said[0] if said else f"Figure: {heading}"}}}
    if tags:
        cell.metadata["tags"] = tags
    return cell


class Links:
    """Rewrites the links of notebooks for the site."""

    def __init__(self, shown):
        self.shown = shown  # page → anchors of the names that it shows
        self.pages = {re.sub(r"^\d+\w?_", "", name): name for name in shown}  # module → page
        settings = get_config()
        host = re.escape(settings.doc_host + settings.doc_baseurl)
        self.own = re.compile(rf"\]\(\S+/blob/{settings.branch}/docs/pages/(\w+)\.md(#[^)]*)?\)")
        self.api = re.compile(rf"\[([^\]]+)\]\({host}/([\w.]+)\.html(?:#([\w.]+))?\)")

    def __call__(self, text, up=""):
        """Text with its links as Sphinx wants them; `up` leads to the top folder of the site."""
        # A signature is code, in which a link would stand as it is written.
        text = re.sub(r"```python\n.*?```", lambda code: self.api.sub(self.bare, code[0]), text, flags=re.S)
        text = re.sub(r"^### .*__.*$", lambda name: name[0].replace("_", "\\_"), text, flags=re.M)  # no bold letters
        text = re.sub(rf"\[{self.api.pattern}\](?=\()", r"[\1]", text)  # a name within a link that a notebook gives
        text = self.api.sub(lambda found: self.to_name(*found.groups(), up), text)
        text = self.own.sub(rf"]({up}\1.md\2)", text)  # a page of docs/pages, which a notebook links on GitHub
        text = NAMED.sub(lambda found: self.to_page(found[1], up), text)
        text = re.sub(r"\]\((?!https?:)([\w/.]+)\.html(#[^)]*)?\)", r"](\1.ipynb\2)", text)
        text = re.sub(r"\{target=\"_blank\"[^}]*\}", "{.source}", text)  # nbdev's link to the code
        return re.sub(r"<a\s[^>]*></a>", "", text)

    @staticmethod
    def bare(link):
        """The words of a link alone."""
        return link[1].strip("`")

    def to_page(self, name, up):
        """A notebook that a text names, or the letters before its name, as a link to it; others stay as they are."""
        found = [page for page in self.shown if page == Path(name).name or page.startswith(f"{name}_")]
        if len(found) != 1:
            return f"`{name}`"
        folder = "" if found[0][0] == "0" else "tutorials/"
        return f"[`{name}`]({up}{folder}{found[0]}.ipynb)"

    def to_name(self, words, module, name, up):
        """A link to where a name of the package is shown; nbdev leads to pages that only its own site has."""
        words = re.sub(r"`([^`]+)`", r"<code>\1</code>", words)
        if module not in self.pages:
            return words
        page, anchor = self.pages[module], (name or "").lower().replace(".", "")
        place = f"#{anchor}" if anchor in self.shown[page] else ""
        return f'<a class="reference internal" href="{up}{page}.html{place}">{words}</a>'


def names_shown(path):
    """Anchors of the names whose signature a processed notebook shows."""
    return {name.lower().replace(".", "") for name in lessons_in(nbformat.read(path, as_version=4))}


def convert(path, target, links):
    """One processed notebook to a page; returns its title and subtitle."""
    notebook = nbformat.read(path, as_version=4)
    name = target.relative_to(SOURCE)
    title = front_matter(notebook, name.as_posix())
    heading, up, cells = title[0], "../" * (len(name.parts) - 1), []
    for cell in notebook.cells:
        if cell.cell_type == "raw":
            continue
        if cell.cell_type == "markdown":
            cell.source = links(BADGE.sub("", cell.source), up)
            heading = (re.findall(r"^#{2,4} (.+)$", cell.source, re.M) or [heading])[-1]
        else:
            cell = visible(cell, heading)
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output.data = {"text/markdown": links(output.data["text/markdown"].removeprefix("---\n"), up)}
        if cell.source.strip() or cell.get("outputs"):
            cells.append(cell)
    if cells[-1].source == EMPTY:
        cells.pop()
    notebook.cells = cells
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    return title


def chapters_of(titles):
    """The notebooks of each chapter, the one that opens it first; `00_tour` opens the first one."""
    found = {}
    for name in sorted(name for name in titles if name[0] == "0"):
        found.setdefault(name[:2], []).append(name)
    for names in found.values():
        names.sort(key=lambda name: (name != "00_tour", name))
    return list(found.values())


def nest(chapter):
    """The parts of a chapter stand below the notebook that opens it."""
    if len(chapter) == 1:
        return
    opening = nbformat.read(SOURCE / f"{chapter[0]}.ipynb", as_version=4)
    opening.cells.append(nbformat.v4.new_markdown_cell(tree_of(chapter[1:]), id="tree"))
    nbformat.write(opening, SOURCE / f"{chapter[0]}.ipynb")


def list_course(page, titles):
    """The course by chapter: what each notebook is about."""
    parts = []
    for first, *rest in chapters_of(titles):
        parts.append(f"## [{titles[first][0]}]({first}.ipynb)\n\n{titles[first][1]}\n")
        parts += ["| | |\n|---|---|"] * bool(rest)
        parts += [f"| [{titles[name][0]}]({name}.ipynb) | {titles[name][1]} |" for name in rest] + [""]
    openings = [chapter[0] for chapter in chapters_of(titles)]
    text = page.read_text(encoding="utf-8")
    page.write_text("\n".join([text, *parts, tree_of(openings), ""]), encoding="utf-8")


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


def add_links(page):
    """A way to Colab and to its source, below the title of a page that is no notebook."""
    source = TEXTS.get(page.name) or ("docs/api.py" if page.name.startswith("api_") else f"docs/pages/{page.name}")
    title, _, rest = page.read_text(encoding="utf-8").partition("\n")
    page.write_text(f"{title}\n\n{page_links(source)}\n{rest}", encoding="utf-8")


def collect():
    """All pages into one folder."""
    shutil.rmtree(ROOT / "_docs", ignore_errors=True)
    shutil.rmtree(ROOT / "_proc", ignore_errors=True)
    SOURCE.mkdir(parents=True)
    proc_nbs(n_workers=1, skip_folder_re="^[_.]|^tests$")  # tests prove, and have nothing to show
    names = [path.relative_to(ROOT / "_proc") for path in sorted((ROOT / "_proc").rglob("*.ipynb"))]
    links = Links({name.stem: names_shown(ROOT / "_proc" / name) for name in names})
    titles = {name.with_suffix("").as_posix(): convert(ROOT / "_proc" / name, SOURCE / name, links) for name in names}
    home = nbformat.read(SOURCE / "index.ipynb", as_version=4)
    home.cells.append(nbformat.v4.new_markdown_cell(tree_of(TOP), id="tree"))
    nbformat.write(home, SOURCE / "index.ipynb")
    shutil.copytree(ROOT / "nbs" / "images", SOURCE / "images")
    shutil.copytree(PAGES, SOURCE, dirs_exist_ok=True)
    list_pages(SOURCE / "tutorials.md", titles)
    list_course(SOURCE / "course.md", titles)
    for name in ("conf.py", "formulas.py", "style.css", "access.js", "favicon.svg"):
        shutil.copy(ROOT / "docs" / name, SOURCE)
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, SOURCE / name.lower())
    write_api(ROOT, SOURCE, titles)
    for page in SOURCE.glob("*.md"):
        add_links(page)
    for chapter in chapters_of(titles):
        nest(chapter)
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
    lost = list(lost_cells(ROOT, SITE))
    print("".join(f"{message}\n" for message in lost), end="")
    if lost:
        sys.exit("some text of the notebooks is not on the site")
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{SITE.relative_to(ROOT)}/index.html: {len(list(SITE.rglob('*.html')))} pages, {size / 1e6:.0f} MB")
    if words.open:
        webbrowser.open((SITE / "index.html").as_uri())


if __name__ == "__main__":
    main()
