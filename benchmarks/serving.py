"""A real `mlflow models serve` of the registered model: does it answer with class names, as `mlflow.pyfunc` does?

python benchmarks/serving.py

The server runs on this machine, in this environment. Exits with 1 when it does not answer, answers something else than
the model loaded by `mlflow.pyfunc`, or takes what it cannot read for images.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import requests
from server import BIN, free_port, serving

from galaxy_classifier.data.simulation import simulate_galaxy
from galaxy_classifier.training.registry import log_model, register_model
from galaxy_classifier.training.tracking import RunLogger, start_run, start_tracking

MODEL = "models:/galaxy-classifier@production"
FILE = Path(__file__).resolve().parents[1] / "galaxy_classifier" / "weights" / "galaxy10.onnx"


def register(folder, example):
    """The network of the package in a registry of its own; returns the address of that."""
    tracking = start_tracking(folder)
    logger = RunLogger(start_run(tracking, "served", {}, {}, "token"))
    logger.call(log_model, FILE, example)
    print(register_model(logger.run_id, 0.5, "sky"), flush=True)
    tracking.stop()
    return tracking.uri


def ask(port, inputs):
    """Status and content of the server's answer."""
    reply = requests.post(f"http://127.0.0.1:{port}/invocations", json=dict(inputs=inputs), timeout=60)
    return reply.status_code, reply.json()


def faults(port, inputs):
    """What the server takes although it should not, or answers with anything but a refusal."""
    bad = {
        "no asymmetry": dict(images=inputs["images"]),
        "images without colour": inputs | dict(images=[[[0, 1], [2, 3]]] * 5),
        "words": inputs | dict(images="galaxy.jpg"),
    }
    statuses = {name: ask(port, each)[0] for name, each in bad.items()}
    print(f"refused with {statuses}")
    return [f"{name}: status {status}" for name, status in statuses.items() if status != 400]


def main():
    """Register, serve, ask, compare."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    images = np.stack([simulate_galaxy(number, 1, number, 128).image for number in range(5)])
    inputs = dict(images=images, asymmetry=np.linspace(0, 0.4, 5, dtype=np.float32)[:, None])
    with tempfile.TemporaryDirectory() as folder:
        uri, port = register(Path(folder).resolve(), {name: values[:1] for name, values in inputs.items()}), free_port()
        words = [BIN / "mlflow", "models", "serve", "--model-uri", MODEL, "--env-manager", "local"]
        words += ["--host", "127.0.0.1", "--port", port, "--workers", 1]
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # mlflow starts uvicorn by its name
        with serving(words, port, dict(os.environ, MLFLOW_TRACKING_URI=uri, PATH=path)):
            as_lists = {name: values.tolist() for name, values in inputs.items()}
            status, reply = ask(port, as_lists)
            wrong = faults(port, as_lists)
        mlflow.set_tracking_uri(uri)
        expected = mlflow.pyfunc.load_model(MODEL).predict(inputs)
    if status != 200:
        sys.exit(f"status {status}: {reply}")
    answered = pd.DataFrame(reply["predictions"])
    print(answered.iloc[:, :3].to_string())
    pd.testing.assert_frame_equal(answered, expected, check_dtype=False, rtol=1e-5, atol=1e-6)
    print("\n".join(wrong) or "the server answers as mlflow.pyfunc does")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
