"""Set up Git for notebooks in this checkout: nbdev's merge driver, and the hooks of .pre-commit-config.yaml.

`make setup` calls it; it can be called again at any time. It writes into .git only. `nbdev_install_hooks` would do
the first part too, but changes the Jupyter settings in your home folder, and finds its programs only while the
environment is active.
"""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def call(*words):
    """Run a program in the checkout; returns its exit code and what it printed."""
    done = subprocess.run(list(map(str, words)), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.strip()


def reason_against():
    """Why no hooks are set up here; empty where they are."""
    if os.environ.get("CI"): return "this is CI"
    if not (ROOT/".git").is_dir(): return "this is not the main checkout of a Git repository"
    try: code, output = call("git", "rev-parse", "--git-dir")
    except OSError: return "Git is not installed"
    return output if code else ""


def main():
    """Set up what this checkout allows; a checkout that allows nothing is no error."""
    reason = reason_against()
    if reason: return print(f"no Git hooks: {reason}.")
    call("git", "config", "--local", "merge.nbdev-merge.name", "resolve conflicts in notebooks with nbdev_fix")
    call("git", "config", "--local", "merge.nbdev-merge.driver", f"'{BIN/'nbdev_merge'}' %O %A %B %P")
    _, hooks = call("git", "config", "core.hooksPath")
    if hooks: return print(f"no Git hooks: core.hooksPath is {hooks}; call `pre-commit run` from there.")
    code, output = call(BIN/"pre-commit", "install")
    print(f"no Git hooks: {output}" if code else "Git hooks: merges of notebooks, pre-commit")


if __name__ == "__main__":
    main()
