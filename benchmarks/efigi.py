"""EFIGI: do other pictures with other classes go all the way? Import, split, preprocess, train, analyse, by two label
schemes.

python benchmarks/efigi.py efigi --output efigi_runs

The folder holds labels.csv and images/ (Baillard et al. 2011, A&A 532, A74). The schemes are the ten classes of
Galaxy10
(column galaxy10_like, galaxies without a match left out) and the morphological type T of the catalogue.
"""

import argparse
from pathlib import Path

import pandas as pd

from galaxy_classifier.analysis.report import galaxy_analyse
from galaxy_classifier.core import GALAXY10_CLASSES
from galaxy_classifier.data.importers import galaxy_data
from galaxy_classifier.preprocessing.pipeline import galaxy_preprocess
from galaxy_classifier.training.config import TrainingConfig
from galaxy_classifier.training.fit import galaxy_train


def tables(folder, output):
    """Write one table for each scheme; yields its name and path."""
    catalogue = pd.read_csv(folder / "labels.csv")
    paths = "images/" + catalogue["PGC"].astype(str) + ".jpg"
    schemes = dict(
        galaxy10=catalogue["galaxy10_like"]
        .where(catalogue["galaxy10_like"] >= 0)
        .map(dict(enumerate(GALAXY10_CLASSES))),
        T="T " + catalogue["T"].map("{:+d}".format),
    )
    for name, labels in schemes.items():
        table = output / f"{name}.csv"
        pd.DataFrame(dict(path=paths, label=labels)).dropna().to_csv(table, index=False)
        yield name, table


def main():
    """Run both schemes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds labels.csv and images/")
    parser.add_argument(
        "--output", type=Path, default=Path("efigi_runs"), help="directory for stores, runs and reports"
    )
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--size", type=int, default=65, help="side of the network's input in pixels")
    words = parser.parse_args()
    words.output.mkdir(parents=True, exist_ok=True)
    for name, table in tables(words.folder, words.output):
        store, run = words.output / f"{name}_store", words.output / f"{name}_run"
        galaxy_data(table=table, images=words.folder, store=store, size=88)
        galaxy_preprocess(store=store)
        galaxy_train(
            store=store, output=run, settings=TrainingConfig(epochs=words.epochs, size=words.size, schedule="one-cycle")
        )
        galaxy_analyse(
            store=store, run=str(run), output=words.output / f"{name}.html", results=words.output / f"{name}.json"
        )


if __name__ == "__main__":
    main()
