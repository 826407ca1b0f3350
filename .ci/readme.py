"""Write README.md from nbs/index.ipynb: its text, its visible cells and their stored output."""
import re
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parents[1]


def visible(cell):
    """The cell as the README shows it, or None when it is hidden."""
    source = cell.source
    directives = [line for line in source.splitlines() if line.startswith("#|")]
    if any("hide" in line.split() or "default_exp" in line for line in directives): return None
    cell.source = "\n".join(line for line in source.splitlines() if not line.startswith("#|")).strip()
    if "#| echo: false" in directives: cell.source = ""
    for output in cell.get("outputs", []):
        # Markdown reads better in the README than HTML or plain text, and GitHub cuts styles out of HTML.
        kind = next((kind for kind in ("text/markdown", "text/plain") if kind in output.get("data", {})), None)
        if kind and "image/png" not in output.data: output.data = {kind: output.data[kind]}
    cell.outputs = joined(cell.get("outputs", [])) if cell.cell_type == "code" else []
    return cell


def joined(outputs):
    """Outputs, with what was printed in one piece and without empty lines."""
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    text = "".join(line for line in printed.splitlines(keepends=True) if line.strip())
    stream = [nbformat.v4.new_output("stream", name="stdout", text=text)] if text else []
    return stream + [output for output in outputs if output.output_type != "stream"]


def main():
    """Convert the notebook and write README.md at the top level."""
    notebook = nbformat.read(ROOT/"nbs"/"index.ipynb", as_version=4)
    notebook.cells = [cell for cell in map(visible, notebook.cells) if cell is not None]
    notebook.metadata["language_info"] = {"name": "python"} # of the fences
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    text = re.sub(r"```\w*\n\s*```\n", "", text) # what is left of a cell whose source is hidden
    text = text.replace("](images/", "](nbs/images/").replace('src="images/', 'src="nbs/images/')
    text = re.sub(r"\]\((?!https?:)([\w/.]+\.ipynb)", r"](nbs/\1", text)
    while "\n\n\n" in text: text = text.replace("\n\n\n", "\n\n")
    (ROOT/"README.md").write_text(text.strip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
