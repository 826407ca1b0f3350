"""Run every notebook as a test and check the tree; closes with `N passed, M failed`."""
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
ENVIRONMENT = dict(os.environ, PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}", MPLBACKEND="agg", OMP_NUM_THREADS="1")
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None) # or each of some hundred processes would compile torch anew
TIMEOUT = 900 # seconds for one notebook: a hang is a failure
# What takes long comes first, so that no core is idle at the end.
SCRIPTS = {
    "a training and a search that are killed end like others": ["benchmarks/kill.py", "--only", "train", "search", "--kills", 0, "--row", 2, "--seed", 1],
    "two processes train as one run": ["benchmarks/devices.py"],
    "a tracking server that is killed misses nothing": ["benchmarks/server.py", "--epochs", 8, "--away", 2],
    "the commands of README and home page work": ["benchmarks/quickstart.py"],
    "wheel and source distribution install and run": ["benchmarks/release.py"],
    "a classification that is killed ends like another": ["benchmarks/kill.py", "--only", "predict", "--kills", 0, "--row", 2, "--seed", 1, "--count", 600],
}
PAGES = {"the documentation": "pages", "MLflow's pages": "ui", "the report": "report", "the page to try pictures": "app"}


def run(words, cwd=ROOT):
    """Run a program of the environment; returns its exit code and what it printed."""
    try:
        done = subprocess.run([str(BIN/words[0]), *map(str, words[1:])], cwd=cwd, env=ENVIRONMENT, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        return 1, f"{error.stdout or ''}\nstopped after {TIMEOUT} s"


def copy_of_tree(folder):
    """The files that git knows, copied as they are in the working tree."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT/name).is_file():
            (folder/name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT/name, folder/name)
    return folder


def unchanged(words, pattern):
    """A check: running `words` in a copy of the tree must leave the files of `pattern` as they are."""
    def check():
        with tempfile.TemporaryDirectory() as folder:
            folder = copy_of_tree(Path(folder))
            code, output = run(words, folder)
            if code: return code, output
            names = {path.relative_to(tree) for tree in (ROOT, folder) for path in tree.glob(pattern)
                     if path.is_file() and not path.name.startswith((".", "_.")) }
            changed = [str(name) for name in sorted(names)
                       if not ((ROOT/name).is_file() and (folder/name).is_file() and filecmp.cmp(ROOT/name, folder/name, shallow=False))]
            return int(bool(changed)), f"{' '.join(map(str, words))} changes {changed}" if changed else ""
    return check


def notebook(path):
    """A check: the notebook runs from top to bottom."""
    return lambda: run(["nbdev_test", "--path", path, "--n_workers", 0, "--do_print"])


def main():
    """Run all checks, two at a time."""
    checks = {name: (lambda words=words: run(["python", *words])) for name, words in SCRIPTS.items()}
    if shutil.which("chromium") and shutil.which("chromedriver"):
        checks |= {f"{name} in a browser": (lambda script=script: run(["python", f"benchmarks/{script}.py"])) for name, script in PAGES.items()}
    else:
        print("pages are not looked at in a browser: that needs chromium and chromium-driver", flush=True)
        checks["the documentation builds"] = lambda: run(["python", "docs/build.py"])
    notebooks = [path for path in sorted((ROOT/"nbs").rglob("*.ipynb")) if not path.name.startswith("_") and ".ipynb_checkpoints" not in path.parts]
    checks |= {str(path.relative_to(ROOT)): notebook(path) for path in notebooks}
    checks["the package is what the notebooks export"] = unchanged(["nbdev_export"], "galaxy_classifier/*.py")
    checks["notebooks are clean"] = unchanged(["nbdev_clean"], "nbs/**/*.ipynb")
    checks["README is what nbs/index.ipynb says"] = unchanged(["python", ".ci/readme.py"], "README.md")
    failed = 0

    def timed(check):
        start = time.monotonic()
        return *check(), time.monotonic() - start

    with ThreadPoolExecutor(2) as pool:
        pending = {name: pool.submit(timed, check) for name, check in checks.items()}
        for name, future in pending.items():
            code, output, seconds = future.result()
            print(f"{'FAILED' if code else 'passed'}  {seconds:6.1f} s  {name}", flush=True)
            if code: failed += 1; print(output[-6000:], flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
