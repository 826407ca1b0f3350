"""A real MLflow server that is killed during a training and started again: is any metric missing afterwards, or there
twice?

python benchmarks/server.py
python benchmarks/server.py --epochs 20 --away 6

The server runs on this machine, on SQLite. It is killed once it has some epochs, stays away for some more, and comes
back before the end. Exits with 1
when MLflow does not have each metric of each epoch exactly once, the files and the model of the run.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mlflow
import pandas as pd
import requests
from mlflow.tracking import MlflowClient

from galaxy_classifier.data.simulation import simulate_store
from galaxy_classifier.preprocessing.pipeline import preprocess_store

BIN = Path(sys.executable).parent
SMALL = (
    "--size",
    "33",
    "--widths",
    "1,1,1,1,1",
    "--batch-size",
    "12",
    "--device",
    "cpu",
)  # a network that needs hardly any time


def free_port():
    """A port on this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait(what, condition, seconds=180):
    """Wait for something, or give up."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            sys.exit(f"waited {seconds} s in vain for {what}")
        time.sleep(0.1)
    return found


def answers(port):
    """Does a server answer there?"""
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code < 500


@contextlib.contextmanager
def serving(words, port, environment=None):
    """A server in processes of its own, killed at the end of the block."""
    process = subprocess.Popen(
        list(map(str, words)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )
    try:
        wait("the server", lambda: answers(port))
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main():
    """Train, kill the server, start it again, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=12, help="of the training")
    parser.add_argument("--away", type=int, default=4, help="for how many epochs")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder, port = Path(folder), free_port()
        preprocess_store(simulate_store(folder / "store", 120, 64), workers=1)
        server = [
            BIN / "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--workers",
            "1",
            "--backend-store-uri",
            f"sqlite:///{folder}/server.db",
            "--artifacts-destination",
            folder / "artifacts",
        ]
        environment = dict(os.environ, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")

        def history():
            return (
                len((folder / "run" / "history.csv").read_text().splitlines()) - 1
                if (folder / "run" / "history.csv").exists()
                else 0
            )

        with serving(server, port):
            train = subprocess.Popen(
                [
                    str(BIN / "galaxy-train"),
                    "--store",
                    folder / "store",
                    "--output",
                    folder / "run",
                    "--epochs",
                    str(words.epochs),
                    *SMALL,
                ],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            wait("two epochs", lambda: history() >= 2)
        killed = history()
        wait("epochs without a server", lambda: history() >= min(killed + words.away, words.epochs))
        print(f"the server was killed after epoch {killed}, and started again after epoch {history()}", flush=True)
        with serving(server, port):
            said = train.communicate()[1]
            print(said.strip(), f"galaxy-train ended with {train.returncode}", sep="\n")
            again = subprocess.run(
                [
                    str(BIN / "galaxy-train"),
                    "--store",
                    folder / "store",
                    "--output",
                    folder / "run",
                    "--epochs",
                    str(words.epochs),
                    *SMALL,
                ],
                env=environment,
                capture_output=True,
                text=True,
            )
            mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
            runs, table = (
                MlflowClient().search_runs([mlflow.get_experiment_by_name("galaxy_classifier").experiment_id]),
                pd.read_csv(folder / "run" / "history.csv", float_precision="round_trip"),
            )
            wrong = (
                []
                if len(runs) == 1 and not train.returncode and not again.returncode and "is unavailable" in said
                else [f"{len(runs)} runs, {train.returncode}, {again.stderr}"]
            )
            for name in table.columns.drop(["epoch", "time"]):
                points = [
                    (point.step, point.value) for point in MlflowClient().get_metric_history(runs[0].info.run_id, name)
                ]
                if points != list(zip(table["epoch"], table[name], strict=True)):
                    wrong.append(f"{name}: {points}")
            files = {file.path for file in MlflowClient().list_artifacts(runs[0].info.run_id)}
            if (
                not {"best.pt", "model.onnx", "confusion.png"} <= files
                or not runs[0].outputs.model_outputs
                or runs[0].info.status != "FINISHED"
            ):
                wrong.append(f"{files}, {runs[0].info.status}")
    print("\n".join(wrong) or f"nothing is missing: {len(table.columns) - 2} metrics of {len(table)} epochs, each once")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
