"""What the package is for, in small, on the Python that runs this: networks, a training, predictions.

python .ci/small.py             # in any environment that holds the package; leaves nothing behind
"""
import contextlib
import platform
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import galaxy_classifier as gc
from galaxy_classifier.model import build_model
from galaxy_classifier.model.groups import GROUPS

WIDTHS = 1, 1, 1, 1, 1


def check_groups():
    """A network of each group gives scores; those of groups with a half turn are the same for rotated images."""
    torch.manual_seed(0)
    images, measurements = torch.randn(2, 3, 33, 33), torch.rand(2, 1)
    for group in GROUPS:
        network = build_model(group=group, size=33, widths=WIDTHS).eval()
        with torch.no_grad(): scores, rotated = (network(x, measurements) for x in (images, images.rot90(2, (2, 3))))
        assert scores.shape == (2, 10) and torch.isfinite(scores).all(), group
        if group not in ("C1", "D1"): torch.testing.assert_close(rotated, scores, rtol=1e-4, atol=1e-4)
    print(f"networks of {', '.join(GROUPS)}", flush=True)


def check_training():
    """An epoch on simulated galaxies, tracked by MLflow."""
    store = gc.preprocess(gc.simulate("data", 40, 64, workers=1), workers=1)
    run = gc.train(store, "run", epochs=1, size=33, widths=WIDTHS, batch_size=12, device="cpu")
    assert len(run.metrics) == 1 and np.isfinite(run.metrics["train_loss"]).all(), run.metrics
    print(run, flush=True)


def check_predictions():
    """The classifier in the package, and the network that was just trained, on files."""
    Path("images").mkdir()
    for number in range(3):
        Image.fromarray(gc.simulate_galaxy(number, 1, number, 128).image).save(f"images/{number}.jpg")
    for model in (gc.load(), gc.load("run")):
        table = gc.predict("images", model)
        assert len(table) == 3 and np.allclose(table.filter(like="p_").sum(axis=1), 1, atol=1e-4), table
    print(gc.classify("images/0.jpg"), flush=True)


def main():
    """All of it, in a folder that is removed."""
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for check in (check_groups, check_training, check_predictions): check()


if __name__ == "__main__":
    main()
