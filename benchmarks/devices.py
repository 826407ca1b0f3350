"""galaxy-train in two processes on the CPU (gloo): is every image seen once an epoch, and does a run that is stopped
go on as one that is not?

python benchmarks/devices.py

One run to its end; one stopped by SIGTERM in the middle (exit code 143), then Ctrl-C (130), then gone on with. Both
must have the same course to the last
digit, and the best network, judged by one process, the figures that two found. Exits with 1 otherwise.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import torch
from server import BIN, SMALL, wait

from galaxy_classifier.data.simulation import simulate_store
from galaxy_classifier.model.checkpoints import load_model
from galaxy_classifier.model.networks import prepare_images
from galaxy_classifier.preprocessing.pipeline import preprocess_store


def course(folder):
    """What must not depend on what happened."""
    return pd.read_csv(folder / "history.csv", float_precision="round_trip").drop(columns=["time", "images_per_second"])


def main():
    """Train, stop, go on, compare."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder, wrong = Path(folder), []
        store = simulate_store(folder / "store", 130, 64)
        preprocess_store(store, workers=1)

        def train(name, *more):
            return subprocess.Popen(
                [
                    str(BIN / "galaxy-train"),
                    "--store",
                    "store",
                    "--output",
                    name,
                    "--epochs",
                    "6",
                    "--devices",
                    "2",
                    *SMALL,
                    *more,
                ],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

        whole = train("whole")
        print(whole.communicate()[0])
        for after, number, code in ((1, signal.SIGTERM, 143), (3, signal.SIGINT, 130)):
            stopped = train("stopped")
            wait(
                f"epoch {after}",
                lambda after=after: (
                    (folder / "stopped" / "history.csv").exists() and len(course(folder / "stopped")) >= after
                ),
            )
            stopped.send_signal(number)
            print(stopped.communicate(timeout=60)[0])
            if stopped.returncode != code:
                wrong.append(f"exit code {stopped.returncode} instead of {code}")
        stopped = train("stopped")
        print(stopped.communicate()[0])
        if whole.returncode or stopped.returncode:
            wrong.append(f"exit codes {whole.returncode}, {stopped.returncode}")
        elif not course(folder / "whole").equals(course(folder / "stopped")):
            wrong.append(f"another course: {course(folder / 'stopped')} instead of {course(folder / 'whole')}")
        else:
            network, rows = load_model(folder / "whole"), store.split("valid")
            with torch.no_grad():
                answers = network(
                    prepare_images(torch.from_numpy(store.images_cleaned[rows]), 33),
                    torch.from_numpy(store.measurements[rows]),
                ).argmax(1)
            alone, together = (
                (answers.numpy() == store.labels[rows]).mean(),
                json.loads((folder / "whole" / "summary.json").read_text())["valid_accuracy"],
            )
            if abs(alone - together) > 1e-9:
                wrong.append(f"one process finds a validation accuracy of {alone}, two found {together}")
    print(
        "WRONG: " + "; ".join(wrong)
        if wrong
        else "two processes: stopped twice and gone on with, the same course to the last digit"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
