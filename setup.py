"""Packaging, driven by settings.ini: names, versions and dependencies are written there and nowhere else."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

parser = ConfigParser(delimiters=["="])
parser.read(Path(__file__).parent / "settings.ini", encoding="utf-8")
settings = parser["DEFAULT"]


def wanted(*kinds):
    """The requirements of some extras together."""
    return [name for kind in kinds for name in settings[f"{kind}_requirements"].split()]


setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=settings["author"],
    url=settings["git_url"],
    keywords=settings["keywords"].split(),
    license="MIT",
    packages=find_packages(include=["galaxy_classifier", "galaxy_classifier.*"]),
    python_requires=f">={settings['min_python']}",
    install_requires=settings["requirements"].split(),
    extras_require={
        "formats": wanted("formats"),
        "cluster": wanted("cluster"),
        "predict": wanted("predict"),
        "app": wanted("predict", "app"),
        "train": wanted("formats", "cluster", "predict", "app", "train"),
        "dev": wanted("formats", "cluster", "predict", "app", "train", "dev"),
    },
    entry_points={
        "console_scripts": settings["console_scripts"].strip().splitlines(),
        "nbdev": [f"{settings['lib_name']}={settings['lib_name']}._modidx:d"],
    },
    package_data={
        "galaxy_classifier": ["py.typed", "figures.mplstyle", "weights/*"],
        "galaxy_classifier.data": ["galaxy10_split.csv"],
        "galaxy_classifier.preprocessing": ["star_classifier.json"],
    },
    zip_safe=False,
)
