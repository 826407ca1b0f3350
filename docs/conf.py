"""Sphinx: everything that is not in settings.ini."""

import re
import sys
from configparser import ConfigParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for formulas.py
parser = ConfigParser(delimiters=["="])
parser.read(Path(__file__).resolve().parents[2] / "settings.ini", encoding="utf-8")
settings = parser["DEFAULT"]

project, author, release = settings["title"], settings["author"], settings["version"]
copyright = settings["copyright"]
extensions = ["myst_nb", "sphinx_copybutton", "formulas"]
html_math_renderer = "mathml"
nb_execution_mode = "off"  # notebooks keep the output that they were committed with; the tests run them
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the solution", "Hide the solution"  # nothing else is folded
nb_render_markdown_format = "myst"  # so that the source links of nbdev get their attributes
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "attrs_inline"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]
html_theme = "pydata_sphinx_theme"
html_title, html_static_path = project, ["style.css", "access.js"]
html_css_files, html_js_files = ["style.css"], ["access.js"]
html_favicon = "favicon.svg"
html_show_sourcelink, html_copy_source = False, False
html_theme_options = dict(
    github_url=settings["git_url"],
    navbar_align="left",
    show_toc_level=2,
    navigation_with_keys=True,
    show_prev_next=True,
    footer_start=["copyright"],
    footer_end=["theme-version"],
    secondary_sidebar_items=["page-toc"],
)
html_context = dict(default_mode="auto")
ALONE = "index using installation measurements structure glossary limits contributing changelog search genindex".split()
html_sidebars = dict.fromkeys(ALONE, [])  # pages without pages below them
html_use_index = False  # the API page is the index


def correct(app, page, template, context, tree):
    """An empty cell is no heading of a table, as readers of the screen would announce it; and a word of code that is
    longer than the screen of a telephone, such as an address, may be broken."""
    if "body" in context:
        body = re.sub(r"<th([^>]*)>(?:\s|<p></p>|&nbsp;)*</th>", r"<td\1></td>", context["body"])
        context["body"] = re.sub(r'<span class="pre">([^<]{34,})</span>', r'<span class="pre long">\1</span>', body)


def setup(app):
    """Called by Sphinx."""
    app.connect("html-page-context", correct)
