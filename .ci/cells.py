"""Check the cells of all notebooks as CONTRIBUTING.md asks; prints the measures and what is wrong, cell by cell.

python .ci/cells.py                           # this tree
python .ci/cells.py nbs/03_loss.ipynb         # some notebooks alone
python .ci/cells.py --root PATH --json        # another tree, for a comparison

Cells are counted from 1, as ruff counts them.
"""
import argparse
import ast
import json
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

MEDIAN_LINES, MOST_LINES, WIDTH, COMPLEXITY = 12, 40, 120, 10
WITH_LESSON, WITH_RESULT = .70, .50 # least shares of the export cells that define something
UNMEASURED = "tests", "tutorials" # folders whose notebooks export nothing that a reader is taught by
DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef

DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*\|[ \t]*([\w-]+):?[ \t]*(.*)$", re.M)
EMBEDDED = re.compile(r"data:[\w/+-]+;base64,[\w+/=]+") # pictures in HTML
COMMITS = re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{12}\b|\bcommit\W{0,4}([0-9a-f]{7,40})\b")
STORED = {
    "an absolute path": re.compile(r"(?<![\w./:~-])/(?:tmp|home|root|work|Users|private|mnt|var/folders)/[\w.-]+"),
    "a warning": re.compile(r"\b[A-Z]\w*Warning\b"),
}
# The words that the style in CONTRIBUTING.md replaces, as far as they can be told from their good uses.
WORDS = {
    r"\b(?:go|goes|going|went|gone) on (?:with|from|where)\b|\bgone on\b": "resume",
    r"\bnumbers? that (?:are|is) none\b": "NaN or infinite",
    r"\bshort ways?\b": "fused layer, fast path",
    r"\bmirror images?\b": "reflection",
    r"\blikeness(?:es)?\b": "similarity, embedding",
    r"\b(?:strangeness|familiarity)\b": "novelty, out of distribution",
    r"\bin the open\b": "visible, explicit",
    r"(?<!leave )(?<!leaves )(?<!more )(?<!most )(?<!enough )(?<!much )(?<!no )\brooms?\b(?! for\b)": "module, chapter",
    r"\bthe (?:least|greatest) of (?:a|the|its|each) (?:window|neighbou?r)": "minimum filter, maximum filter",
}
# An option alone says nothing to who calls a function: `name`, or a whole command such as galaxy-data --split-only.
OPTION = re.compile(r"(?<![\w-])(?<!var\()--[a-z][a-z-]+(?![\w:-])")
COMMAND = re.compile(r"\b(?:galaxy-[a-z]+|pip install)(?: --?[\w-]+)+")
MARKDOWN_CODE = re.compile(r"```.*?```|~~~.*?~~~|`[^`\n]*`|\$\$.*?\$\$|\]\([^)\s]*\)|<!--.*?-->", re.S)


@dataclass
class Cell:
    """One cell, with what its directives and its Python say."""
    number: int
    kind: str
    source: str
    outputs: list

    @cached_property
    def directives(self):
        """Directive names to their arguments: `#| echo: false` gives {"echo": "false"}."""
        if self.kind != "code": return {}
        return {name: rest.strip() for name, rest in DIRECTIVE.findall(self.source)}

    @cached_property
    def lines(self):
        """Lines that hold something other than a directive."""
        return [line for line in self.source.splitlines() if line.strip() and not DIRECTIVE.match(line)]

    @cached_property
    def statements(self):
        """The parsed statements; none for a cell of another language."""
        python = re.sub(r"^[ \t]*[%!].*$", "", self.source, flags=re.M)
        try: return ast.parse(python).body
        except SyntaxError: return []

    @cached_property
    def definitions(self):
        """Functions and classes at the top level."""
        return [node for node in self.statements if isinstance(node, DEFINITIONS)]

    @property
    def exports(self):
        """Does it go into the package?"""
        return self.kind == "code" and bool({"export", "exporti", "exports"} & self.directives.keys())

    @property
    def teaches(self):
        """Is it code that a reader sees and that is not the package's own?"""
        if self.kind != "code" or self.exports or "hide" in self.directives: return False
        return any(not line.lstrip().startswith(("#", "show_doc(")) for line in self.lines)

    @property
    def shows(self):
        """Does a reader see a stored result under it?"""
        if not self.teaches or self.directives.get("output") == "false": return False
        return any(output["output_type"] != "error" and text_of(output, every=True).strip() for output in self.outputs)

    @cached_property
    def public(self):
        """Names that nbdev puts into `__all__`: functions, classes and assigned names without an underscore."""
        if not {"export", "exports"} & self.directives.keys(): return []
        names = [node.name for node in self.definitions if not any(map(is_patch, node.decorator_list))]
        for node in self.statements: names += assigned(node)
        return [name for name in names if not name.startswith("_")]


@dataclass
class Notebook:
    """A notebook of the tree."""
    path: Path
    root: Path
    cells: list = field(default_factory=list)

    def __post_init__(self):
        held = json.loads(self.path.read_text(encoding="utf-8"))["cells"]
        self.cells = [Cell(number, cell["cell_type"], "".join(cell["source"]), cell.get("outputs", []))
                      for number, cell in enumerate(held, start=1)]

    @property
    def name(self):
        """Its path, from the root of the tree where it is in there."""
        return self.path.relative_to(self.root).as_posix() if self.path.is_relative_to(self.root) else str(self.path)

    @property
    def measured(self):
        """Does it count for the measures of export cells?"""
        return not set(UNMEASURED) & set(self.path.parent.parts[len(self.root.parts):])

    def sections(self):
        """Itself, each export cell that defines something, and the cells up to the next of its kind."""
        starts = [index for index, cell in enumerate(self.cells) if cell.exports and cell.definitions]
        return [(self, self.cells[start], self.cells[start + 1:end]) for start, end in pairwise([*starts, None])]


def assigned(node):
    """The names that a statement assigns, as in `A = 1`, `A, B = 1, 2` or `A:int = 1`."""
    if isinstance(node, ast.Assign): targets = node.targets
    elif isinstance(node, ast.AnnAssign): targets = [node.target]
    else: return []
    leaves = [leaf for target in targets for leaf in getattr(target, "elts", [target])]
    return [leaf.id for leaf in leaves if isinstance(leaf, ast.Name)]


def is_patch(decorator):
    """Is this fastcore's `@patch`, which adds a method to a class?"""
    return ast.unparse(decorator).split("(")[0].split(".")[-1] in ("patch", "patch_to")


def text_of(output, every=False):
    """The text of a stored output, without embedded pictures unless `every` kind is wanted."""
    held = [content for kind, content in output.get("data", {}).items() if every or kind.startswith("text/")]
    parts = [output.get("text", ""), *held]
    text = "".join(part if isinstance(part, str) else "".join(map(str, part)) for part in parts)
    return EMBEDDED.sub("(embedded)", text)


def find_notebooks(root, paths):
    """The notebooks under `nbs/` that nbdev reads, or the given ones."""
    found = [Path(path).resolve() for path in paths] or sorted((root/"nbs").rglob("*.ipynb"))
    return [Notebook(path, root) for path in found
            if not any(part.startswith(("_", ".")) for part in path.parts[len(root.parts):])]


def sections_of(notebooks):
    """The sections of all notebooks whose export cells are measured."""
    return [section for notebook in notebooks if notebook.measured for section in notebook.sections()]


def known_commits(root):
    """Each commit that a result file names."""
    text = "".join(path.read_text(encoding="utf-8") for path in (root/"results").glob("*.json"))
    return set(re.findall(r'\b[0-9a-f]{7,40}\b', text))


def check_heading(notebook):
    """The first cell holds the title and the subtitle, and nothing else: nbdev drops what follows them there."""
    if notebook.path.name == "index.ipynb": return
    cells = [cell for cell in notebook.cells if not (cell.directives.keys() == {"default_exp"} and not cell.lines)]
    first = cells[0] if cells else Cell(1, "code", "", [])
    if first.kind != "markdown" or not re.fullmatch(r"# [^\n]+\n\s*\n> [^\n]+\s*", first.source):
        yield first, "the first cell must hold `# Title`, an empty line, `> subtitle`, and nothing else."


def check_start(notebook):
    """The tour and the tutorials open on Colab, and get the package where it is missing."""
    if notebook.name != "nbs/00_tour.ipynb" and notebook.path.parent.name != "tutorials": return
    address = f"https://colab.research.google.com/github/galaxy-classifier/galaxy_classifier/blob/main/{notebook.name}"
    texts = [cell for cell in notebook.cells[1:] if cell.kind == "markdown"]
    if not texts or f"]({address})" not in texts[0].source: yield notebook.cells[0], f"no badge follows to {address}."
    code = [cell for cell in notebook.cells if cell.kind == "code" and cell.lines]
    if not code or not code[0].source.rstrip().endswith("\ninstall_if_missing()"):
        yield notebook.cells[0], "the first code must be `install_if_missing`, as in nbs/00_tour.ipynb."


def check_export(cell):
    """An export cell is short, and what it makes public is documented."""
    if cell.definitions and len(cell.lines) > MOST_LINES:
        yield f"exports {len(cell.lines)} lines; at most {MOST_LINES}: divide it."
    for node in cell.definitions:
        private = node.name.startswith("_") or "exporti" in cell.directives
        if not private and not ast.get_docstring(node): yield f"public name {node.name} has no docstring."


def check_messages(cell):
    """What an export cell says to a person names parameters, which a command shows as its options."""
    for node in ast.walk(ast.Module(cell.statements, [])):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if " " not in text.strip() or text in map(ast.get_docstring, cell.definitions): continue
        for found in OPTION.finditer(COMMAND.sub(" ", text)):
            yield f"“{found[0]}” in a message: write `{found[0][2:].replace('-', '_')}`."


def check_outputs(cell, commits):
    """Stored outputs hold no error, no path, no warning and no commit that is in no result file."""
    for output in cell.outputs:
        if output["output_type"] == "error": yield f"a stored error, {output.get('ename')}: run the cell again."
        text = text_of(output)
        for found in COMMITS.finditer(text):
            name = found[1] or found[0]
            if not any(known.startswith(name) or name.startswith(known) for known in commits):
                yield f"its output names commit {name}, which no file of results/ holds: run the cell again."
        for what, pattern in STORED.items():
            found = pattern.search(text)
            if found: yield f"its output holds {what}, {found[0]}."


def check_words(cell):
    """Text uses the words that a reader would search for."""
    text = MARKDOWN_CODE.sub(" ", cell.source)
    for pattern, better in WORDS.items():
        for found in re.finditer(pattern, text, re.I): yield f"“{found[0]}”: write {better}."


def check_cell(cell, commits):
    """All that can be wrong with one cell alone."""
    if cell.kind == "markdown": yield from check_words(cell)
    if cell.kind != "code": return
    if cell.directives.get("eval") == "false":
        yield "`eval: false`: a cell that never runs goes stale; make it run, or text."
    if cell.exports: yield from (*check_export(cell), *check_messages(cell))
    yield from check_outputs(cell, commits)


def check_notebook(notebook, commits):
    """Messages about one notebook."""
    for cell, message in (*check_heading(notebook), *check_start(notebook)):
        yield f"{notebook.name} cell {cell.number}: {message}"
    for cell in notebook.cells:
        for message in dict.fromkeys(check_cell(cell, commits)): yield f"{notebook.name} cell {cell.number}: {message}"


def complex_functions(root):
    """Functions whose McCabe complexity is above the limit, by ruff."""
    package = root/"galaxy_classifier"
    if not package.is_dir(): return 0
    ruff = Path(sys.executable).parent/"ruff"
    limit = f"lint.mccabe.max-complexity={COMPLEXITY}"
    words = ["check", "--isolated", "--no-cache", "--select=C901", "--config", limit, "--output-format=json"]
    done = subprocess.run([str(ruff), *words, str(package)], capture_output=True, text=True)
    if done.returncode > 1: raise SystemExit(f"ruff failed: {done.stderr.strip()}")
    return len(json.loads(done.stdout))


def parameters(function):
    """How many parameters a function has."""
    held = function.args
    return len([*held.posonlyargs, *held.args, *held.kwonlyargs, *filter(None, (held.vararg, held.kwarg))])


def share(sections, good):
    """Share of the export cells that a cell follows, before the next of them, of which `good` is true."""
    followed = [any(map(good, after)) for *_, after in sections]
    return round(sum(followed)/len(followed), 3) if followed else 1.


def percentile(values, percent):
    """The value below which `percent` of all values lie."""
    return sorted(values)[min(len(values) - 1, len(values)*percent//100)] if values else 0


def teaches(cell):
    """See `Cell.teaches`."""
    return cell.teaches


def shows(cell):
    """See `Cell.shows`."""
    return cell.shows


def measure(notebooks, root):
    """The measures of the table, by their names."""
    sections = sections_of(notebooks)
    exported = [cell for _, cell, _ in sections]
    lines = [len(cell.lines) for cell in exported]
    characters = [len("\n".join(cell.lines)) for cell in exported]
    definitions = [len(cell.definitions) for cell in exported]
    cells = [cell for notebook in notebooks for cell in notebook.cells]
    code = [line for cell in cells if cell.kind == "code" for line in cell.source.splitlines()]
    functions = [node for cell in cells for node in cell.definitions
                 if node.name in cell.public and not isinstance(node, ast.ClassDef)]
    counts = [parameters(node) for node in functions]
    return {
        "notebooks": len(notebooks),
        "export cells": len(exported),
        "lines of an export cell, median": statistics.median(lines or [0]),
        "lines of an export cell, p90": percentile(lines, 90),
        "lines of an export cell, most": max(lines, default=0),
        "characters of an export cell, median": statistics.median(characters or [0]),
        "characters of an export cell, p90": percentile(characters, 90),
        "characters of an export cell, most": max(characters, default=0),
        "definitions in an export cell, mean": round(statistics.fmean(definitions or [0]), 2),
        "share followed by a lesson cell": share(sections, teaches),
        "share followed by a visible result": share(sections, shows),
        f"code lines above {WIDTH} characters": sum(len(line) > WIDTH for line in code),
        "public names": sum(len(cell.public) for cell in cells),
        f"functions with McCabe above {COMPLEXITY}": complex_functions(root),
        "parameters of a public function, mean": round(statistics.fmean(counts or [0]), 2),
    }


def check_measures(measures, notebooks):
    """Messages about the measures that the whole course has to reach."""
    median = measures["lines of an export cell, median"]
    if median > MEDIAN_LINES: yield f"an export cell has {median:g} lines in the median; at most {MEDIAN_LINES}."
    for name, least, good in (("a lesson cell", WITH_LESSON, teaches), ("a visible result", WITH_RESULT, shows)):
        found = measures[f"share followed by {name}"]
        if found >= least: continue
        missing = [f"{notebook.name} cell {cell.number}" for notebook, cell, after in sections_of(notebooks)
                   if not any(map(good, after))]
        yield f"{found:.0%} of the export cells are followed by {name} before the next; at least {least:.0%}."
        yield f"  without {name}: {', '.join(missing)}"


def main():
    """Print the table of measures and each thing that is wrong; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", help="notebooks; default all under nbs/")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1], help="the tree to look at")
    parser.add_argument("--json", action="store_true", help="print measures and messages as JSON")
    words = parser.parse_args()
    root = words.root.resolve()
    notebooks = find_notebooks(root, words.paths)
    if not notebooks: raise SystemExit(f"no notebooks under {root/'nbs'}: give a tree with --root.")
    measures, commits = measure(notebooks, root), known_commits(root)
    wrong = [message for notebook in notebooks for message in check_notebook(notebook, commits)]
    wrong += check_measures(measures, notebooks)
    if words.json: print(json.dumps({"measures": measures, "wrong": wrong}, indent=1, ensure_ascii=False))
    else:
        for name, value in measures.items():
            print(f"{name:42} {f'{value:.0%}' if name.startswith('share') else value:>8}")
        for message in wrong: print(message)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
