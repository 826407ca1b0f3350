"""Do the scripts and commands of the README, and the commands of the page "Using it", work in their order?

python benchmarks/quickstart.py

Only the size is made small: a few simulated galaxies in the layout of the published file take the place of the
download, and training is short. `make test` runs this. Exits with 1 when a script or command fails, or does not write
what the next one needs.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pandas as pd
from data import make_file
from PIL import Image
from server import BIN, SMALL

from galaxy_classifier.data.simulation import simulate_galaxy

ROOT = Path(__file__).resolve().parents[1]
SMALLER = {"galaxy-demo": ["--count", "60", "--epochs", "1", "--size", "33"], "galaxy-train": ["--epochs", "2", *SMALL]}


def commands_of(text):
    """Lines of all blocks of shell commands, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    return [words for block in blocks for line in block.splitlines() if (words := shlex.split(line, comments=True))]


def commands_in(name):
    """Those of a notebook."""
    notebook = nbformat.read(ROOT / "nbs" / name, as_version=4)
    return commands_of("\n".join(cell.source for cell in notebook.cells))


def scripts_of(text):
    """The blocks of Python, each a script by itself."""
    return re.findall(r"^```python\n(import galaxy_classifier.*?)^```$", text, re.M | re.S)


def in_small(words):
    """The same command for a test."""
    if words[0] == "make":
        recipe = subprocess.run(
            ["make", "--dry-run", "--silent", words[1]], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()[-1]
        words = [Path(recipe.split()[0]).name, *recipe.split()[1:]]
    words = ["--hdf5" if word == "galaxy10" else word for word in words]
    if "--hdf5" in words:
        words.insert(words.index("--hdf5") + 1, "published.h5")
    return words + SMALLER.get(words[0], [])


def read_told():
    """Scripts of the README, and commands of README and nbs/using.ipynb."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told, home, using = commands_of(readme), commands_in("index.ipynb"), commands_in("using.ipynb")
    if told != home or len(told) < 3:
        sys.exit(f"README has the commands {told}, the home page {home}")
    if len(using) < 5:
        sys.exit(f"nbs/using.ipynb has only the commands {using}")
    scripts = scripts_of(readme)
    if len(scripts) != 2:
        sys.exit(f"README has {len(scripts)} scripts instead of two")
    return scripts, told + using


def make_inputs(folder):
    """What scripts and commands expect: a published file, images, and one image."""
    make_file(folder / "published.h5", 120, positions=True, chunk=64)
    (folder / "my_images").mkdir()
    for number in range(3):
        Image.fromarray(simulate_galaxy(number, 1, number, 256).image).save(folder / "my_images" / f"{number}.jpg")
    shutil.copy(folder / "my_images" / "0.jpg", folder / "galaxy.jpg")


def give(words, folder, what):
    """Run a program in the folder and print its output; ends this one when it fails."""
    environment = dict(os.environ, MPLBACKEND="agg")
    done = subprocess.run(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(done.stdout, flush=True)
    if done.returncode:
        sys.exit(f"{what} ended with {done.returncode}")


def check_outputs(folder):
    """End with an error when a file is missing, or holds too little."""
    names = "demo/report.html", "demo/classes.csv", "mine.csv", "report.html", "runs/first/model.onnx"
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        sys.exit(f"{missing} are missing")
    for name in ("mine.csv", "classes.csv"):
        if len(pd.read_csv(folder / name)) != 3:
            sys.exit(f"{name} does not hold three images")


def main():
    """Run all scripts and commands in a temporary folder."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    scripts, commands = read_told()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_inputs(folder)
        for number, text in enumerate(scripts, start=1):
            (folder / f"script_{number}.py").write_text(text)
            give([sys.executable, f"script_{number}.py"], folder, f"script {number} of the README")
        shutil.rmtree(folder / "data")  # the commands make a store of that name
        for words in commands:
            small = in_small(words)
            print("$", *words, *([] if words == small else ["  →  ", *small]), flush=True)
            if small[-1] == ".ci/check.py":
                continue  # what runs this
            give([str(BIN / small[0]), *small[1:]], folder, " ".join(words))
        check_outputs(folder)
    print(f"{len(scripts)} scripts and {len(commands)} commands of README and nbs/using.ipynb work")


if __name__ == "__main__":
    main()
