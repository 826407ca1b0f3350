"""The figure on the first page: galaxies, without their stars, and what a steerable filter finds in them.

python docs/picture.py     # writes nbs/images/galaxies.jpg
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure

from galaxy_classifier.core import GALAXY10_CLASSES
from galaxy_classifier.data.simulation import simulate_galaxy
from galaxy_classifier.model.groups import SteerableConvolution, enn, make_group
from galaxy_classifier.model.networks import resize_images
from galaxy_classifier.preprocessing.star_removal import preprocess_image

ROWS = "as a survey\nsees them", "stars removed", "edges, whatever\ntheir direction"
NIGHT, LETTERS = "#05070f", "#dfe6f5"


def feature_of(images):
    """The largest of the four maps of one regular field, for each picture; (N,H,W), from 0 to 1."""
    space = make_group("C4")
    torch.manual_seed(4)
    layer = SteerableConvolution(
        enn.FieldType(space, [space.trivial_repr]), enn.FieldType(space, [space.regular_repr]), size=9
    )
    with torch.no_grad():
        layer.weights.mul_(0.2)
        layer.weights[6] = 2  # edges
    layer.eval()
    grey = torch.from_numpy(images).float().mean(3)[:, None] / 255
    grey = (grey - grey.flatten(1).median(1).values[:, None, None, None]).clamp_min(0)  # the sky is nothing
    with torch.no_grad():
        maps = layer(enn.GeometricTensor(resize_images(grey, 128), layer.in_type)).tensor.amax(1)
    maps = maps.clamp_min(0)
    return (maps / maps.flatten(1).quantile(0.998, 1)[:, None, None]).clamp(0, 1).sqrt().numpy()


def main():
    """Draw it."""
    seen = np.stack([simulate_galaxy(number, 21, number, 256, magnification=3.0).image for number in range(10)])
    cleaned = np.stack([preprocess_image(image).image for image in seen])
    figure = Figure(figsize=(15, 4.85), facecolor=NIGHT)
    axes = figure.subplots(
        3, 10, gridspec_kw=dict(left=0.032, right=0.998, bottom=0.005, top=0.905, wspace=0.03, hspace=0.03)
    )
    for row, pictures, name in zip(axes, (seen, cleaned, colormaps["magma"](feature_of(cleaned))), ROWS, strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(picture, interpolation="lanczos")
            axis.set_axis_off()
        row[0].text(
            -0.04,
            0.5,
            name,
            rotation=90,
            ha="right",
            va="center",
            color=LETTERS,
            fontsize=11,
            transform=row[0].transAxes,
        )
    for axis, name in zip(axes[0], GALAXY10_CLASSES, strict=True):
        axis.set_title(name.replace(" ", "\n", 1) if len(name) > 14 else name, color=LETTERS, fontsize=10, pad=5)
    figure.savefig(
        Path(__file__).resolve().parents[1] / "nbs" / "images" / "galaxies.jpg",
        dpi=110,
        facecolor=NIGHT,
        pil_kwargs=dict(quality=88),
    )


if __name__ == "__main__":
    main()
