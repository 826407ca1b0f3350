"""The commands that README and home page tell a newcomer to give, taken from there and given: do they work, in that
order?

python benchmarks/quickstart.py

Only the size is made small: a few simulated galaxies in the layout of the published file take the place of the
download, and training is short. `make
test` is what runs this. Exits with 1 when a command fails, or does not leave behind what the next one needs.
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


def script_of(text):
    """The first block of Python, which is a script as it stands."""
    return re.search(r"^```python\n(import galaxy_classifier.*?)^```$", text, re.M | re.S)[1]


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


def main():
    """Take them, give them, look."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    told = commands_of((ROOT / "README.md").read_text(encoding="utf-8"))
    home = commands_of(
        "\n".join(cell.source for cell in nbformat.read(ROOT / "nbs" / "index.ipynb", as_version=4).cells)
    )
    if told != home or len(told) < 7:
        sys.exit(f"README tells {told}, the home page {home}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_file(folder / "published.h5", 120, positions=True, chunk=64)
        (folder / "my_images").mkdir()
        for number in range(3):
            Image.fromarray(simulate_galaxy(number, 1, number, 256).image).save(folder / "my_images" / f"{number}.jpg")
        script = folder / "ten_lines.py"
        script.write_text(script_of((ROOT / "README.md").read_text(encoding="utf-8")))
        done = subprocess.run(
            [sys.executable, script],
            cwd=folder,
            env=dict(os.environ, MPLBACKEND="agg"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(done.stdout, flush=True)
        if done.returncode:
            sys.exit(f"the script of the README ended with {done.returncode}")
        shutil.rmtree(folder / "data")  # the commands make a store of that name
        for words in told:
            small = in_small(words)
            print("$", *words, *([] if words == small else ["  →  ", *small]), flush=True)
            if small[-1] == ".ci/check.py":
                continue  # what runs this
            done = subprocess.run(
                [str(BIN / small[0]), *small[1:]],
                cwd=folder,
                env=dict(os.environ, MPLBACKEND="agg"),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            print(done.stdout, flush=True)
            if done.returncode:
                sys.exit(f"{' '.join(words)} ended with {done.returncode}")
        missing = [
            name
            for name in ("demo/report.html", "demo/classes.csv", "report.html", "runs/first/model.onnx")
            if not (folder / name).is_file()
        ]
        if missing:
            sys.exit(f"{missing} are missing")
        if len(pd.read_csv(folder / "classes.csv")) != 3:
            sys.exit("three images were not classified")
    print(f"{len(told)} commands of README and home page work")


if __name__ == "__main__":
    main()
