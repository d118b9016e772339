"""All metadata of the distribution; tools are configured in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE / "rnaformer_cli/__init__.py").read_text(encoding="utf-8")
)

setup(
    name="rnaformer-cli",
    version=VERSION.group(1),
    description="RNA secondary structure prediction with an RNAformer, on the command line",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The rnaformer developers",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[
        *find_packages(include=["rnaformer_cli", "rnaformer_cli.*"]),
        "rnaformer_cli.weights",
    ],
    package_dir={"rnaformer_cli.weights": "weights"},
    package_data={
        "rnaformer_cli": ["py.typed"],
        "rnaformer_cli.families": ["rfam_names.tsv"],
        "rnaformer_cli.reporting": ["page/*"],
        "rnaformer_cli.weights": ["*.md", "*/config.json", "*/*.safetensors", "*/README.md"],
    },
    data_files=[("share/man/man1", ["docs/man/rnaformer.1"])],
    install_requires=[
        "torch>=2.9",
        "numpy>=1.26",
        "biopython>=1.81",
        "click>=8.1",
        "rich>=13",
        "safetensors>=0.4.3",
        "rustworkx>=0.15",
        "pyyaml>=6",
        "jinja2>=3.1",
        "tomli>=2; python_version < '3.11'",
    ],
    extras_require={
        "label": ["ViennaRNA>=2.6"],
        "train": ["matplotlib>=3.8"],
        "draw": ["matplotlib>=3.8", "ViennaRNA>=2.6"],
        "test": [
            "pytest>=9",
            "pytest-cov>=5",
            "pytest-xdist>=3.6",
            "hypothesis>=6.100",
            "ruff>=0.15",
            "mypy>=1.11",
            "ViennaRNA>=2.6",
            "matplotlib>=3.8",
            "snakemake>=9; python_version >= '3.11'",
            "playwright>=1.45",
        ],
        "fuzz": ["atheris>=3; platform_system == 'Linux'"],
        "oracles": ["biotite>=1", "rnapolis>=0.11"],
    },
    entry_points={"console_scripts": ["rnaformer=rnaformer_cli.cli.main:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Topic :: Scientific/Engineering :: Bio-Informatics",
        "Typing :: Typed",
    ],
)
