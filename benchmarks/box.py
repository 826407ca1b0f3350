"""The classifier in the box: how it was trained, stage by stage. Each stage ends in files that the next starts from.
A stage that was stopped resumes.

    python benchmarks/box.py stores   --data ../shared/data --folder box    # a store of votes, a store of classes
    python benchmarks/box.py votes    --folder box                          # learn from volunteers' votes
    ... votes --vote-size 97 --vote-epochs 10 --vote-start votes-D4-65px-30   # and further, on larger images
    ... folds (with the same three)   --output results/box.json             # cross-validation on Galaxy10's sample
    ... zooms (with the same three)   --output results/box_zooms.json       # which magnifications, on the same folds
    ... final (with the same three)   --results results/box.json            # galaxy_classifier/weights
    ... times (with the same three)   --output results/box_times.json       # how long each took, from its history

Votes: Galaxy Zoo 2 (16 fractions), EFIGI (nine attributes) and the fractions that came with the sample of rings, 28
questions; NaN where a survey has no such question, or where few people were led to it. Flags of rings are not used.
Classes: the sample of Galaxy10 DECaLS, and galaxies of Galaxy Zoo 2 whose votes lead to one of its ten classes. A fifth
of those with a confidence of 0.6 or more is never trained on in the folds, and says what the network does on images of
another survey. Folds keep shared sky together.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, cpu_count, delayed

from galaxy_classifier.analysis.metrics import evaluate
from galaxy_classifier.analysis.robustness import PERTURBATIONS
from galaxy_classifier.core import GALAXY10_CLASSES, load_json, random_generator, save_json
from galaxy_classifier.data.images import read_image, resize_image
from galaxy_classifier.data.importers import import_images
from galaxy_classifier.data.splits import connected_groups, related_pairs, stratified_folds
from galaxy_classifier.data.store import Store, StoreWriter, save_splits
from galaxy_classifier.model.checkpoints import load_model, save_checkpoint
from galaxy_classifier.model.confidence import (
    apply_temperature,
    calibration_floor,
    expected_calibration_error,
    fit_novelty,
    fit_novelty_slope,
    fit_temperature,
)
from galaxy_classifier.model.export import embed_zoomed, export_onnx, to_plain
from galaxy_classifier.model.networks import count_parameters
from galaxy_classifier.model.probabilities import temper
from galaxy_classifier.preprocessing.pipeline import preprocess_store
from galaxy_classifier.preprocessing.star_removal import PreprocessingParameters, preprocess_image
from galaxy_classifier.training.config import TrainingConfig
from galaxy_classifier.training.evaluate import Predictions, predict_split
from galaxy_classifier.training.fit import fit
from galaxy_classifier.training.tracking import git_commit, hardware

WEIGHTS = Path(__file__).resolve().parents[1] / "galaxy_classifier" / "weights"
SIZE, FOLDS, SURE = 256, 5, 0.6  # pixels of a stored image, folds, least confidence of a held-back galaxy
LEAST_SURE, MOST = 0.4, 50  # least confidence, and most images of a class, of another survey to train on
LED_TO = dict(  # questions of Galaxy Zoo 2, and what people had to say before they were asked
    edge=["features"],
    round=["smooth"],
    inbetween=["smooth"],
    cigar=["smooth"],
    bar=["features"],
    spiral=["features"],
    bulge=["features"],
    nobulge=["features"],
    tight=["features", "spiral"],
    medium=["features", "spiral"],
    loose=["features", "spiral"],
    disturbed=["odd"],
    merger=["odd"],
)
LEAST = 0.25  # share of people that a question must have reached
GZ2 = ["smooth", "features", "odd", *LED_TO]
EFIGI = ["Bulge_to_Total", "Arm_Strength", "Arm_Curvature", "Bar_Length", "Perturbation", "Inclination"]
EFIGI += ["Contamination", "Multiplicity", "T"]
RINGS = ["featured", "edge_on_no", "spiral_no"]
ZOOMS = 1.0, 1.6  # magnifications at which the classifier looks at an image
SECOND_ZOOMS = 1.1, 1.2, 4 / 3, 1.5, 1.6, 1.7, 1.8, 2.0, 2.3  # what the second of them was chosen from
DEGRADED = [("noise", 0.5), ("noise", 0.75), ("blur", 2), ("blur", 4), ("brightness", 0.7), ("jpeg", 20)]
CREDIT = (
    "Images and classes: Galaxy10 DECaLS (Leung & Bovy) from DESI Legacy Imaging Surveys (CC BY 4.0, Legacy Surveys / "
    "D. Lang, Perimeter Institute) and Galaxy Zoo (Walmsley et al. 2022); Galaxy Zoo 2 (Willett et al. 2013, Hart et "
    "al. 2016; CC BY 4.0) and EFIGI (Baillard et al. 2011) with images of SDSS"
)
RECIPE = dict(
    optimizer="radam",
    learning_rate=2e-2,
    weight_decay=1e-4,
    schedule="one-cycle",
    gamma=1.0,
    beta=0.999,
    label_smoothing=0.1,
    dropout=0.0,
    augmentation="sky",
    keep="last",
    compile=True,
)


def vote_table(data):
    """All galaxies with votes or attributes, one column a question, empty where it was not asked."""
    zoo, efigi, rings = (pd.read_csv(data / name) for name in ("gz2/votes.csv", "efigi/labels.csv", "rings/rings.csv"))
    reached = {name: np.prod([zoo[step] for step in steps], 0) for name, steps in LED_TO.items()}
    for name, share in reached.items():
        zoo[name] = zoo[name].where(share >= LEAST)
    efigi["T"] = (efigi["T"] + 6) / 17  # the types −6 to 11 of de Vaucouleurs as a fraction
    efigi[EFIGI] = efigi[EFIGI].where(efigi[EFIGI] >= 0)
    return pd.concat(
        [
            zoo[GZ2].assign(path="gz2/" + zoo["file"]),
            efigi[EFIGI].assign(path="efigi/images/" + efigi["PGC"] + ".jpg"),
            rings[RINGS].assign(path="rings/" + rings["file"]),
        ],
        ignore_index=True,
    )


def class_table(data):
    """Galaxies with one of the ten classes: the sample of Galaxy10, then Galaxy Zoo 2."""
    with h5py.File(data / "galaxy10_sample.h5") as file:
        sample = pd.DataFrame({name: file[name][:] for name in ("ra", "dec")} | dict(label=file["ans"][:].astype(int)))
    zoo = pd.read_csv(data / "gz2/votes.csv").query("galaxy10_like >= 0")
    theirs = dict(label=zoo["galaxy10_like"], path="gz2/" + zoo["file"], confidence=zoo["galaxy10_like_confidence"])
    return pd.concat([sample.assign(survey="DECaLS"), pd.DataFrame(theirs).assign(survey="SDSS")], ignore_index=True)


def make_stores(data, folder):
    """Both stores, preprocessed."""
    if not (folder / "votes").exists():
        table = vote_table(data)
        table.to_csv(folder / "votes.csv", index=False)
        questions = GZ2 + EFIGI + RINGS
        import_images(folder / "votes.csv", folder / "votes", images=data, votes=questions, fractions=(0.9, 0.05, 0.05))
    if not (folder / "classes").exists():
        table = class_table(data)
        with StoreWriter(folder / "classes", len(table), SIZE, GALAXY10_CLASSES, dict(kind="box")) as writer:
            with h5py.File(data / "galaxy10_sample.h5") as file:
                count = len(file["images"])
                writer.write(0, file["images"][:], table["label"].to_numpy()[:count])
            for row in range(count, len(table)):
                image = resize_image(read_image(data / table["path"][row], None), SIZE)
                writer.write(row, image[None], table["label"].to_numpy()[row : row + 1])
            writer.catalog = table
    for name in ("votes", "classes"):
        store = Store(folder / name)
        if not store.is_preprocessed:
            preprocess_store(store, workers=2)


def divide(store, fold, seed=0):
    """Which row is trained on, validated on (the fold) and tested on (another survey). Without a fold all but twenty of
    another survey are trained on; those choose nothing."""
    table = pd.read_csv(store.path / "catalog.csv")
    ours = np.flatnonzero(table["survey"] == "DECaLS")
    pairs = related_pairs(*table.loc[ours, ["ra", "dec"]].to_numpy().T)
    folds = np.full(len(store), -1)
    folds[ours] = stratified_folds(store.labels[ours], connected_groups(len(ours), pairs), FOLDS, seed)
    sure = np.flatnonzero((table["survey"] == "SDSS") & (table["confidence"] >= SURE))
    held = random_generator(seed, 1).permutation(sure)[: len(sure) // 5]
    theirs = table[table["survey"] == "SDSS"].drop(held if fold is not None else held[:20])
    theirs = theirs[theirs["confidence"] >= LEAST_SURE].sort_values("confidence", ascending=False)
    part = np.full(len(store), "", object)
    part[ours], part[theirs.groupby("label").head(MOST).index] = "train", "train"
    part[held if fold is not None else held[:10]] = "test"
    part[folds == fold if fold is not None else held[10:20]] = "valid"
    return pd.DataFrame(dict(part=part))


def fold_store(folder, fold):
    """The store of classes, split for a fold; its images are links to those of the whole store."""
    whole, path = Store(folder / "classes"), folder / f"classes-{'all' if fold is None else f'fold{fold}'}"
    if not (path / "train_indices.npy").exists():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(whole.path, path, copy_function=os.link)  # whatever is written later replaces its link
        save_splits(Store(path), table=divide(whole, fold))
    return Store(path)


def learn_votes(folder, options):
    """Train on votes."""
    settings = dict(target="votes", size=options.vote_size, epochs=options.vote_epochs, batch_size=32)
    if options.vote_start:
        settings |= dict(learning_rate=options.rate)
    config = TrainingConfig(group=options.group, widths=options.widths, **(RECIPE | settings))
    start = options.vote_start and folder / options.vote_start / "best.pt"
    summary = fit(Store(folder / "votes"), config, folder / vote_run(options), start=start, tracking="none")
    WEIGHTS.mkdir(exist_ok=True)
    notes = dict(name="votes", credit=CREDIT, licence="MIT", commit=git_commit(), rmse=summary["valid_rmse"])
    network = load_model(folder / vote_run(options))
    save_checkpoint(WEIGHTS / "votes.safetensors", network, GZ2 + EFIGI + RINGS, **notes)
    return summary


def vote_run(options):
    """Name of the run on votes."""
    return f"votes-{options.group}-{options.vote_size}px-{options.vote_epochs}"


def class_config(options, seed=0):
    """Settings of the training on classes."""
    sizes = dict(group=options.group, widths=options.widths, size=options.size)
    return TrainingConfig(epochs=options.epochs, seed=seed, **sizes, **(RECIPE | dict(learning_rate=options.rate)))


@torch.no_grad()
def predict_degraded(network, store, part):
    """What the network says about a part's images, degraded before stars are removed."""
    parameters = PreprocessingParameters.from_dict(store.manifest["preprocessing"]["parameters"])
    rows, done = store.split(part), []
    for kind, level in DEGRADED:
        for row in rows:
            image = PERTURBATIONS[kind][0](np.array(store.images[row]), level, random_generator(0, int(row)))
            done.append(preprocess_image(image, parameters))
    images, measurements = np.stack([one.image for one in done]), np.stack([one.measurements for one in done])
    plain, parts = to_plain(network), (torch.from_numpy(array).split(64) for array in (images, measurements))
    embeddings = torch.cat([embed_zoomed(plain, *batch, ZOOMS) for batch in zip(*parts, strict=True)])
    probabilities = plain.head(embeddings).softmax(1)
    return Predictions(np.tile(store.labels[rows], len(DEGRADED)), probabilities.numpy(), embeddings.numpy())


def train_fold(folder, options, fold, seed):
    """Train without one fold; probabilities and labels of the fold and of the other survey."""
    place = folder / f"{options.name}-fold{fold}-seed{seed}"
    store = fold_store(folder, fold)
    torch.set_num_threads(max(1, cpu_count() // options.jobs))
    start = None if options.scratch else folder / vote_run(options) / "best.pt"
    summary = fit(store, class_config(options, seed), place, start=start, tracking="none", quiet=True)
    network = load_model(place / "best.pt").eval()
    train, *parts = (predict_split(network, store, part, zooms=ZOOMS) for part in ("train", "valid", "test"))
    parts.append(predict_degraded(network, store, "valid"))
    detector = fit_novelty(train.descriptions, train.labels, np.concatenate([part.descriptions for part in parts[:2]]))
    found = {
        name: (part.labels, part.probabilities, detector(part.descriptions))
        for name, part in zip(("DECaLS", "SDSS", "degraded"), parts, strict=True)
    }
    found_right = (parts[0].probabilities.argmax(1) == parts[0].labels).mean()
    print(place.name, f"{summary['valid_accuracy']:.3f}, at {len(ZOOMS)} magnifications {found_right:.3f}", flush=True)
    return found | dict(limit=detector.limit)


def peak_memory():
    """Gigabytes that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def scores(labels, probabilities):
    """Accuracy, macro-F1, calibration error, and accuracy of each class."""
    found = evaluate(labels, probabilities, GALAXY10_CLASSES)
    error = expected_calibration_error(labels, probabilities)
    by_class = {
        name: float((probabilities.argmax(1) == labels)[labels == number].mean())
        for number, name in enumerate(GALAXY10_CLASSES)
        if (labels == number).any()
    }
    return dict(
        accuracy=found["accuracy"],
        macro_f1=found["macro_f1"],
        calibration_error=error,
        calibration_floor=calibration_floor(probabilities),
        images=len(labels),
        recall=by_class,
    )


def validate_folds(folder, options):
    """Cross-validation: accuracy on the sample over folds and seeds, and on another survey."""
    for fold in range(options.folds):
        fold_store(folder, fold)
    turns = [(fold, seed) for seed in range(options.seeds) for fold in range(options.folds)]
    runs = Parallel(options.jobs)(delayed(train_fold)(folder, options, *turn) for turn in turns)
    accuracies = np.array([(run["DECaLS"][1].argmax(1) == run["DECaLS"][0]).mean() for run in runs])
    pooled = {
        name: [np.concatenate([run[name][side] for run in runs]) for side in range(3)]
        for name in ("DECaLS", "SDSS", "degraded")
    }
    temperature = fit_temperature(*pooled["DECaLS"][:2])
    for part in pooled.values():
        part[1] = apply_temperature(part[1], temperature)
    slope = fit_novelty_slope(*pooled["degraded"])
    found = {name: scores(labels, temper(*part, slope)) for name, (labels, *part) in pooled.items()}
    for name, times in (("DECaLS", options.seeds), ("SDSS", len(runs)), ("degraded", options.seeds * len(DEGRADED))):
        found[name]["images"] //= times  # each run predicts the same galaxies of SDSS
    error = accuracies.std(ddof=1) / len(accuracies) ** 0.5 if len(accuracies) > 1 else np.nan
    print(f"{options.name}: {accuracies.mean():.3f} ± {error:.3f}, temperature {temperature:.2f}, slope {slope:.2f}")
    print(json.dumps(found, indent=1))
    return dict(
        accuracy=accuracies.mean(),
        standard_error=error,
        folds=accuracies.tolist(),
        seeds=options.seeds,
        temperature=temperature,
        novelty_slope=slope,
        novelty_limit=float(np.mean([run["limit"] for run in runs])),
        surveys=found,
        config={name: value for name, value in vars(options).items() if not isinstance(value, Path)},
        commit=git_commit(),
        hardware=hardware(),
    )


def compare_zooms(folder, options):
    """Accuracy with each second magnification; and if a fold's is chosen on the other four, which is no choice on the
    images that it is judged on."""
    ways, right = [(1.0,), *((1.0, zoom) for zoom in SECOND_ZOOMS)], []
    for fold in range(options.folds):
        network = load_model(folder / f"{options.name}-fold{fold}-seed0" / "best.pt").eval()
        parts = [predict_split(network, fold_store(folder, fold), "valid", zooms=zooms) for zooms in ways]
        right.append(np.stack([part.probabilities.argmax(1) == part.labels for part in parts]))
    chosen = [
        int(np.concatenate(right[:fold] + right[fold + 1 :], axis=1).mean(1).argmax()) for fold in range(options.folds)
    ]
    others = np.concatenate([right[fold][way] for fold, way in enumerate(chosen)])
    accuracies = np.concatenate(right, axis=1).mean(1)
    return dict(
        rows=[dict(zooms=zooms, accuracy=found) for zooms, found in zip(ways, accuracies.tolist(), strict=True)],
        chosen_on_other_folds=[ways[way] for way in chosen],
        accuracy=float(others.mean()),
        images=len(others),
        commit=git_commit(),
        hardware=hardware(),
    )


CARD = """# Model card: galaxy10

A classifier of galaxy morphology: the ten classes of Galaxy10 DECaLS, with calibrated probabilities.

**Network.** {network}; {learned:,} learned parameters. Its scores are the same for the eight rotations and reflections
of an image by quarter turns. It looks at each image at the magnifications {looks}. Stars are removed first, and the
asymmetry of the galaxy is a second input.

**Trained on** images of two surveys: {data}. First on votes and attributes ({votes}), then on classes ({classes}).

**Measured** by five-fold cross-validation on the sample of Galaxy10 DECaLS, shared sky kept together: accuracy
**{accuracy:.1%} ± {standard_error:.1%}**. The galaxies of Galaxy Zoo 2 below are those whose votes lead to a class with
a confidence of {sure} or more; none of them was trained on in the folds. The network in the file was trained on all.
The second magnification was chosen on the same folds; chosen on the other four for each, it gives {nested:.1%}.

| | Galaxy10 DECaLS | Galaxy Zoo 2 (SDSS) |
|---|---|---|
{rows}

**Probabilities** were calibrated by a temperature ({temperature:.2f}) fitted on the folds, and hold for as many
galaxies of each class. `prior="galaxy10"`, or a table of counts, reweights them for other shares. An image that is
unlike the training gets less confident ones (slope {novelty_slope:.2f}, fitted on degraded images of the folds: noise,
blur, brightness, JPEG; accuracy there {degraded:.0%}, calibration error {degraded_error:.2f}).

**Limits.** One galaxy in the centre of a square image, in colours as the Legacy Surveys' viewer or SDSS's draw them.
Merging, disturbed and loose-armed galaxies are confused most often. Galaxies of SDSS in the classes Disturbed, Unbarred
Tight Spiral and Unbarred Loose Spiral were too few to be measured. Images unlike the training have a novelty above 1.

**Credit.** {credit}.

**Licence** of the weights: {licence}. Made by `benchmarks/box.py` of commit `{commit}`.
"""


def vote_stages(options):
    """How votes were learned, in words."""
    last = f"{options['vote_epochs']} epochs at {options['vote_size']} px"
    if not options["vote_start"]:
        return last
    _, _, size, epochs = options["vote_start"].split("-")  # as `vote_run` names it
    return f"{epochs} epochs at {size.removesuffix('px')} px, then {last}"


def model_card(network, notes, found, nested):
    """What the network is, what it learned from, how good it is and what it cannot do."""
    ours, theirs = found["surveys"]["DECaLS"], found["surveys"]["SDSS"]
    names = dict(images="images", accuracy="accuracy", macro_f1="macro-F1", calibration_error="calibration error")
    names |= dict(calibration_floor="calibration error of true probabilities")
    rows = [f"| {label} | {ours[key]:.3g} | {theirs[key]:.3g} |" for key, label in names.items()]
    for name in GALAXY10_CLASSES:
        shown = [f"{part['recall'][name]:.0%}" if name in part["recall"] else "–" for part in (ours, theirs)]
        rows.append(f"| {name}, recall | {shown[0]} | {shown[1]} |")
    options = found["config"]
    shown = dict(
        network=f"{network.config['group']}-equivariant CNN at {network.config['size']} px",
        learned=count_parameters(network, learned=True),
        votes=vote_stages(options),
        classes=f"{options['epochs']} epochs at {options['size']} px",
        sure=SURE,
        looks=" and ".join(f"{zoom:.3g}" for zoom in ZOOMS),
        rows="\n".join(rows),
    )
    degraded = found["surveys"]["degraded"]
    shown |= dict(degraded=degraded["accuracy"], degraded_error=degraded["calibration_error"], nested=nested)
    return CARD.format(**notes, **shown, standard_error=found["standard_error"])


def make_final(folder, options, results):
    """Train on all galaxies; temperature and limit of novelty are those of the folds."""
    store, place = fold_store(folder, None), folder / f"{options.name}-final"
    fit(store, class_config(options), place, start=folder / vote_run(options) / "best.pt", tracking="none")
    network = load_model(place / "best.pt")
    train = predict_split(network, store, "train", zooms=ZOOMS)
    detector = fit_novelty(train.descriptions, train.labels, train.descriptions)
    found = load_json(results)
    detector = replace(detector, limit=found["novelty_limit"])
    notes = dict(
        name="Galaxy10 DECaLS",
        image_size=SIZE,
        cleaned=True,
        preprocessing=store.manifest["preprocessing"]["parameters"],
        temperature=found["temperature"],
        novelty_slope=found["novelty_slope"],
        zooms=ZOOMS,
        accuracy=found["accuracy"],
        credit=CREDIT,
        licence="MIT",
        commit=found["commit"],
        data="Galaxy10 DECaLS (499), Galaxy Zoo 2 (787), EFIGI (3,578), Legacy Surveys (469)",
    )
    WEIGHTS.mkdir(exist_ok=True)
    detected = found["temperature"], detector
    export_onnx(network, WEIGHTS / "galaxy10.onnx", GALAXY10_CLASSES, notes, SIZE, *detected, zooms=ZOOMS)
    save_checkpoint(WEIGHTS / "galaxy10.safetensors", network, GALAXY10_CLASSES, **notes)
    nested = load_json(results.with_name("box_zooms.json"))["accuracy"]
    (WEIGHTS / "MODEL_CARD.md").write_text(model_card(network, notes, found, nested))


def run_time(place, stage, size, runs=1):
    """Epochs, minutes and speed of a run that has ended, from the times in its history."""
    history, notes = pd.read_csv(place / "history.csv"), load_json(place / "summary.json")
    seconds = np.diff(history["time"]) / 1000  # between the ends of epochs
    return dict(
        stage=stage,
        size=size,
        epochs=len(history),
        threads=int(notes["hardware"].split(",")[-1].split()[0]),
        runs=runs,
        minutes=round(float(seconds.mean()) * len(history) / 60, 1),
        seconds_an_epoch=round(float(np.median(seconds)), 1),
    )


def stage_times(folder, options):
    """A row for each stage: how long it took, and what memory a fresh run of it holds."""
    rows = []
    for run in filter(None, (options.vote_start, vote_run(options))):
        size = int(run.split("-")[2].removesuffix("px"))
        rows.append(
            run_time(folder / run, "votes", size) | dict(gigabytes=fresh_memory(folder, "votes", options, size))
        )
    memory = fresh_memory(folder, "classes-all", options, options.size)
    folds = f"{options.name}-fold0-seed0"
    for run, stage, runs in ((folds, "classes, a fold", options.folds), (f"{options.name}-final", "classes, all", 1)):
        rows.append(run_time(folder / run, stage, options.size, runs) | dict(gigabytes=memory))
    return dict(rows=rows, commit=git_commit(), hardware=hardware())


def fresh_memory(folder, store, options, size):
    """Gigabytes that a process needs for one epoch at a size: another process, since a peak is never forgotten."""
    settings = dict(group=options.group, size=size, epochs=1, batch_size=32 if store == "votes" else 16)
    code = f"""import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from box import *
config = TrainingConfig(target={"votes" if store == "votes" else "classes"!r}, **(RECIPE | {settings!r}))
fit(Store({str(folder / store)!r}), config, sys.argv[1], tracking="none", quiet=True)
print(peak_memory())"""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-c", code, f"{place}/run"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(float(done.stdout.split()[-1]), 2)


def main():
    """One stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("stores", "votes", "folds", "zooms", "final", "times"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="real images")
    parser.add_argument("--folder", type=Path, default=Path("box"), help="stores and runs")
    parser.add_argument("--group", default="D4")
    parser.add_argument("--widths", type=lambda text: tuple(map(int, text.split(","))), help="of the network")
    parser.add_argument("--vote-size", type=int, default=65, help="pixels, when learning votes")
    parser.add_argument("--vote-epochs", type=int, default=30)
    parser.add_argument("--vote-start", help="run on votes at another size to start from, such as votes-D4-65px-30")
    parser.add_argument("--size", type=int, default=97, help="pixels, when learning classes")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--rate", type=float, default=1e-2, help="highest learning rate from such a start")
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of the five")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time, each on its share of the cores")
    parser.add_argument("--scratch", action="store_true", help="without votes")
    parser.add_argument("--name", default="box", help="of the fold's runs")
    parser.add_argument("--output", type=Path, help="JSON to write")
    parser.add_argument("--results", type=Path, default=Path("results/box.json"), help="of the folds")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.stage == "stores":
        make_stores(options.data, options.folder)
    elif options.stage == "votes":
        print(learn_votes(options.folder, options))
    elif options.stage == "folds":
        found = validate_folds(options.folder, options)
        if options.output:
            save_json(options.output, found)
    elif options.stage in ("zooms", "times"):
        found = (compare_zooms if options.stage == "zooms" else stage_times)(options.folder, options)
        print(pd.DataFrame(found["rows"]).to_string(index=False))
        if options.output:
            save_json(options.output, found)
    else:
        make_final(options.folder, options, options.results)


if __name__ == "__main__":
    main()
