"""The split of Galaxy10 DECaLS that others can use, from the published positions alone.

python benchmarks/split.py Galaxy10_coord.csv

Writes results/galaxy10_split.csv, the copy that the package brings, and results/galaxy10_split.json with its counts.
The table of positions has a row for each image, in the file's order, with RA and DEC in degrees; it is published at
https://github.com/henrysky/Galaxy10. In that order the classes follow one another, so labels follow from their counts.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_classifier.core import GALAXY10_CLASSES, GalaxyError, atomic_path, random_generator, save_json
from galaxy_classifier.data.splits import SAME_POSITION, SHARED_SKY, related_pairs, split_table
from galaxy_classifier.training.tracking import git_commit

ROOT = Path(__file__).resolve().parents[1]
COUNTS = 1081, 1853, 2645, 2027, 334, 2043, 1829, 2628, 1423, 1873  # images of each class in the published file
PARTS = {"train": 0.6, "valid": 0.2, "test": 0.2}
RADII = {"one galaxy": SAME_POSITION, "one centre in the other's image": SHARED_SKY / 2, "images overlap": SHARED_SKY}
SHUFFLES = 100


def read_positions(path):
    """Right ascension and declination of each image, degrees. Raises `GalaxyError` for another table."""
    if not path.is_file():
        raise GalaxyError(f"{path} does not exist; fetch Galaxy10_coord.csv from github.com/henrysky/Galaxy10.")
    table = pd.read_csv(path)
    if len(table) != sum(COUNTS) or not {"RA", "DEC"} <= set(table):
        raise GalaxyError(f"{path} has {len(table)} rows and the columns {list(table)}; "
                          f"expected {sum(COUNTS)} rows with RA and DEC.")
    return table["RA"].to_numpy(float), table["DEC"].to_numpy(float)


def torn(pairs, parts):
    """How many pairs are in two parts."""
    return int((parts[pairs["first"]] != parts[pairs["second"]]).sum())


def count_pairs(pairs, labels, table):
    """For each radius: pairs, their images, how they are labelled, and how many are torn apart."""
    names = np.array(list(PARTS))
    shuffles = [names[random_generator(seed).choice(3, len(labels), p=list(PARTS.values()))]
                for seed in range(SHUFFLES)]
    rows = []
    for name, radius in RADII.items():
        near = pairs[pairs["separation"] <= radius]
        first, second, both = labels[near["first"]], labels[near["second"]], near[["first", "second"]]
        rows.append({
            "what": name, "within arcsec": radius, "pairs": len(near), "images": len(np.unique(both)),
            "two classes": int((first != second).sum()), "both Merging": int(((first == 1) & (second == 1)).sum()),
            "torn by this split": torn(near, table["part"].to_numpy()),
            "torn by a shuffle": round(float(np.mean([torn(near, parts) for parts in shuffles])), 1),
        })  # fmt: skip
    return rows


def summary(table, pairs, labels):
    """What is in the table, as counts."""
    train = table[table["part"] == "train"]
    by_class = pd.crosstab(labels, table["part"])[list(PARTS)]
    folds = pd.crosstab(train["fold"].astype(int), labels[train.index])
    return dict(
        images=table["part"].value_counts()[list(PARTS)].to_dict(),
        classes={name: by_class.loc[label].to_dict() for label, name in enumerate(GALAXY10_CLASSES)},
        folds={str(fold): counts.tolist() for fold, counts in folds.iterrows()},
        groups=int((table["group"].value_counts() > 1).sum()),
        groups_in_two_parts=int((table.groupby("group")["part"].nunique() > 1).sum()),
        groups_in_two_folds=int((train.groupby("group")["fold"].nunique() > 1).sum()),
        contradicting_images=table.groupby("part")["conflict"].sum().to_dict(),
        pairs=count_pairs(pairs, labels, table),
    )


def main():
    """Make the table and count what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("positions", type=Path, help="Galaxy10_coord.csv")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where CSV and JSON go")
    parser.add_argument("--package", type=Path, default=ROOT / "galaxy_classifier/data", help="where the copy goes")
    words = parser.parse_args()
    try:
        labels, pairs = np.repeat(np.arange(10), COUNTS), related_pairs(*read_positions(words.positions))
    except GalaxyError as error:
        raise SystemExit(f"split.py: error: {error}") from None
    table = split_table(labels, pairs, classes=list(GALAXY10_CLASSES))
    text = table.to_csv(lineterminator="\n")
    for folder in (words.results, words.package):
        with atomic_path(folder / "galaxy10_split.csv") as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    found = summary(table, pairs, labels)
    data = dict(file=words.positions.name, sha256=hashlib.sha256(words.positions.read_bytes()).hexdigest())
    save_json(
        words.results / "galaxy10_split.json",
        dict(data=data, seed=0, table_sha256=hashlib.sha256(text.encode()).hexdigest(), **found, commit=git_commit()),
    )
    print(pd.DataFrame(found["classes"]).T.to_string(), pd.DataFrame(found["pairs"]).T.to_string(), sep="\n\n")


if __name__ == "__main__":
    main()
