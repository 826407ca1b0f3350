"""Formulas as MathML, which browsers draw by themselves: nothing is fetched, and nothing needs JavaScript."""

from docutils import nodes
from latex2mathml.converter import convert


def inline(translator, node):
    """A formula in a line."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(translator, node):
    """A formula by itself."""
    translator.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return dict(parallel_read_safe=True, parallel_write_safe=True)
