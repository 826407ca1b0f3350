"""The API reference: a page for each chapter, written from the package's signatures, docments and docstrings."""
import ast
import io
import re
import tokenize
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from structure import notebook_of, public_names

FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef
EXPORT = re.compile(r"^#\|\s*exports?\b", re.M)
HEADING = re.compile(r"^#{2,4} (.+)$", re.M)
SHOWN = re.compile(r"^### ([\w.\\]+)", re.M) # a signature on a page


@dataclass
class Module:
    """A module file of the package."""
    path: Path
    package: Path

    @cached_property
    def text(self):
        """Its source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self):
        """Its source, parsed."""
        return ast.parse(self.text)

    @cached_property
    def comments(self):
        """What is remarked at the end of each line."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}

    @property
    def place(self):
        """Its path within the package, without suffix."""
        return self.path.relative_to(self.package).with_suffix("").as_posix()

    @property
    def name(self):
        """As it is imported, without the package."""
        return self.place.replace("/", ".")

    @property
    def chapter(self):
        """The first part of its name."""
        return self.name.split(".")[0]

    @cached_property
    def entries(self):
        """Public functions and classes."""
        public = set(public_names(self.path))
        return [node for node in self.tree.body if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name in public]

    def patches(self, name):
        """Methods that fastcore's `@patch` adds to a class."""
        for node in self.tree.body:
            if not isinstance(node, FUNCTIONS) or not node.args.args: continue
            patched = any("patch" in ast.unparse(decorator) for decorator in node.decorator_list)
            kind = node.args.args[0].annotation
            if patched and kind is not None and ast.unparse(kind) == name: yield node


def first_line(node):
    """The first line of the docstring of a function or class."""
    text = ast.get_docstring(node)
    return text.splitlines()[0] if text else ""


def plain(text):
    """Text that Markdown leaves as it is, in a table too; what stands between backticks stays code."""
    parts = text.split("`")
    shown = [part.replace("|", "\\|") if number % 2 else re.sub(r"([|*_<\[\]$])", r"\\\1", part)
             for number, part in enumerate(parts)]
    return "`".join(shown) if len(parts) % 2 else re.sub(r"([|*_<`\[\]$])", r"\\\1", text)


def code(text):
    """A cell of a table that holds code."""
    return "`" + " ".join(text.split()).replace("|", "\\|") + "`" if text else ""


def source_of(node):
    """A part of the program as text; empty where there is none."""
    return ast.unparse(node) if node is not None else ""


def parameters_of(function, module):
    """Name, type, default and remark of each parameter of a function."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [None]*(len(positional) - len(given.defaults)) + given.defaults
    pairs = list(zip(positional, defaults, strict=True))
    if given.vararg: pairs.append((given.vararg, None))
    pairs += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    if given.kwarg: pairs.append((given.kwarg, None))
    stars = {id(given.vararg): "*", id(given.kwarg): "**"}
    for argument, default in pairs:
        if argument.arg in ("self", "cls"): continue
        end = (default or argument).end_lineno
        yield stars.get(id(argument), "") + argument.arg, source_of(argument.annotation), source_of(default), \
            module.comments.get(end, "")


def fields_of(kind, module):
    """Name, type, default and remark of each field of a dataclass."""
    for node in kind.body:
        if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_"):
            yield node.target.id, source_of(node.annotation), source_of(node.value), \
                module.comments.get(node.end_lineno, "")


def constructor_of(kind):
    """The function that makes an object of a class; None for a dataclass and for a class that takes nothing."""
    return next((node for node in kind.body if isinstance(node, FUNCTIONS) and node.name == "__init__"), None)


def rows_of(node, module):
    """Parameters of a function or of what makes an object."""
    if isinstance(node, FUNCTIONS): return list(parameters_of(node, module))
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return list(fields_of(node, module))
    made = constructor_of(node)
    return list(parameters_of(made, module)) if made else []


def signature_of(node, rows):
    """A call as a reader would write it, a parameter a line where one line would be too long."""
    words = [name + (f": {kind}" if kind else "") + (f" = {default}" if default else "")
             for name, kind, default, _ in rows]
    returns = f" -> {source_of(node.returns)}" if isinstance(node, FUNCTIONS) and node.returns else ""
    line = f"{node.name}({', '.join(words)}){returns}"
    if len(line) <= 88: return line
    return f"{node.name}(\n" + "".join(f"    {word},\n" for word in words) + f"){returns}"


def methods_of(node, module):
    """A table of the public methods of a class."""
    own = [part for part in node.body if isinstance(part, FUNCTIONS)]
    found = [part for part in [*own, *module.patches(node.name)] if not part.name.startswith("_") and first_line(part)]
    if not found: return []
    rows = [f"| {code(part.name)} | {plain(first_line(part))} |" for part in found]
    return ["| Method | What it does |\n|---|---|", *rows, ""]


def entry(node, module, lesson, url):
    """Markdown of one public name."""
    rows = rows_of(node, module)
    parts = [f"### {node.name}\n", f"```python\n{signature_of(node, rows)}\n```\n", f"{plain(first_line(node))}\n"]
    if any(text for *_, text in rows):
        parts.append("| Parameter | Type | Default | Meaning |\n|---|---|---|---|")
        parts += [f"| {code(name)} | {code(kind)} | {code(default)} | {plain(text)} |"
                  for name, kind, default, text in rows]
        parts.append("")
    returned = module.comments.get(node.returns.end_lineno, "") if getattr(node, "returns", None) else ""
    if returned: parts.append(f"Returns {code(source_of(node.returns))}: {plain(returned)}\n")
    if isinstance(node, ast.ClassDef): parts += methods_of(node, module)
    parts.append(f"Lesson: {lesson} · [source]({url}#L{node.lineno})\n")
    return "\n".join(parts)


def lesson_link(name, page, title, shown):
    """A link to where a page shows a name; Sphinx cannot check it, benchmarks/pages.py does."""
    if name not in shown: return f'<a href="{page}.html">{title}</a>'
    return f'<a href="{page}.html#{name.lower()}">{title} › {shown[name]}</a>'


def lessons_in(notebook):
    """The heading above each name whose signature a page shows."""
    heading, found = "", {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = (HEADING.findall(cell.source) or [heading])[-1]
        for output in cell.get("outputs", []):
            for name in SHOWN.findall(output.get("data", {}).get("text/markdown", "")):
                found.setdefault(name.replace("\\", ""), re.sub(r"[`*$\\<>]", "", heading))
    return found


def all_lessons(source):
    """Where the pages in a folder show each name, by page."""
    return {path.stem: lessons_in(nbformat.read(path, as_version=4)) for path in source.glob("*.ipynb")}


def write_api(root, source, titles):
    """Write api.md and a page for each chapter into the folder of pages."""
    parser = ConfigParser(delimiters=["="])
    parser.read(root/"settings.ini", encoding="utf-8")
    address = f"{parser['DEFAULT']['git_url']}/blob/{parser['DEFAULT']['branch']}/galaxy_classifier"
    package, shown = root/"galaxy_classifier", all_lessons(source)
    modules = [Module(path, package) for path in package.rglob("*.py") if notebook_of(path)]
    modules = [module for module in sorted(modules, key=lambda module: notebook_of(module.path)) if module.entries]
    chapters = list(dict.fromkeys(module.chapter for module in modules))
    contents = ["# API\n\nEvery public name by chapter, with its parameters and the lesson that shows it. "
                "These pages are written from the code when the site is built.\n"]
    for chapter in chapters:
        parts = [module for module in modules if module.chapter == chapter]
        page = [f"# {chapter}\n\n*The API of this chapter*\n"]
        for module in parts:
            book = notebook_of(module.path)
            titled, there = titles[book][0], shown[book]
            link = f"{address}/{module.place}.py"
            page.append(f"## {module.name}\n\n{titles[book][1]}: [{titled}]({book}.ipynb).\n")
            page += [entry(node, module, lesson_link(node.name, book, titled, there), link) for node in module.entries]
            names = ", ".join(f'<a href="api_{chapter}.html#{node.name.lower().replace("_", "-")}">{node.name}</a>'
                              for node in module.entries)
            contents.append(f"**[{module.name}](api_{chapter}.md)**: {names}\n")
        (source/f"api_{chapter}.md").write_text("\n".join(page), encoding="utf-8")
    tree = "\n".join(f"api_{chapter}" for chapter in chapters)
    contents.append(f"```{{toctree}}\n:hidden:\n\n{tree}\n```\n")
    (source/"api.md").write_text("\n".join(contents), encoding="utf-8")
