"""Weights by name: shipped with the package, or in the user's own folder."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from rnaformer_cli.errors import WeightsError
from rnaformer_cli.model.config import CONFIG_FILE

DEFAULT = "rnaformer-small"


def shipped_folder() -> Path:
    """Where the package keeps the weights that it came with; in a checkout, `weights/`."""
    try:
        return Path(str(resources.files("rnaformer_cli.weights")))
    except ModuleNotFoundError:
        return Path(__file__).parents[2] / "weights"


def user_folder() -> Path:
    """Where imported and fetched weights go: RNAFORMER_HOME, else the XDG cache folder."""
    home = os.environ.get("RNAFORMER_HOME")
    if home:
        return Path(home) / "weights"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "rnaformer" / "weights"


def all_weights() -> dict[str, Path]:
    """The folder of each named checkpoint; a shipped one hides the user's of the same name."""
    found: dict[str, Path] = {}
    for root in (shipped_folder(), user_folder()):
        if root.is_dir():
            for folder in sorted(root.iterdir()):
                if (folder / CONFIG_FILE).is_file():
                    found.setdefault(folder.name, folder)
    return found


def find_weights(name: str | Path) -> Path:
    """The folder of a checkpoint, given by its name or as a folder itself.

    Raises:
        WeightsError: neither a folder nor a name that is known.
    """
    if (Path(name) / CONFIG_FILE).is_file():
        return Path(name)
    known = all_weights()
    if str(name) in known:
        return known[str(name)]
    if os.sep in str(name):
        raise WeightsError(f"no {CONFIG_FILE} in this folder", path=name)
    listed = ", ".join(known) or "none"
    raise WeightsError(f"no weights named {str(name)!r}; known: {listed}")
