"""What a release would be: do wheel and source distribution install into an empty environment, and run?

python benchmarks/release.py

Builds both from a copy of the files that git knows, asks `twine check`, installs the wheel with [train], then the
source distribution over it, and asks
each for `galaxy-demo --help`; installs the source distribution with [predict] only into another environment, and
classifies pictures there, without torch
and escnn. Exits with 1 when something fails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from kill import make_pictures
from server import BIN

ROOT = Path(__file__).resolve().parents[1]


def call(*words, **how):
    """Run something, or end with what it said."""
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def install(folder, wanted):
    """A new environment with one thing in it; returns where its programs are."""
    call(BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder)
    links = dict(os.environ, UV_FIND_LINKS=os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS", ""))
    call(
        BIN / "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        folder / "bin" / "python",
        wanted,
        "--override",
        ROOT / "overrides.txt",
        env=links,
    )
    return folder / "bin"


def main():
    """Build, check, install, run."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tree").mkdir()
        subprocess.run(
            "git ls-files -z | tar --null --files-from - --create | tar --extract --directory " + str(folder / "tree"),
            shell=True,
            cwd=ROOT,
            check=True,
        )
        call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "tree")
        files = sorted((folder / "dist").iterdir())
        call(sys.executable, "-m", "twine", "check", "--strict", *files)
        print(
            *(f"{file.name}, {file.stat().st_size / 1e3:.0f} kB: passes twine" for file in files), sep="\n", flush=True
        )
        wheel, source = (next(file for file in files if file.name.endswith(ending)) for ending in (".whl", ".tar.gz"))
        there = install(folder / "all", f"{wheel}[train]")
        for file in (wheel, source):
            if file == source:
                call(
                    BIN / "uv",
                    "pip",
                    "install",
                    "--quiet",
                    "--python",
                    there / "python",
                    "--no-deps",
                    "--reinstall",
                    source,
                )
            said = " ".join(call(there / "galaxy-demo", "--help", cwd=folder).split())
            if "simulate, preprocess, train, analyse, predict" not in said:
                sys.exit(f"galaxy-demo --help of {file.name} says {said}")
            print(f"{file.name}: installs, and galaxy-demo explains itself", flush=True)
        few = install(folder / "few", f"{source}[predict]")
        there = call(BIN / "uv", "pip", "list", "--python", few / "python").lower()
        if "torch" in there or "escnn" in there:
            sys.exit(f"[predict] brings torch or escnn:\n{there}")
        make_pictures(folder, 12)
        model = "--model", "model.onnx"
        print(call(few / "galaxy-predict", "pictures", *model, "--output", "classes.csv", "--embeddings", cwd=folder))
        print(call(few / "galaxy-find", "--like", "pictures/00003.jpg", "classes.csv", *model, cwd=folder))
        print(f"[predict] classifies with {len(there.splitlines()) - 2} packages, without torch and escnn")


if __name__ == "__main__":
    main()
