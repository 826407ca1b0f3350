"""Every public name with what it does, where it is explained, and where its source is."""
import ast
import re
from configparser import ConfigParser

from structure import notebook_of, public_names


def first_line(node):
    """The first line of the docstring of a function or class."""
    text = ast.get_docstring(node)
    return text.splitlines()[0] if text else ""


def signature_of(node):
    """Parameters as they are written."""
    if isinstance(node, ast.ClassDef):
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        if "__init__" not in methods: return ""
        node = methods["__init__"]
    given = node.args
    names = [argument.arg for argument in given.posonlyargs + given.args if argument.arg != "self"]
    names += [f"*{given.vararg.arg}"] if given.vararg else []
    names += [argument.arg for argument in given.kwonlyargs] + ([f"**{given.kwarg.arg}"] if given.kwarg else [])
    return f"`({', '.join(names)})`" if names else ""


def api_row(node, notebook, source):
    """A line of the table: name with its parameters, what it does, its source."""
    text = re.sub(r"([|*_<])", r"\\\1", first_line(node))
    return f"| [`{node.name}`]({notebook}.ipynb){signature_of(node)} | {text} | [source]({source}#L{node.lineno}) |"


def api_page(root):
    """Markdown with a table for each module."""
    parser = ConfigParser(delimiters=["="])
    parser.read(root/"settings.ini", encoding="utf-8")
    settings = parser["DEFAULT"]
    parts = ["# API\n\nEvery public name, module by module. The name leads to its notebook, where it is explained and "
             "tried; *source* to the code.\n"]
    modules = [path for path in (root/"galaxy_classifier").rglob("*.py") if notebook_of(path)]
    for path in sorted(modules, key=notebook_of):
        tree, public = ast.parse(path.read_text(encoding="utf-8")), public_names(path)
        nodes = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        nodes = [node for node in nodes if node.name in public]
        if not nodes: continue
        name = path.relative_to(root/"galaxy_classifier").with_suffix("").as_posix()
        source = f"{settings['git_url']}/blob/{settings['branch']}/galaxy_classifier/{name}.py"
        parts.append(f"\n## {name.replace('/', '.')}\n\n{ast.get_docstring(tree) or ''}\n")
        parts.append("| Name | What it does | |\n|---|---|---|")
        parts += [api_row(node, notebook_of(path), source) for node in nodes]
    return "\n".join(parts) + "\n"
