"""Every public name with what it does, where it is explained, and where its source is."""
import ast
import re
from configparser import ConfigParser

from rooms import room_of


def first_line(node):
    """The docstring of a function or class."""
    return (ast.get_docstring(node) or "").splitlines()[0] if ast.get_docstring(node) else ""


def signature_of(node):
    """Parameters as they are written."""
    if isinstance(node, ast.ClassDef):
        node = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
        if node is None: return ""
    names = [argument.arg for argument in node.args.args if argument.arg != "self"] + ([f"*{node.args.vararg.arg}"] if node.args.vararg else []) + ([f"**{node.args.kwarg.arg}"] if node.args.kwarg else [])
    return f"`({', '.join(names)})`" if names else ""


def api_page(root):
    """Markdown with a table for each room."""
    parser = ConfigParser(delimiters=["="])
    parser.read(root/"settings.ini", encoding="utf-8")
    settings = parser["DEFAULT"]
    parts = ["# API\n\nEvery public name, room by room. The name leads to its notebook, where it is explained and tried; *source* to the code.\n"]
    modules = sorted((path for path in (root/"galaxy_classifier").glob("*.py") if room_of(path)), key=room_of)
    for path in modules:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        public = next((ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"), [])
        nodes = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in public]
        if not nodes: continue
        notebook = room_of(path)
        parts.append(f"\n## {path.stem}\n\n{ast.get_docstring(tree) or ''}\n\n| Name | What it does | |\n|---|---|---|")
        for node in nodes:
            text = re.sub(r"([|*_<])", r"\\\1", first_line(node))
            parts.append(f"| [`{node.name}`]({notebook}.ipynb){signature_of(node)} | {text} | [source]({settings['git_url']}/blob/{settings['branch']}/galaxy_classifier/{path.name}#L{node.lineno}) |")
    return "\n".join(parts) + "\n"
