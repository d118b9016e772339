"""Find weights by name, among those shipped with the package and in the user's folder."""

from __future__ import annotations

import contextlib
import os
from importlib import resources
from pathlib import Path

from rnaformer_cli.errors import WeightsError
from rnaformer_cli.files import os_error_text
from rnaformer_cli.model.config import CONFIG_FILE, FAMILIES_FILE, TENSOR_FILE

DEFAULT = "rnaformer-small"


def shipped_folder() -> Path:
    """The folder of the weights shipped with the package; in a checkout, `weights/`."""
    try:
        return Path(str(resources.files("rnaformer_cli.weights")))
    except ModuleNotFoundError:
        return Path(__file__).parents[2] / "weights"


def user_folder() -> Path:
    """The folder of imported and fetched weights: below RNAFORMER_HOME, else the XDG cache folder.

    Raises:
        WeightsError: neither is set, and the user has no home folder, as in some containers.
    """
    home = os.environ.get("RNAFORMER_HOME")
    if home:
        return Path(home) / "weights"
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        message = "no home folder to store weights in; set RNAFORMER_HOME"
        raise WeightsError(message) from None
    return Path(cache) / "rnaformer" / "weights"


def list_weights() -> dict[str, Path]:
    """The folder of each checkpoint by name; shipped weights take precedence over the user's."""
    folders: dict[str, Path] = {}
    roots = [shipped_folder()]
    with contextlib.suppress(WeightsError):
        roots.append(user_folder())
    for root in roots:
        for folder in _entries(root):
            if _has_config(folder):
                folders.setdefault(folder.name, folder)
    return folders


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder, in order; none if it belongs to another user or is not a folder."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _has_config(folder: Path) -> bool:
    try:
        return (folder / CONFIG_FILE).is_file()
    except OSError:  # the folder of another user
        return False


def _store_error_text() -> str:
    """Why the user's own weights cannot be listed, as the end of a message; "" if they can."""
    try:
        next(user_folder().iterdir(), None)
    except FileNotFoundError:
        return ""
    except (OSError, WeightsError) as error:
        why = os_error_text(error) if isinstance(error, OSError) else str(error)
        return f" (your own weights cannot be listed: {why})"
    return ""


def find_weights(name: str | Path) -> Path:
    """The folder of a checkpoint, given by its name or its folder.

    Raises:
        WeightsError: neither a folder with weights nor a known name; a file that links outside of
            the folder. Shipped weights may be links, since some installers create them.
    """
    known = list_weights()
    if str(name) and (Path(name) / CONFIG_FILE).is_file():  # "" would be the current folder
        folder = Path(name)
    elif str(name) in known:
        folder = known[str(name)]
    elif os.sep in str(name):
        raise WeightsError(f"no {CONFIG_FILE} in this folder", path=name)
    else:
        listed = ", ".join(known) or "none"
        raise WeightsError(f"no weights named {str(name)!r}; known: {listed}{_store_error_text()}")
    if folder.parent != shipped_folder():
        _check_links(folder)
    return folder


def _check_links(folder: Path) -> None:
    for name in (CONFIG_FILE, TENSOR_FILE, FAMILIES_FILE):
        path = folder / name
        if path.is_symlink() and folder.resolve() not in path.resolve().parents:
            message = "a link to a file outside its folder; copy the file (cp -L)"
            raise WeightsError(message, path=path)
