"""Run every notebook as a test and check the tree; closes with `N passed, M failed`.

python .ci/check.py             # all: under 40 minutes on two cores
python .ci/check.py --fast      # what a commit needs: style, imports, cells, core, data and loss; under 3 minutes
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
ENVIRONMENT = dict(os.environ, PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}", MPLBACKEND="agg", OMP_NUM_THREADS="1")
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None) # or each of some hundred processes would compile torch anew
ENVIRONMENT["PYTHONUNBUFFERED"] = "1" # so that what was printed before a timeout is known
ENVIRONMENT.setdefault("UV_FIND_LINKS", os.environ.get("PIP_FIND_LINKS", "")) # as in the Makefile
PYTHONS = "3.11", "3.12", "3.13"
# Seconds for one program, and for the notebooks of each run: a hang is a failure.
TIMEOUT, FAST_TIMEOUT, PARALLEL_TIMEOUT, SERIAL_TIMEOUT = 900, 600, 2100, 1200
MOST_OUTPUT = 12_000 # characters that are shown of what failed
KILL = ["benchmarks/kill.py", "--kills", 0, "--row", 2, "--seed", 1, "--only"]
GPU = ["benchmarks/gpu.py", "--steps", 2, "--curve", 4, "--images", 24]
# What takes long comes first, so that no core is idle at the end.
SCRIPTS = {
    "a training and a search that are killed end like others": [*KILL, "train", "votes", "search"],
    "two processes train as one run": ["benchmarks/devices.py"],
    "a tracking server that is killed misses nothing": ["benchmarks/server.py", "--epochs", 8, "--away", 2],
    "the scripts and commands of README and its pages work": ["benchmarks/quickstart.py"],
    "the benchmark of a GPU runs on a CPU, too": [*GPU, "--device", "cpu", "--sizes", 33, "--batches", 8],
    "hostile inputs end in clear errors": ["benchmarks/fuzz.py", "--count", 150, "--workers", 1],
    "wheel and source distribution install and run": ["benchmarks/release.py"],
    "MLflow serves the registered model": ["benchmarks/serving.py"],
    "a classification that is killed ends like another": [*KILL, "predict", "--count", 1500],
}
PAGES = {"the documentation": "pages", "MLflow's pages": "ui", "the report": "report",
         "the page to try pictures": "app"}
STYLE = {
    "ruff finds nothing": ["ruff", "check", ".", "--output-format", "concise"],
    "imports go down only": ["lint-imports", "--no-logo", "--no-cache"],
    "cells and stored outputs are as CONTRIBUTING asks": ["python", ".ci/cells.py"],
    "words, links, images and shown cells are fit for a reader": ["python", ".ci/reading.py"],
}
STATEFUL_NOTEBOOKS = ["--file_re", "^(05h|08)", "--skip_folder_re", r"^([_.]|tests|tutorials)"]
FAST_NOTEBOOKS = ["--file_re", "^(00|01|03)", "--skip_folder_re", r"^([_.]|tests|tutorials)"]


def run(words, cwd=ROOT, path=None, timeout=TIMEOUT):
    """Run a program of the environment, with `path` for imports; returns its exit code and what it printed."""
    environment = ENVIRONMENT | ({"PYTHONPATH": str(path)} if path else {})
    process = subprocess.Popen([str(BIN/words[0]), *map(str, words[1:])], cwd=cwd, env=environment, text=True,
                               errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        started = psutil.Process(process.pid)
        for each in [*started.children(recursive=True), started]: # its workers hold the pipe open
            with suppress(psutil.NoSuchProcess): each.kill()
        output, _ = process.communicate()
        return 1, f"{output}\nstopped after {timeout} s"


def git(*words):
    """What git prints about this tree."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def fresh_clone(folder):
    """A clone whose files are those of the working tree: what git knows or would take, changes included."""
    git("clone", "--quiet", str(ROOT), str(folder))
    for name in filter(None, git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")):
        if (ROOT/name).is_file():
            (folder/name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT/name, folder/name)
        else: (folder/name).unlink(missing_ok=True)
    return folder


def contents(folder, pattern="**/*"):
    """The bytes of each file of `pattern` under a folder, by its path; without Git's own and Python's caches."""
    found = {path.relative_to(folder): path for path in folder.glob(pattern) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not {".git", "__pycache__"} & set(name.parts)}


def changes(before, after):
    """Names of files that are in one only, or differ."""
    return [str(name) for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]


def unchanged(words, pattern, afresh=False):
    """A check: running `words` in a fresh clone leaves the files of `pattern` as they are, or makes them `afresh`."""
    def check():
        with tempfile.TemporaryDirectory() as folder:
            folder = fresh_clone(Path(folder)/"tree")
            before = contents(folder, pattern)
            if afresh:
                for name in before: (folder/name).unlink()
            code, output = run(words, folder, folder)
            if code: return code, output
            changed = changes(before, contents(folder, pattern))
            return int(bool(changed)), f"{' '.join(map(str, words))} changes {', '.join(changed)}"
    return check


def unchanged_files():
    """Checks that what is written from the notebooks is what they say."""
    package = "galaxy_classifier/**/*.py"
    return {
        "the package is what the notebooks export": unchanged(["nbdev_export"], package, afresh=True),
        "notebooks are clean": unchanged(["nbdev_clean"], "nbs/**/*.ipynb"),
        "README is what nbs/index.ipynb says": unchanged(["python", ".ci/readme.py"], "README.md"),
    }


def one_process_elsewhere():
    """A check: notebooks that track, train and search pass in one process, started from another directory.

    All of them do (`nbdev_test --n_workers 0`), but that takes half an hour; these change the most global state.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder, elsewhere = fresh_clone(Path(folder)/"tree"), Path(folder)/"elsewhere"
        elsewhere.mkdir()
        words = ["nbdev_test", "--path", folder/"nbs", "--n_workers", 0, "--do_print", *STATEFUL_NOTEBOOKS]
        return run(words, elsewhere, folder, SERIAL_TIMEOUT)


def failed_notebooks(output):
    """Paths of notebooks that nbdev_test says failed, by their error, and names, by its list at the end."""
    paths = set(re.findall(r"\b\w+ in (/.+?\.ipynb):\n=", output))
    names = set(re.findall(r"^\t(.+\.ipynb)$", output, re.M))
    return paths, names - {Path(path).name for path in paths}


def notebooks(report, words, timeout):
    """Run plain `nbdev_test` in a fresh clone and report each notebook, the run, and what it left behind."""
    with tempfile.TemporaryDirectory() as folder:
        folder = fresh_clone(Path(folder).resolve()/"tree")
        before, start = contents(folder), time.monotonic()
        code, output = run(["nbdev_test", "--do_print", "--timing", *words], folder, folder, timeout)
        wall = time.monotonic() - start
        left = changes(before, contents(folder))
    failed_paths, failed_names = failed_notebooks(output)
    seconds = dict(re.findall(r"^(.+\.ipynb): (\d+) secs$", output, re.M)) # nbdev prints them where all passed
    completed = set(re.findall(r"- Completed (.+?\.ipynb)", output))
    for path in map(Path, sorted(set(re.findall(r"Starting (.+?\.ipynb)", output)))):
        wrong = "" if str(path) in completed else "it was started and not completed."
        if str(path) in failed_paths or path.name in failed_names: wrong = "see the output of nbdev_test below."
        report(str(path.relative_to(folder)), int(bool(wrong)), wrong, float(seconds.get(path.name, 0)))
    errors = re.sub(r"^(Starting|- Completed) .*\n", "", output, flags=re.M)
    report("nbdev_test in a fresh clone", code, errors, wall)
    report("notebooks leave no file behind", int(bool(left)), f"changed or left: {', '.join(left)}", 0)


class Report:
    """Prints each result as it comes, and counts."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, code, output, seconds):
        print(f"{'FAILED' if code else 'passed'}  {seconds:6.1f} s  {name}", flush=True)
        if code: print(output[-MOST_OUTPUT:], flush=True)
        self.passed, self.failed = self.passed + (not code), self.failed + bool(code)

    def run_all(self, checks):
        """Run checks, two at a time; each returns a code, 0 when it passed, and what to print when it did not."""
        def timed(check):
            start = time.monotonic()
            return *check(), time.monotonic() - start

        with ThreadPoolExecutor(2) as pool:
            pending = {name: pool.submit(timed, check) for name, check in checks.items()}
            for name, future in pending.items(): self(name, *future.result())


def version_of(python):
    """The version of an interpreter, such as 3.13; empty where it does not run."""
    words = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try: return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError): return "" # pyenv's shim of a version that is not active, for one


def other_pythons():
    """Each other supported Python that this machine has, by its version: on the path, pyenv's, uv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home()/".pyenv"))/"versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home()/".local/share/uv/python"))
    found, own = {}, version_of(sys.executable)
    for version in PYTHONS:
        places = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python")),
                  *sorted(uv.glob(f"cpython-{version}*/bin/python{version}"))]
        works = [str(place) for place in places if place and version_of(place) == version != own]
        if works: found[version] = works[0]
    return found


def on_python(python):
    """A check: as pip's users install it, the package works on another Python, in small."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        tree, there = fresh_clone(folder/"tree"), folder/"env"/"bin"/"python"
        pinned = "--override", tree/"overrides.txt", "--constraint", tree/"requirements.txt"
        steps = [["uv", "venv", "--quiet", "--python", python, folder/"env"],
                 ["uv", "pip", "install", "--quiet", "--python", there, f"{tree}[train]", "escnn", *pinned],
                 [there, tree/".ci"/"small.py"]]
        for words in steps:
            code, output = run(words, folder, folder)
            if code: break
        return code, output


def small_checks():
    """The checks on other Pythons; where there are none, that is said."""
    found = other_pythons()
    if not found: print(f"no other Python of {', '.join(PYTHONS)} was found to try the package on", flush=True)
    return {f"the package on Python {version}": partial(on_python, place) for version, place in found.items()}


def programs(table):
    """A check for each entry: the program ends with 0."""
    return {name: partial(run, words) for name, words in table.items()}


def slow_checks():
    """What takes minutes: notebooks in one process, kills, several processes, releases, pages."""
    checks = {"notebooks with state in one process, from another directory": one_process_elsewhere}
    checks |= small_checks() | programs({name: ["python", *words] for name, words in SCRIPTS.items()})
    if shutil.which("chromium") and shutil.which("chromedriver"):
        pages = {f"{name} in a browser": ["python", f"benchmarks/{script}.py"] for name, script in PAGES.items()}
        return checks | programs(pages)
    print("pages are not looked at in a browser: that needs chromium and chromium-driver", flush=True)
    return checks | programs({"the documentation builds": ["python", "docs/build.py"]})


def main():
    """Run the checks; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="style, imports, cells, and the first chapters' notebooks")
    fast = parser.parse_args().fast
    report = Report()
    report.run_all(programs(STYLE) | unchanged_files())
    if fast: notebooks(report, FAST_NOTEBOOKS, FAST_TIMEOUT)
    else: notebooks(report, [], PARALLEL_TIMEOUT)
    if not fast: report.run_all(slow_checks())
    print(f"{report.passed} passed, {report.failed} failed")
    return int(report.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
