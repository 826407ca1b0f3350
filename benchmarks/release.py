"""What a release would be: do wheel and source distribution install into an empty environment, and run?

python benchmarks/release.py

Builds both from a copy of the files that git knows, runs `twine check`, installs the wheel with [train] and escnn, as
nbs/installation.ipynb says, then the source distribution over it, and tries `galaxy-demo --help` and a network with
each. Installs the source distribution with [predict] only into another environment, and classifies images there,
without torch, escnn and what [formats] brings, and with the weights of the package if the tree has them. Exits with 1
when something fails.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from kill import make_pictures
from server import BIN

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = "galaxy_classifier/weights/galaxy10.onnx"
NOT_BROUGHT = "torch", "escnn", "pyarrow", "astropy", "h5py", "matplotlib", "distributed" # by [predict]


def call(*words, **how):
    """Run something, or end with what it said."""
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def add(python, *words):
    """Install into an environment, without what overrides.txt gives to `make setup`."""
    links = dict(os.environ, UV_FIND_LINKS=os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS", ""))
    call(BIN / "uv", "pip", "install", "--quiet", "--python", python, *words, env=links)


def install(folder, wanted):
    """A new environment with one thing in it; returns where its programs are."""
    call(BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder)
    add(folder / "bin" / "python", wanted)
    return folder / "bin"


def holds_weights(file):
    """Does a wheel or a source distribution hold the classifier of the package?"""
    with zipfile.ZipFile(file) if file.suffix == ".whl" else tarfile.open(file) as archive:
        names = archive.namelist() if file.suffix == ".whl" else archive.getnames()
    return any(name.endswith(WEIGHTS) for name in names)


def without_model(there, folder, files):
    """Classify with the network in the package; where the tree has none, the command must say so."""
    expected = (folder / "tree" / WEIGHTS).is_file()
    if any(holds_weights(file) != expected for file in files):
        sys.exit(f"{WEIGHTS} is in the tree: {expected}; in the files: {[holds_weights(file) for file in files]}")
    words = [there / "galaxy-predict", "pictures", "--limit", "3", "--output", "box.csv"]
    done = subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True)
    if expected and done.returncode == 0 and "box.csv: 3 images" in done.stdout:
        return "the network in the package classifies"
    if not expected and done.returncode == 1 and "lacks its weights" in done.stderr:
        return "the tree has no weights, and galaxy-predict says so"
    sys.exit(f"galaxy-predict without --model: {done.stdout}{done.stderr}")


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
        add(there / "python", "--no-deps", "escnn")
        for file in (wheel, source):
            if file == source:
                add(there / "python", "--no-deps", "--reinstall", source)
            said = " ".join(call(there / "galaxy-demo", "--help", cwd=folder).split())
            if "simulate, preprocess, train, analyse, predict" not in said:
                sys.exit(f"galaxy-demo --help of {file.name} says {said}")
            network = "import galaxy_classifier as gc; print(gc.build_model(group='D4', size=33).config['group'])"
            if call(there / "python", "-c", network, cwd=folder) != "D4\n":
                sys.exit(f"no network is built by {file.name}")
            print(f"{file.name}: installs, galaxy-demo explains itself, and a network is built", flush=True)
        few = install(folder / "few", f"{source}[predict]")
        there = call(BIN / "uv", "pip", "list", "--python", few / "python").lower()
        brought = [name for name in NOT_BROUGHT if name in there]
        if brought:
            sys.exit(f"[predict] brings {', '.join(brought)}:\n{there}")
        make_pictures(folder, 12)
        model = "--model", "model.onnx"
        print(call(few / "galaxy-predict", "pictures", *model, "--output", "classes.csv", "--embeddings", cwd=folder))
        print(call(few / "galaxy-find", "--like", "pictures/00003.jpg", "classes.csv", *model, cwd=folder))
        print(f"[predict] classifies with {len(there.splitlines()) - 2} packages, without torch, astropy and pyarrow")
        print(without_model(few, folder, files))


if __name__ == "__main__":
    main()
