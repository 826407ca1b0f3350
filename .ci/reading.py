"""Check what a reader meets: cells that show nothing, images without words, broken links, words to leave out.

python .ci/reading.py             # this tree; exits with 1 when something is new
python .ci/reading.py --lower     # lower the ceilings to what is found now; they never rise by this
python .ci/reading.py --all       # list what the ceilings let pass, too

What was there before is let pass up to a ceiling for each file, in `.ci/reading.json`. Cells are counted from 1.
"""
import argparse
import io
import json
import re
import sys
import tokenize
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cells import MARKDOWN_CODE, find_notebooks, text_of

ROOT = Path(__file__).resolve().parents[1]
TEXTS = "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "results/README.md", "docs/*.md", "docs/pages/*.md"
SITE = "https://github.com/galaxy-classifier/galaxy_classifier/blob/main/"
GENERATED = {"images/structure.svg", "contributing.md", "changelog.md", "api.md"} # docs/build.py makes them
SILENT, DRAWN, WORD = "shows nothing", "output without alternative text", "word"
# Word → its pattern, and what to write. Not here, since no pattern can tell them from their good uses: "figure" for a
# metric, "together" and "side by side" for all_reduce, "seeing" for explanations (in astronomy it is the PSF's).
WORDS = {
    "go on": (r"\b(?:go|goes|going|went|gone) on\b", "resume"),
    "turn": (r"\bturn(?:s|ed|ing)?\b", "rotate, rotation"),
    "mirror image": (r"\bmirror images?\b|\bmirrored\b", "reflection, reflected"),
    "picture": (r"\bpictures?\b", "image, or figure"),
    "answer": (r"\banswer(?:s|ed|ing)?\b", "prediction, class"),
    "alike": (r"\balike\b|\blikeness(?:es)?\b", "similar, embedding"),
    "that are none": (r"\bnumbers? that (?:are|is) none\b", "NaN or infinite"),
    "room": (r"\brooms?\b", "module, chapter"),
    "short way": (r"\bshort ways?\b", "fused layer, fast path"),
    "the least": (r"\bthe (?:least|greatest)\b", "minimum, maximum; minimum filter, maximum filter"),
    "familiarity": (r"\b(?:familiarity|strangeness)\b", "novelty, out of distribution"),
    "factors that make numbers": (r"\bfactors that make numbers\b", "kernel, basis, coefficient"),
}
# Uses of these words that are no fault, with the reason.
GOOD = {
    r"\bquarter[- ]turns?\b": "the name of a rotation by 90°",
    r"\b(?:half|full|whole)[- ]turns?\b": "the name of a rotation by 180° or 360°",
    r"\bin turn\b|\bby turns\b|\btakes? turns\b|\b(?:its|their|whose|one's) turn\b": "an order, no rotation",
    r"\bturn(?:s|ed|ing)? (?:it |them )?(?:on|off|into|out|up|back|down)\b": "becoming or switching, no rotation",
    r"\bturn(?:s|ed|ing)? [^.;:]{1,50}? into\b": "becoming, no rotation",
    r"\b(?:leaves?|more|most|enough|much|no|makes?|have|has) rooms?\b|\brooms? for\b": "space, no module",
    r"\bvolunteers?'? answer(?:s|ed)?\b|\banswers? (?:of|by|from) (?:the )?(?:volunteers|people)\b":
        "what people said to a question of Galaxy Zoo",
    r"\banswer(?:s|ed|ing)? (?:a|the|one|each|every|this|that|such|its|their|two|both|to) (?:\w+ )?questions?\b":
        "to a question that is asked in the text",
    r"\b(?:servers?|server's|host|machine|registry|service|disk)(?: \w+)? answer(?:s|ed|ing)?\b": "what a server sends",
}
QUOTED = re.compile(r"“[^”]*”|‘[^’]*’|(?<!\w)\"[^\"\n]*\"(?!\w)")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
TAG = re.compile(r"<img\b[^>]*>", re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*(?:\[[^\]]*\])?[^\]]*\]\(([^)\s]+)[^)]*\)")
FENCED = re.compile(r"```.*?```|~~~.*?~~~|`[^`\n]*`", re.S)


def prose_of(cell):
    """What a cell says to a person: Markdown without code, or a program's comments and strings."""
    if cell.kind != "code": return MARKDOWN_CODE.sub(" ", cell.source)
    source = re.sub(r"^[ \t]*[%!].*$", "", cell.source, flags=re.M)
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    try: tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError): return ""
    said = [token.string.strip("\"'") for token in tokens if token.type in kinds and " " in token.string]
    return "\n".join(re.sub(r"`[^`\n]*`|\{[^{}\n]*\}", " ", text) for text in said)


def left_out(text):
    """Each word of the left-out list in a text, outside of quotations and good uses: its name and itself."""
    for pattern in (QUOTED, *map(re.compile, GOOD)): text = re.sub(pattern.pattern, " ", text, flags=re.I)
    for name, (pattern, _) in WORDS.items():
        for found in re.finditer(pattern, text, re.I): yield name, found[0]


def only_imports(cell):
    """Does a cell only import, as one cell of each notebook does?"""
    return cell.statements and all(type(node).__name__ in ("Import", "ImportFrom") for node in cell.statements)


def slug(heading):
    """The anchor of a heading, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\]\([^)]*\)", "", heading).strip().lower()).replace(" ", "-")


@cache
def anchors(path):
    """The anchors in a notebook or Markdown file: headings, and names that it exports."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    names = re.findall(r"^(?:class|def) (\w+)", text, re.M)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)} | {name.lower() for name in names}


def broken(link, file, root):
    """Why a link of a file leads nowhere; None for one that is good, or leads elsewhere."""
    link = link.strip("<>")
    if link.startswith(SITE): file, link = root/"README.md", link.removeprefix(SITE)
    parts = urlsplit(link)
    if parts.scheme or parts.netloc: return None
    folders = [file.parent, root/"nbs"] if file.parent == root/"docs"/"pages" else [file.parent]
    name = unquote(parts.path)
    if name in GENERATED: return None
    names = [name, re.sub(r"\.html$", ".ipynb", name)]
    targets = [folder/one for folder in folders for one in names] if name else [file]
    target = next((path for path in targets if path.exists()), None)
    if target is None: return f"the link {link} leads nowhere"
    wanted = unquote(parts.fragment)
    if not wanted or target.suffix not in (".ipynb", ".md"): return None
    return None if wanted in anchors(target) else f"{target.name} has no place #{wanted}"


def check_markup(text, file, root):
    """Images without alternative text and broken links of a Markdown text."""
    text = FENCED.sub(" ", text)
    for alternative, source in IMAGE.findall(text):
        if not alternative.strip(): yield f"the image {source} has no alternative text"
        if broken(source, file, root): yield f"the image {source} is missing"
    yield from tags_without_words(text)
    for link in LINK.findall(text):
        wrong = broken(link, file, root)
        if wrong: yield wrong


def tags_without_words(html):
    """Images of HTML without alternative text."""
    for tag in TAG.findall(html):
        if not re.search(r"\balt\s*=\s*(\"[^\"]*\S[^\"]*\"|'[^']*\S[^']*'|[^\s\"'>]+)", tag):
            yield f"an image has no alternative text: {tag[:60]}"


def check_notebook(notebook, root):
    """What is wrong with a notebook: kind, cell and message; the kind None has no ceiling."""
    shown = notebook.measured or "tutorials" in notebook.path.parts
    for cell in notebook.cells:
        place = f"cell {cell.number}"
        for name, word in left_out(prose_of(cell)):
            yield f"{WORD} {name}", place, f"“{word}”: write {WORDS[name][1]}"
        if cell.kind == "markdown":
            for message in check_markup(cell.source, notebook.path, root): yield None, place, message
        for output in cell.outputs:
            for message in tags_without_words(text_of(output)): yield DRAWN, place, f"in its output, {message}"
        silent = cell.teaches and not cell.shows and not only_imports(cell)
        if shown and silent and cell.directives.get("echo") != "false":
            yield SILENT, place, "visible code that shows nothing: end it with something to see, or hide it"


def check_text(path, root):
    """What is wrong with a Markdown file, by lines."""
    text = path.read_text(encoding="utf-8")
    blank = MARKDOWN_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for number, line in enumerate(blank.splitlines(), start=1):
        for name, word in left_out(line): yield f"{WORD} {name}", f"line {number}", f"“{word}”: write {WORDS[name][1]}"
    for message in check_markup(text, path, root): yield None, "(somewhere)", message


def look(root):
    """All findings: kind, file, place, message."""
    for notebook in find_notebooks(root, []):
        for kind, place, message in check_notebook(notebook, root): yield kind, notebook.name, place, message
    for path in sorted(path for pattern in TEXTS for path in root.glob(pattern)):
        if path.name == "quiz.md": continue # it asks questions, and answers them
        for kind, place, message in check_text(path, root):
            yield kind, path.relative_to(root).as_posix(), place, message


def above(counts, ceilings):
    """Kinds and files with more findings than their ceiling."""
    return {key for key, count in counts.items() if count > ceilings.get(key[0], {}).get(key[1], 0)}


def lowered(counts, ceilings):
    """The ceilings at what is found now, none higher than before."""
    found = defaultdict(dict)
    for kind, files in ceilings.items():
        for file, most in files.items():
            if counts[kind, file]: found[kind][file] = min(most, counts[kind, file])
    return {kind: dict(sorted(files.items())) for kind, files in sorted(found.items())}


def main():
    """Print what is new; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to look at")
    parser.add_argument("--lower", action="store_true", help="lower the ceilings to what is found")
    parser.add_argument("--all", action="store_true", help="list what the ceilings let pass, too")
    words = parser.parse_args()
    held = Path(__file__).with_suffix(".json")
    ceilings = json.loads(held.read_text(encoding="utf-8"))
    found = list(look(words.root.resolve()))
    counts = Counter((kind, file) for kind, file, *_ in found if kind)
    over = above(counts, ceilings)
    wrong = [one for one in found if one[0] is None or one[:2] in over]
    for kind, file, place, message in (found if words.all else wrong):
        most = f" (at most {ceilings.get(kind, {}).get(file, 0)} of these here)" if kind else ""
        print(f"{file} {place}: {message}{most}")
    if words.lower: held.write_text(json.dumps(lowered(counts, ceilings), indent=1) + "\n", encoding="utf-8")
    sums = Counter(kind for kind, _ in counts.elements())
    print("\n".join(f"{kind:32} {count:>4} of {sum(ceilings.get(kind, {}).values())}" for kind, count in sums.items()))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
