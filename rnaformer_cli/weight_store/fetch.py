"""Download published weights on request, and translate them into checkpoints."""

from __future__ import annotations

import os
import re
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, InvalidURL
from pathlib import Path
from typing import IO

from rnaformer_cli.errors import InputError, OutputError, WeightsError, shorten_repr
from rnaformer_cli.files import make_folder, os_error_text, sha256_of, text_name
from rnaformer_cli.limits import (
    DOWNLOAD_WINDOW_SECONDS,
    MAX_CONFIG_TEXT,
    MAX_DOWNLOAD_BYTES,
    MAX_FETCH_SECONDS,
    MIN_DOWNLOAD_RATE,
)
from rnaformer_cli.model.checkpoint import Checkpoint, save_checkpoint
from rnaformer_cli.model.config import CONFIG_FILE
from rnaformer_cli.weight_store.published import read_published
from rnaformer_cli.weight_store.store import list_weights, user_folder
from rnaformer_cli.weight_store.urls import SameHostRedirects, check_url, without_credentials
from rnaformer_cli.weight_store.watchdog import Watchdog, WatchedHTTP, WatchedHTTPS, watched

# https://github.com/automl/RNAformer lists these files; no checksums are published.
PUBLISHED_URL = "https://ml.informatik.uni-freiburg.de/research-artifacts/RNAformer/models"
PUBLISHED = {
    "rnaformer-32m-biophysical": "biophysical",
    "rnaformer-32m-bprna": "bprna",
    "rnaformer-32m-intra-family": "intra_family_finetuned",
    "rnaformer-32m-inter-family": "inter_family_finetuned",
}
READ_TIMEOUT = 30.0  # seconds without a byte
HEADER_TIMEOUT = 120.0  # seconds until the body begins
_CHUNK = 1 << 20
_MAX_TEXT = 200  # maximum length of a server's text in a message
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class ImportedCheckpoint:
    """A new checkpoint, and notes for the user on how it was translated."""

    folder: Path
    checkpoint: Checkpoint
    notes: list[str]


def import_published(
    state: str | Path, config: str | Path, target: str | Path, source: str = ""
) -> ImportedCheckpoint:
    """Translate a published state dict and config into a checkpoint folder.

    `target` is a folder if it contains a path separator, else a name in the user's store.

    Raises:
        InputError, ConfigError, WeightsError: files that are not such a checkpoint.
        OutputError: the folder exists already or cannot be written.
    """
    folder = new_checkpoint_folder(target)
    model, tensors, notes = read_published(state, config)
    about = {
        "origin": "published RNAformer weights (automl/RNAformer, Apache-2.0)",
        "source": source or text_name(state),
        "state_sha256": sha256_of(state),
        "config_sha256": sha256_of(config),
        "notes": notes,
    }
    make_folder(folder.parent)
    name = text_name(folder)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=folder.parent) as temporary:
        temporary_folder = Path(temporary) / "checkpoint"
        make_folder(temporary_folder)
        try:
            checkpoint = save_checkpoint(
                temporary_folder, name, model, tensors, about, _model_card(name, about["source"])
            )
        except WeightsError as error:
            raise error.at(state) from None
        _move(temporary_folder, folder)
    return ImportedCheckpoint(folder, checkpoint, notes)


def new_checkpoint_folder(target: str | Path) -> Path:
    """The folder for a new checkpoint, given by a name or a folder.

    Raises:
        OutputError: a checkpoint of this name exists already, in the store or in the package.
    """
    text = str(target)
    is_name = text and not text.startswith(".") and os.sep not in text
    folder = list_weights().get(text, user_folder() / text) if is_name else Path(target)
    if (folder / CONFIG_FILE).exists():
        raise OutputError("already contains a checkpoint; choose another name", path=folder)
    return folder


def fetch(
    name: str,
    base_url: str = PUBLISHED_URL,
    sha256: str | None = None,
    on_url: Callable[[str], None] = lambda _: None,
) -> ImportedCheckpoint:
    """Download published weights by name into the user's store; partial files are removed.

    The config of the checkpoint records the checksums of the downloaded files. `sha256` is the
    expected checksum of the state dict. `on_url` is called with each URL.

    Raises:
        WeightsError: a name that is not published.
        OutputError: a checkpoint of this name exists already.
        InputError: the download failed, stopped early, was too slow or too large, was redirected to
            another host, has another checksum, or took longer than MAX_FETCH_SECONDS in total.
    """
    if name not in PUBLISHED:
        listed = ", ".join(PUBLISHED)
        raise WeightsError(f"no published weights named {name!r}; known: {listed}")
    new_checkpoint_folder(name)  # before the download, not after
    stem = PUBLISHED[name]
    base_url = base_url.rstrip("/")
    latest = time.monotonic() + MAX_FETCH_SECONDS
    with tempfile.TemporaryDirectory(prefix="rnaformer-fetch-") as temporary:
        state = Path(temporary) / f"RNAformer_32M_state_dict_{stem}.pth"
        config = Path(temporary) / f"RNAformer_32M_config_{stem}.yml"
        for path, limit in ((config, MAX_CONFIG_TEXT), (state, MAX_DOWNLOAD_BYTES)):
            url = f"{base_url}/{path.name}"
            on_url(without_credentials(url))
            download(url, path, min(limit, MAX_DOWNLOAD_BYTES), latest)
        if sha256 is not None and (digest := sha256_of(state)) != sha256:
            raise InputError(
                f"sha256 is {digest}, expected {sha256}", path=without_credentials(url)
            )
        return import_published(state, config, name, without_credentials(url))


def download(url: str, path: Path, limit: int, latest: float) -> None:
    """Download a URL into a file, and check its length against Content-Length.

    `limit` is the largest number of bytes; `latest` is a deadline on the monotonic clock.

    Raises:
        InputError: any failure, with the URL.
    """
    shown = without_credentials(url)
    try:
        check_url(url)
    except ValueError:
        raise InputError("not a URL", path=shown) from None
    with watched(HEADER_TIMEOUT, latest) as watchdog:
        try:
            _download(url, path, limit, watchdog)
        except InputError:
            if not watchdog.has_fired:
                raise
        if watchdog.has_fired:  # a closed connection may look like the end of the body
            message = "timed out: the server sends data too slowly"
            if time.monotonic() >= latest:
                message = f"not done within {MAX_FETCH_SECONDS:,g} seconds (the limit)"
            raise InputError(message, path=shown)


def _download(url: str, path: Path, limit: int, watchdog: Watchdog) -> None:
    shown = without_credentials(url)
    try:
        _request(url, path, limit, watchdog)
    except urllib.error.HTTPError as error:
        raise InputError(f"the server returned {_status_text(error.code)}", path=shown) from None
    except urllib.error.URLError as error:
        why = os_error_text(error.reason) if isinstance(error.reason, OSError) else error.reason
        raise InputError(f"cannot connect: {_cut(str(why))}", path=shown) from None
    except TimeoutError:
        raise InputError(f"no response for {READ_TIMEOUT:g} seconds", path=shown) from None
    except (InvalidURL, ValueError):  # the URL was checked
        raise InputError("the proxy address is not a valid URL", path=shown) from None
    except HTTPException:
        raise InputError("invalid or incomplete HTTP response", path=shown) from None
    except OSError as error:
        raise InputError(f"transfer failed: {_cut(os_error_text(error))}", path=shown) from None


def _status_text(code: int) -> str:
    """A status with the phrase of the HTTP standard; the phrase of a server may be any text."""
    known = {status.value: status.phrase for status in HTTPStatus}
    more = " without a valid redirect" if code in _REDIRECTS else ""
    return f"{code} {known.get(code, '')}".rstrip() + more


def _cut(text: str) -> str:
    """Text that may come from a server or a proxy, cut to _MAX_TEXT letters."""
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."


def _request(url: str, path: Path, limit: int, watchdog: Watchdog) -> None:
    """Request a URL and write the body of the response to a file.

    Raises:
        InputError: a response without a body, or a body of another length than announced.
        OSError, HTTPException, ValueError: errors of urllib.
    """
    shown = without_credentials(url)
    handlers = (SameHostRedirects, WatchedHTTP(watchdog), WatchedHTTPS(watchdog))
    with urllib.request.build_opener(*handlers).open(url, timeout=READ_TIMEOUT) as response:
        if response.status != HTTPStatus.OK:  # for example 206, partial content
            raise InputError(f"the server returned {_status_text(response.status)}", path=shown)
        announced = response.headers.get("Content-Length")
        if announced is not None and not re.fullmatch("[0-9]{1,18}", announced):
            message = f"Content-Length is not a number: {shorten_repr(announced)}"
            raise InputError(message, path=shown)
        with path.open("wb") as file:
            received = _receive_body(response, file, shown, limit, watchdog)
    if announced is not None and received != int(announced):
        raise InputError(f"download stopped after {received} of {announced} bytes", path=shown)


def _receive_body(
    response: HTTPResponse, file: IO[bytes], url: str, limit: int, watchdog: Watchdog
) -> int:
    """Write the body to a file and return its length in bytes.

    Raises:
        InputError: a body above `limit`, or a rate below MIN_DOWNLOAD_RATE.
    """
    received = received_before = 0
    watchdog.extend(2 * DOWNLOAD_WINDOW_SECONDS)
    window_start = time.monotonic()
    while chunk := response.read1(_CHUNK):
        file.write(chunk)
        received += len(chunk)
        if received > limit:
            raise InputError(f"more than {limit:,} bytes (the limit)", path=url)
        if time.monotonic() - window_start > DOWNLOAD_WINDOW_SECONDS:
            if received - received_before < MIN_DOWNLOAD_RATE * DOWNLOAD_WINDOW_SECONDS:
                message = f"slower than {MIN_DOWNLOAD_RATE:,} bytes per second"
                raise InputError(message, path=url)
            window_start, received_before = time.monotonic(), received
            watchdog.extend(2 * DOWNLOAD_WINDOW_SECONDS)
    return received


def _move(temporary_folder: Path, folder: Path) -> None:
    try:
        temporary_folder.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot be written: {os_error_text(error)}", path=folder) from None


def _model_card(name: str, source: object) -> str:
    return (
        f"# {name}\n\nImported from published RNAformer weights: {source}.\n\n"
        "Franke, Runge, Koeksal, Backofen, Hutter 2024, bioRxiv 2024.02.12.579881; code and\n"
        "weights: https://github.com/automl/RNAformer (Apache-2.0).\n"
    )
