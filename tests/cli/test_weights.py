"""`rnaformer weights`: list, show, verify, import, and fetch from a server on this machine."""

import contextlib
import hashlib
import http.server
import io
import json
import math
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from factories.families import make_library, make_members, make_profile
from safetensors.torch import load_file, save_file

from rnaformer_cli.errors import InputError
from rnaformer_cli.families.mixture import FamilyMixture
from rnaformer_cli.model.checkpoint import load_network, save_checkpoint
from rnaformer_cli.weight_store import fetch
from rnaformer_cli.weight_store.store import DEFAULT, find_weights, shipped_folder
from rnaformer_cli.weight_store.urls import SameHostRedirects, without_credentials

PARITY = Path(__file__).parent.parent / "data" / "parity"
CASES = sorted(path.stem for path in PARITY.glob("*.pth"))
NAME = "rnaformer-32m-bprna"
STATE = "RNAformer_32M_state_dict_bprna.pth"
CONFIG = "RNAformer_32M_config_bprna.yml"


@pytest.fixture
def store(tmp_path):
    """The user's own store of weights, which is not there yet."""
    return tmp_path / "home" / "weights"


@pytest.fixture
def run_import(run_cli):
    """Import a published checkpoint of the test data."""

    def call(case, target):
        state, config = PARITY / f"{case}.pth", PARITY / f"{case}.yml"
        return run_cli("weights", "import", state, "--config", config, "-o", target)

    return call


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def table_of(text):
    return [re.split("  +", line) for line in text.splitlines()]


# list, show, path


def test_the_shipped_weights_are_the_default_and_published_ones_can_be_fetched(run_cli):
    finished = run_cli("weights", "list")
    [header, *shipped] = table_of(finished.out)[: -len(fetch.PUBLISHED)]
    published = table_of(finished.out)[-len(fetch.PUBLISHED) :]
    assert header == ["name", "origin", "size", "time", "F1", "where"]
    assert [row[:2] for row in shipped] == [
        ["rnaformer-base", "shipped"],
        ["rnaformer-small", "shipped, default"],
    ]
    for row in shipped:
        folder = shipped_folder() / row[0]
        config = json.loads((folder / "config.json").read_text())
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        f1 = list(config["about"]["validation_f1"].values())
        time = config["about"]["relative_time"]
        figures = [f"{size:.1f} MB", f"{time:.1f}", f"{sum(f1) / len(f1):.3f}"]
        assert row[2:] == [*figures, str(folder)]
    assert shipped[1][3] == "1.0"
    assert published == [
        [name, "published", "-", "-", "-", f"rnaformer weights fetch {name}"]
        for name in fetch.PUBLISHED
    ]
    assert (finished.err, finished.code) == ("", 0)


@pytest.mark.parametrize("about", ['{"validation_f1": [1]}', '{"relative_time": "x"}', "[]", "3"])
def test_weights_with_a_strange_record_are_listed(run_cli, store, about):
    (store / "mine").mkdir(parents=True)
    (store / "mine" / "config.json").write_text(f'{{"about": {about}}}')
    finished = run_cli("weights", "list")
    assert ["mine", "yours", "-", "-", "-", str(store / "mine")] in table_of(finished.out)
    assert (finished.err, finished.code) == ("", 0)


def test_imported_weights_are_listed_as_yours(run_cli, run_import, store):
    run_import("bprna_like", "mine")
    [row] = [row for row in table_of(run_cli("weights", "list").out) if row[0] == "mine"]
    assert (row[1], row[3:]) == ("yours", ["-", "-", str(store / "mine")])


def test_show_prints_the_config_and_the_origin_of_the_weights(run_cli, run_import, store):
    run_import("bprna_like", "mine")
    finished = run_cli("weights", "show", "mine")
    values = json.loads(finished.out)
    assert list(values) == ["folder", "name", "model", "sha256", "families", "about", "config"]
    assert values["folder"] == str(store / "mine")
    assert (values["model"]["dim"], values["model"]["cycles"]) == (16, 6)
    assert values["about"]["source"] == "bprna_like.pth"
    assert (finished.err, finished.code) == ("", 0)


def test_path_is_the_folder(run_cli, run_import, store):
    run_import("bprna_like", "mine")
    assert run_cli("weights", "path", "mine").out == f"{store / 'mine'}\n"
    assert run_cli("weights", "path", DEFAULT).out == f"{shipped_folder() / DEFAULT}\n"
    assert run_cli("weights", "path", store / "mine").out == f"{store / 'mine'}\n"


@pytest.mark.parametrize("command", ["show", "path", "verify"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", f"no weights named 'none'; known: rnaformer-base, {DEFAULT}"),
        ("no/ne", "no/ne: no config.json in this folder"),
    ],
)
def test_missing_weights_are_reported(run_cli, command, name, message):
    finished = run_cli("weights", command, name)
    assert (finished.out, finished.err) == ("", f"rnaformer: {message}\n")
    assert finished.code == 1


# verify


def test_all_weights_are_verified_unless_some_are_named(run_cli, run_import):
    run_import("bprna_like", "mine")
    finished = run_cli("weights", "verify")
    rows = [line.split("\t") for line in finished.out.splitlines()]
    names = ["rnaformer-base", DEFAULT, "mine"]
    assert [row[:2] for row in rows] == [[name, "ok"] for name in names]
    assert (
        rows[1][2]
        == hashlib.sha256((find_weights(DEFAULT) / "model.safetensors").read_bytes()).hexdigest()
    )
    assert (finished.err, finished.code) == ("", 0)
    assert run_cli("weights", "verify", "mine").out == "\t".join(rows[2]) + "\n"


def test_damaged_weights_do_not_keep_the_others_from_being_verified(run_cli, run_import, store):
    for name in ("a", "b"):
        run_import("bprna_like", name)
    (store / "a" / "model.safetensors").unlink()
    finished = run_cli("weights", "verify")
    assert [line.split("\t")[0] for line in finished.out.splitlines()] == [
        "rnaformer-base",
        DEFAULT,
        "b",
    ]
    assert finished.err == f"rnaformer: {store}/a: no model.safetensors in this folder\n"
    assert finished.code == 1


def flip_a_byte(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    said = json.loads((folder / "config.json").read_text())["sha256"]
    return f"/model.safetensors: sha256 is {found}, config.json says {said}"


def lie_about_the_checksum(folder):
    change_config(folder, lambda values: values.update(sha256="0" * 64))
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return f"/model.safetensors: sha256 is {found}, config.json says {'0' * 64}"


def truncate(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])
    return "/model.safetensors: a damaged or incomplete safetensors file"


def empty(folder):
    (folder / "model.safetensors").write_bytes(b"")
    return "/model.safetensors: a damaged or incomplete safetensors file"


def drop_a_tensor(folder):
    change_tensors(folder, lambda tensors: tensors.pop("norm.weight"))
    return "/model.safetensors: missing tensors: 'norm.weight'"


def add_a_tensor(folder):
    change_tensors(folder, lambda tensors: tensors.update(more=torch.zeros(1)))
    return "/model.safetensors: unknown tensors: 'more'"


def misshape_a_tensor(folder):
    change_tensors(folder, lambda tensors: tensors.update({"norm.weight": torch.zeros(17)}))
    return "/model.safetensors: tensor 'norm.weight' has shape (17,), expected (16,)"


def put_in_a_nan(folder):
    change_tensors(folder, lambda tensors: tensors["norm.weight"].fill_(float("nan")))
    return "/model.safetensors: tensor 'norm.weight' has values that are not finite"


def break_the_json(folder):
    (folder / "config.json").write_text('{"format": 1,')
    return "/config.json: expected a JSON object with format, name, model and sha256"


def leave_out_the_checksum(folder):
    change_config(folder, lambda values: values.pop("sha256"))
    return "/config.json: expected a JSON object with format, name, model and sha256"


def come_from_the_future(folder):
    change_config(folder, lambda values: values.update(format=2))
    return "/config.json: format must be 1, not 2"


def ask_for_a_wrong_type(folder):
    change_config(folder, lambda values: values["model"].update(dim="16"))
    return "/config.json: dim must be int, not '16'"


def lose_the_tensors(folder):
    (folder / "model.safetensors").unlink()
    return ": no model.safetensors in this folder"


def change_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    change_config(folder, lambda values: values.update(sha256=digest))


def change_config(folder, change):
    values = json.loads((folder / "config.json").read_text())
    change(values)
    (folder / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    "damage",
    [
        *(flip_a_byte, lie_about_the_checksum, truncate, empty),
        *(drop_a_tensor, add_a_tensor, misshape_a_tensor, put_in_a_nan),
        *(break_the_json, leave_out_the_checksum, come_from_the_future),
        *(ask_for_a_wrong_type, lose_the_tensors),
    ],
)
def test_verify_reports_what_is_damaged(run_cli, tiny_weights, tmp_path, damage):
    folder = tmp_path / "copy"
    shutil.copytree(tiny_weights, folder)
    assert run_cli("weights", "verify", folder).code == 0
    message = damage(folder)
    finished = run_cli("weights", "verify", folder)
    assert (finished.out, finished.err) == ("", f"rnaformer: {folder}{message}\n")
    assert finished.code == 1


def test_verify_refuses_an_unknown_setting(run_cli, tiny_weights, tmp_path):
    shutil.copytree(tiny_weights, tmp_path / "copy")
    change_config(tmp_path / "copy", lambda values: values["model"].update(wings=2))
    finished = run_cli("weights", "verify", tmp_path / "copy")
    start = f"rnaformer: {tmp_path}/copy/config.json: unknown setting 'wings'; known: dim, depth, "
    assert finished.err.startswith(start)
    assert (finished.err.count("\n"), finished.code) == (1, 1)


def test_predict_refuses_damaged_weights_in_the_same_words(run_cli, tiny_weights, tmp_path):
    shutil.copytree(tiny_weights, tmp_path / "copy")
    message = drop_a_tensor(tmp_path / "copy")
    finished = run_cli("predict", "-", "-w", tmp_path / "copy", stdin=">a\nACGU\n")
    assert finished.err == f"rnaformer: {tmp_path}/copy{message}\n"
    assert (finished.out, finished.code) == ("", 1)


# import


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_published_checkpoint_is_imported_whole(run_cli, run_import, store, case):
    finished = run_import(case, "mine")
    assert finished.out == f"{store / 'mine'}\n"
    assert everything_in(store) == [
        *("mine", "mine/README.md", "mine/config.json", "mine/model.safetensors")
    ]
    assert run_cli("weights", "verify", "mine").code == 0
    arguments = ("predict", "-", "-w", "mine", "--device", "cpu", "--plain-headers", "--quiet")
    predicted = run_cli(*arguments, stdin=">a\nGGGAAACCC\n")
    assert predicted.out.startswith(">a\nGGGAAACCC\n")
    assert (predicted.err, predicted.code) == ("", 0)


def test_notes_of_an_import_are_printed_and_stored(run_cli, run_import):
    finished = run_import("finetuned_like", "mine")
    note = "the LoRA layers were merged before saving; dropped them"
    assert finished.err == f"rnaformer: note: {note}\n"
    assert json.loads(run_cli("weights", "show", "mine").out)["about"]["notes"] == [note]


@pytest.mark.parametrize("target", ["my/own", "./own", "own/"])
def test_a_target_with_a_slash_is_a_folder(run_import, store, target):
    finished = run_import("linear_ff", target)
    assert finished.out == f"{Path(target)}\n"
    assert (Path(target) / "model.safetensors").is_file()
    assert not store.exists()


@pytest.mark.parametrize("target", ["mine", "./mine"])
def test_an_import_never_overwrites(run_import, store, target):
    run_import("linear_ff", target)
    folder = store / "mine" if target == "mine" else Path("mine")
    before = (folder / "model.safetensors").read_bytes()
    finished = run_import("bprna_like", target)
    message = f"{folder}: already contains a checkpoint; choose another name"
    assert (finished.out, finished.err) == ("", f"rnaformer: {message}\n")
    assert (finished.code, (folder / "model.safetensors").read_bytes()) == (1, before)


def test_a_name_that_the_shipped_weights_would_hide_is_refused(run_import):
    finished = run_import("linear_ff", DEFAULT)
    message = f"{shipped_folder() / DEFAULT}: already contains a checkpoint; choose another name"
    assert (finished.err, finished.code) == (f"rnaformer: {message}\n", 1)


def test_an_import_does_not_remove_a_folder_that_holds_something_else(run_import):
    Path("notes").mkdir()
    Path("notes/kept.txt").touch()
    finished = run_import("linear_ff", "./notes")
    message = "notes: cannot be written: directory not empty"
    assert (finished.err, finished.code) == (f"rnaformer: {message}\n", 1)
    assert everything_in(Path()) == ["notes", "notes/kept.txt"]


@pytest.mark.parametrize(
    ("state", "config", "message"),
    [
        ("none.pth", "bprna_like.yml", "none.pth: no such file or directory"),
        ("bprna_like.pth", "none.yml", "none.yml: no such file or directory"),
        (
            "bprna_like.pth",
            "bprna_like.pth",
            "bprna_like.pth: more than 100,000 bytes (the limit)",
        ),
        ("bprna_like.npz", "bprna_like.yml", "bprna_like.npz: not a PyTorch state dict of tensors"),
        ("bprna_like.yml", "bprna_like.yml", "bprna_like.yml: not a PyTorch state dict of tensors"),
        ("bprna_like.pth", "linear_ff.yml", "bprna_like.pth: missing tensors: 'read_out.bias'"),
    ],
)
def test_a_failed_import_is_reported_and_leaves_nothing(run_cli, state, config, message, store):
    arguments = (PARITY / state, "--config", PARITY / config, "-o", "mine")
    finished = run_cli("weights", "import", *arguments)
    assert (finished.out, finished.err) == ("", f"rnaformer: {PARITY}/{message}\n")
    assert finished.code == 1
    assert not store.exists() or os.listdir(store) == []


# fetch, from a real server


class WeightsRequestHandler(http.server.BaseHTTPRequestHandler):
    """Answers each path with what the test laid down for it."""

    def do_GET(self):
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
        elif callable(answer):
            answer(self)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def server(monkeypatch):
    """A server on 127.0.0.1 that has the files of one published checkpoint under /models/."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), WeightsRequestHandler) as made:
        made.url = f"http://127.0.0.1:{made.server_port}/models"
        made.answers = {
            f"/models/{STATE}": (PARITY / "bprna_like.pth").read_bytes(),
            f"/models/{CONFIG}": (PARITY / "bprna_like.yml").read_bytes(),
        }
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def run_fetch(run_cli, tmp_path, monkeypatch):
    """Fetch the weights NAME; temporary files go to a folder of the test."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))

    def call(url, *more):
        finished = run_cli("weights", "fetch", NAME, "--from", url, *more)
        assert os.listdir(tmp_path / "tmp") == []
        return finished

    return call


def assert_nothing_came(finished, store, url, message, fetched=1):
    expected = [f"rnaformer: fetching {url}/{name}\n" for name in (CONFIG, STATE)[:fetched]]
    file = (CONFIG, STATE)[fetched - 1]
    assert finished.err == "".join(expected) + f"rnaformer: {url}/{file}: {message}\n"
    assert (finished.out, finished.code) == ("", 1)
    assert not store.exists() or os.listdir(store) == []


def test_fetched_weights_are_in_the_store_with_their_checksums(run_cli, run_fetch, server, store):
    finished = run_fetch(server.url)
    assert finished.out == f"{store / NAME}\n"
    assert finished.err == (
        f"rnaformer: fetching {server.url}/{CONFIG}\nrnaformer: fetching {server.url}/{STATE}\n"
    )
    about = json.loads(run_cli("weights", "show", NAME).out)["about"]
    assert about["source"] == f"{server.url}/{STATE}"
    for key, file in (("state", STATE), ("config", CONFIG)):
        digest = hashlib.sha256(server.answers[f"/models/{file}"]).hexdigest()
        assert about[f"{key}_sha256"] == digest
    assert run_cli("weights", "verify", NAME).code == 0
    [row] = [row for row in table_of(run_cli("weights", "list").out) if row[0] == NAME]
    assert (row[1], row[-1]) == ("yours", str(store / NAME))


def test_the_expected_checksum_is_taken_in_either_case(run_fetch, server, store):
    digest = hashlib.sha256(server.answers[f"/models/{STATE}"]).hexdigest()
    assert run_fetch(server.url, "--sha256", digest.upper()).out == f"{store / NAME}\n"


def test_a_download_with_another_checksum_is_dropped(run_fetch, server, store):
    finished = run_fetch(server.url, "--sha256", "0" * 64)
    digest = hashlib.sha256(server.answers[f"/models/{STATE}"]).hexdigest()
    message = f"sha256 is {digest}, expected {'0' * 64}"
    assert_nothing_came(finished, store, server.url, message, fetched=2)


@pytest.mark.parametrize("text", ["", "0" * 63, "g" * 64])
def test_what_is_no_checksum_is_refused_before_anything_is_fetched(run_cli, text):
    finished = run_cli("weights", "fetch", NAME, "--sha256", text)
    message = "Error: Invalid value for '--sha256': expected 64 hexadecimal digits"
    assert finished.err.splitlines()[-1] == message
    assert finished.code == 2


def test_a_slash_at_the_end_of_the_url_changes_nothing(run_cli, run_fetch, server):
    assert run_fetch(server.url + "/").code == 0
    about = json.loads(run_cli("weights", "show", NAME).out)["about"]
    assert about["source"] == f"{server.url}/{STATE}"


def test_existing_weights_are_not_downloaded_again(run_fetch, server, store):
    run_fetch(server.url)
    server.answers.clear()
    finished = run_fetch(server.url)
    message = f"{store / NAME}: already contains a checkpoint; choose another name"
    assert (finished.err, finished.code) == (f"rnaformer: {message}\n", 1)


@pytest.mark.parametrize(("missing", "fetched"), [(CONFIG, 1), (STATE, 2)])
def test_a_file_missing_on_the_server_is_reported(run_fetch, server, store, missing, fetched):
    del server.answers[f"/models/{missing}"]
    finished = run_fetch(server.url)
    assert_nothing_came(finished, store, server.url, "the server returned 404 Not Found", fetched)


def test_an_incomplete_transfer_is_reported_and_dropped(run_fetch, server, store):
    whole = server.answers[f"/models/{STATE}"]

    def break_off(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(whole)))
        handler.end_headers()
        handler.wfile.write(whole[:1000])

    server.answers[f"/models/{STATE}"] = break_off
    message = f"download stopped after 1000 of {len(whole)} bytes"
    assert_nothing_came(run_fetch(server.url), store, server.url, message, fetched=2)


def redirect_to(url):
    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.end_headers()

    return answer


def test_a_redirect_to_another_host_is_refused(run_fetch, server, store):
    elsewhere = f"http://localhost:{server.server_port}/models/{CONFIG}"
    there = server.url.replace("/models", "/old")
    server.answers[f"/old/{CONFIG}"] = redirect_to(elsewhere)
    message = f"redirected to another host: {elsewhere}"
    assert_nothing_came(run_fetch(there), store, there, message)


def test_a_redirect_on_the_same_host_is_followed(run_fetch, server):
    there = server.url.replace("/models", "/old")
    for file in (STATE, CONFIG):
        server.answers[f"/old/{file}"] = redirect_to(f"{server.url}/{file}")
    assert run_fetch(there).code == 0


def test_a_refused_connection_is_reported(run_fetch, server, store):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # the port is reserved, and no server listens on it
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        finished = run_fetch(url)
    assert_nothing_came(finished, store, url, "cannot connect: connection refused")


def test_a_response_that_is_not_http_is_reported(run_fetch, server, store):
    server.answers[f"/models/{CONFIG}"] = lambda handler: handler.wfile.write(b"hello\r\n\r\n")
    message = "invalid or incomplete HTTP response"
    assert_nothing_came(run_fetch(server.url), store, server.url, message)


def test_a_silent_server_times_out(run_fetch, server, store, monkeypatch):
    requested, done = threading.Event(), threading.Event()
    server.answers[f"/models/{CONFIG}"] = lambda _: requested.set() or done.wait(30)
    monkeypatch.setattr(fetch, "READ_TIMEOUT", 0.2)
    finished = run_fetch(server.url)
    done.set()
    assert requested.is_set()
    assert_nothing_came(finished, store, server.url, "no response for 0.2 seconds")


def test_many_addresses_that_do_not_answer_take_no_longer_than_one_deadline(
    run_fetch, store, monkeypatch
):
    with socket.socket() as full:  # a queue of one: further connections wait for ever
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        with contextlib.ExitStack() as waiting:
            for _ in range(3):
                client = waiting.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(place)
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)] * 20
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            monkeypatch.setattr(fetch, "READ_TIMEOUT", 0.5)
            monkeypatch.setattr(fetch, "HEADER_TIMEOUT", 1.0)
            started = time.monotonic()
            finished = run_fetch("http://localhost:1/models")
    assert finished.err.endswith("timed out: the server sends data too slowly\n")
    assert time.monotonic() - started < 6.0  # 10 s, if each has half a second


def send_slowly(handler):
    """Send a byte now and then: never silent, never done."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):  # until the other side has had enough
        while not handler.server.enough.wait(0.01):
            handler.wfile.write(b"x")


def test_a_slow_server_times_out(run_fetch, server, store, monkeypatch):
    server.enough = threading.Event()
    server.answers[f"/models/{CONFIG}"] = send_slowly
    monkeypatch.setattr(fetch, "DOWNLOAD_WINDOW_SECONDS", 0.1)
    finished = run_fetch(server.url)
    server.enough.set()
    assert_nothing_came(finished, store, server.url, "slower than 1,000 bytes per second")


def drip_headers(handler):
    """Headers that never end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    with contextlib.suppress(OSError):
        while not handler.server.enough.wait(0.01):
            handler.wfile.write(b"x")


def ask_to_continue(handler):
    """One interim answer after the other."""
    with contextlib.suppress(OSError):
        while not handler.server.enough.wait(0.01):
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def drip_chunks(handler):
    """The size of a chunk, digit by digit."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    with contextlib.suppress(OSError):
        while not handler.server.enough.wait(0.01):
            handler.wfile.write(b"0")


@pytest.mark.parametrize("answer", [drip_headers, ask_to_continue, drip_chunks])
def test_a_server_with_slow_headers_times_out(run_fetch, server, store, monkeypatch, answer):
    """No single read waits for long."""
    server.enough = threading.Event()
    server.answers[f"/models/{CONFIG}"] = answer
    monkeypatch.setattr(fetch, "HEADER_TIMEOUT", 0.3)
    monkeypatch.setattr(fetch, "DOWNLOAD_WINDOW_SECONDS", 0.15)
    finished = run_fetch(server.url)
    server.enough.set()
    message = "timed out: the server sends data too slowly"
    assert_nothing_came(finished, store, server.url, message)


def test_a_slow_proxy_times_out(run_fetch, server, store, monkeypatch):
    server.enough = threading.Event()
    monkeypatch.setattr(WeightsRequestHandler, "do_CONNECT", drip_headers, raising=False)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(fetch, "HEADER_TIMEOUT", 0.3)
    finished = run_fetch("https://host.example/models")
    server.enough.set()
    message = "timed out: the server sends data too slowly"
    assert_nothing_came(finished, store, "https://host.example/models", message)


def test_an_invalid_content_length_is_reported(run_fetch, server, store):
    def lie(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "abc")
        handler.end_headers()

    server.answers[f"/models/{CONFIG}"] = lie
    message = "Content-Length is not a number: 'abc'"
    assert_nothing_came(run_fetch(server.url), store, server.url, message)


@pytest.mark.parametrize(
    ("requested", "target", "message"),
    [
        (
            "http://host/a",
            "ftp://host/b",
            "redirected to a URL that is not http or https: ftp://host/b",
        ),
        ("http://host/a", "http://host:81/b", "redirected to another port: http://host:81/b"),
        ("http://me:pw@host/a", "http://me:pw@no/b", "redirected to another host: http://no/b"),
    ],
)
def test_a_redirect_to_elsewhere_is_refused_without_credentials(requested, target, message):
    with pytest.raises(InputError) as caught:
        request = urllib.request.Request(requested)
        SameHostRedirects().redirect_request(request, None, 302, "", None, target)
    assert str(caught.value) == f"http://host/a: {message}"


def test_credentials_of_a_url_are_not_printed(run_fetch, store):
    finished = run_fetch("http://me:secret@127.0.0.1:9/models")
    assert "secret" not in finished.out + finished.err
    assert "http://127.0.0.1:9/models" in finished.err
    assert finished.code == 1


def pour(handler):
    """A redirect with a page of its own that never ends."""
    handler.wfile.write(f"HTTP/1.1 302 Found\r\nLocation: /models/{STATE}\r\n\r\n".encode())
    with contextlib.suppress(OSError):
        for _ in range(200):
            handler.wfile.write(bytes(1_000_000))


def test_the_page_of_a_redirect_is_not_read(run_fetch, server, store):
    """urllib would hold all of it, as long as it comes."""
    server.answers[f"/models/{CONFIG}"] = pour
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert run_fetch(server.url).code == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize(
    ("requested", "target"),
    [
        ("http://host/a", "https://host/b"),
        ("https://host/a", "https://host:443/b"),
        ("http://host:80/a", "http://host/b"),
        ("http://host:8080/a", "https://host:8080/b"),
        ("http://HOST/a", "http://host/b"),
    ],
)
def test_a_redirect_to_the_same_server_is_followed(requested, target):
    request = urllib.request.Request(requested)
    found = SameHostRedirects().redirect_request(request, io.BytesIO(), 302, "", {}, target)
    assert found.full_url == target


@pytest.mark.parametrize("target", ["https://host:444/b", "https://host/b"])
def test_a_redirect_to_https_of_another_port_is_refused(target):
    request = urllib.request.Request("http://host:8080/a")
    with pytest.raises(InputError, match=r"redirected to another port: https://host"):
        SameHostRedirects().redirect_request(request, io.BytesIO(), 302, "", {}, target)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:secret@host/a@1/b", "http://host/a@1/b"),
        ("http://host/a@1", "http://host/a@1"),
        ("http://[me:secret@host", "http://host"),
        ("http://me:secret@host:port", "http://host:port"),
        ("http://me:sec/ret@host", "http://host"),
        ("me:secret@host/a", "host/a"),
    ],
)
def test_a_url_is_shown_without_credentials(url, shown):
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    ("url", "shown", "message"),
    [
        ("http://[me:secret@host", "http://host", "not a URL"),
        ("http://me:sec/ret@host", "http://host", "not a URL"),
        ("http://host:port", "http://host:port", "not a URL"),
        ("http://ho st", "http://ho st", "not a URL"),
        ("http:///models", "http:///models", "not a URL"),
        ("http://me@host", "http://host", "a user name in a URL is not supported"),
        ("http://me:secret@host", "http://host", "a user name in a URL is not supported"),
    ],
)
def test_an_unusable_url_is_reported(run_fetch, store, url, shown, message):
    assert_nothing_came(run_fetch(url), store, shown, message)


def test_an_endless_transfer_is_stopped_at_the_limit(run_fetch, server, store, monkeypatch):
    server.enough = threading.Event()
    server.answers[f"/models/{CONFIG}"] = send_slowly
    monkeypatch.setattr(fetch, "MAX_DOWNLOAD_BYTES", 3)
    finished = run_fetch(server.url)
    server.enough.set()
    assert_nothing_came(finished, store, server.url, "more than 3 bytes (the limit)")


def test_nothing_is_sent_to_the_host_of_a_refused_redirect(run_fetch, server):
    requested = threading.Event()
    server.answers["/elsewhere"] = lambda _: requested.set()
    url = f"http://localhost:{server.server_port}/elsewhere"
    server.answers[f"/models/{CONFIG}"] = redirect_to(url)
    assert run_fetch(server.url).code == 1
    assert not requested.is_set()


def test_a_redirect_to_a_file_is_refused(run_fetch, server, store):
    server.answers[f"/models/{CONFIG}"] = redirect_to("file:///etc/hostname")
    message = "redirected to a URL that is not http or https: file:///etc/hostname"
    assert_nothing_came(run_fetch(server.url), store, server.url, message)


def test_a_redirect_from_https_to_http_is_refused():
    requested = urllib.request.Request("https://host/a")
    with pytest.raises(InputError) as caught:
        SameHostRedirects().redirect_request(requested, None, 302, "", None, "http://host/b")
    assert str(caught.value) == "https://host/a: redirected to plain http: http://host/b"


def test_a_file_is_no_server(run_fetch, store):
    url = PARITY.as_uri()
    assert_nothing_came(run_fetch(url), store, url, "not a URL")


def test_a_concurrent_fetch_does_not_disturb_the_first(run_fetch, server, store, run_cli):
    """The first has come to its end while the second was still receiving."""
    whole = server.answers[f"/models/{STATE}"]

    def be_overtaken(handler):
        state, config = PARITY / "bprna_like.pth", PARITY / "bprna_like.yml"
        fetch.import_published(state, config, store / NAME)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(whole)

    server.answers[f"/models/{STATE}"] = be_overtaken
    finished = run_fetch(server.url)
    assert finished.err.endswith(
        f"rnaformer: {store / NAME}: already contains a checkpoint; choose another name\n"
    )
    assert (finished.out, finished.code) == ("", 1)
    assert os.listdir(store) == [NAME]
    assert run_cli("weights", "verify", NAME).code == 0


def test_a_full_disk_is_reported_and_no_file_stays(server, store, tmp_path):
    """A process that may write no file of more than 20 kB, as on a disk that is full."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "rnaformer_cli", "weights", "fetch", NAME]
    done = subprocess.run(
        [*command, "--from", server.url],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(PARITY.parents[2])},
    )
    expected = f"rnaformer: {server.url}/{STATE}: transfer failed: file too large"
    assert (done.stderr.splitlines()[-1], done.returncode) == (expected, 1)
    assert os.listdir(temporary) == []
    assert not store.exists() or os.listdir(store) == []


def test_a_web_page_instead_of_weights_is_reported(run_fetch, server, store):
    server.answers[f"/models/{STATE}"] = b"<html>moved</html>"
    finished = run_fetch(server.url)
    assert finished.err.endswith(f"/{STATE}: not a PyTorch state dict of tensors\n")
    assert (finished.out, finished.code) == ("", 1)
    assert not store.exists() or os.listdir(store) == []


def test_text_that_is_no_url_is_reported(run_fetch, store):
    assert_nothing_came(run_fetch("somewhere"), store, "somewhere", "not a URL")


def test_the_help_of_fetch_lists_all_names(run_cli):
    words = run_cli("weights", "fetch", "--help").out.replace(",", " ").replace(". ", " ").split()
    assert set(fetch.PUBLISHED) <= {word.rstrip(".") for word in words}


def test_an_unpublished_name_is_reported_with_the_published_ones(run_cli):
    finished = run_cli("weights", "fetch", "none", "--from", "http://127.0.0.1:9")
    known = ", ".join(fetch.PUBLISHED)
    assert finished.err == f"rnaformer: no published weights named 'none'; known: {known}\n"
    assert finished.code == 1


def test_a_disk_that_is_full_during_a_transfer_is_reported(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "_request", fail)
    with pytest.raises(InputError) as caught:
        fetch.download("http://localhost/x", tmp_path / "x", 9, math.inf)
    message = "transfer failed: no space left on device"
    assert str(caught.value) == f"http://localhost/x: {message}"


def shifted(folder, tmp_path, by):
    """The weights of a folder with every number larger, in a folder of their own."""
    network, checkpoint = load_network(folder)
    other = {name: tensor + by for name, tensor in network.state_dict().items()}
    (tmp_path / "other").mkdir()
    save_checkpoint(tmp_path / "other", "other", checkpoint.model, other, {}, "#\n")
    return network


@pytest.mark.parametrize(("options", "weight"), [([], 0.5), (["--weight", 0.25], 0.25)])
def test_the_mean_of_two_weights(run_cli, tiny_weights, tmp_path, options, weight):
    network = shifted(tiny_weights, tmp_path, 1.0)
    target = tmp_path / "mean"
    done = run_cli("weights", "average", tiny_weights, tmp_path / "other", "-o", target, *options)
    assert (done.out, done.err, done.code) == (f"{target}\n", "", 0)
    mean, _ = load_network(target)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(mean.state_dict()[name], tensor + weight)
    again = run_cli("weights", "average", tiny_weights, tmp_path / "other", "-o", target)
    message = "already contains a checkpoint; choose another folder"
    assert (again.err, again.code) == (f"rnaformer: {target}: {message}\n", 1)


def test_the_mean_says_that_it_has_no_family_profiles(run_cli, tmp_path):
    done = run_cli("weights", "average", DEFAULT, DEFAULT, "-o", tmp_path / "mean")
    message = "the mean has no family profiles; `rnaformer release --families` adds them"
    assert (done.err, done.code) == (f"rnaformer: note: {message}\n", 0)


def test_weights_of_another_kind_have_no_mean(run_cli, tiny_weights, tmp_path):
    done = run_cli("weights", "average", tiny_weights, DEFAULT, "-o", tmp_path / "new")
    assert done.code == 1
    message = "is another kind of network than the first: dim is "
    assert done.err.startswith(f"rnaformer: {find_weights(DEFAULT)}: {message}")
    assert not (tmp_path / "new").exists()


def test_weights_with_equal_tensors_but_another_function_have_no_mean(
    run_cli, tiny_weights, tmp_path
):
    network, checkpoint = load_network(tiny_weights)
    for name, changes in (("heads", {"heads": 4}), ("later", {"threshold": 0.4, "cycles": 1})):
        (tmp_path / name).mkdir()
        config = replace(checkpoint.model, **changes)
        save_checkpoint(tmp_path / name, name, config, network.state_dict(), {}, "#\n")
    done = run_cli("weights", "average", tiny_weights, tmp_path / "heads", "-o", tmp_path / "a")
    message = "is another kind of network than the first: heads is 4, not 2"
    assert (done.err, done.code) == (f"rnaformer: {tmp_path / 'heads'}: {message}\n", 1)
    done = run_cli("weights", "average", tiny_weights, tmp_path / "later", "-o", tmp_path / "b")
    assert (done.err, done.code) == ("", 0)


# grow


@pytest.mark.parametrize(
    ("options", "changed", "about"),
    [
        (("--double", "2"), {"depth": 3}, {"doubled": [2]}),
        (("--ff-factor", "3"), {"ff_factor": 3.0}, {}),
        (
            ("--double", "1", "--double", "2", "--ff-factor", "4"),
            {"depth": 4, "ff_factor": 4.0},
            {"doubled": [1, 2]},
        ),
    ],
)
def test_grown_weights_predict_the_same(run_cli, tiny_weights, tmp_path, options, changed, about):
    target = tmp_path / "grown"
    done = run_cli("weights", "grow", tiny_weights, *options, "-o", target)
    assert (done.out, done.err, done.code) == (f"{target}\n", "", 0)
    known = json.loads(run_cli("weights", "show", tiny_weights).out)
    found = json.loads(run_cli("weights", "show", target).out)
    assert found["model"] == {**known["model"], **changed}
    assert found["about"] == {"grown": known["sha256"], **about}
    hairpin = ">x\nGGGCGCAAGAAAGCGCCC\n"
    first, second = (
        json.loads(run_cli("predict", "-", "-w", folder, "-f", "jsonl", stdin=hairpin).out)["pairs"]
        for folder in (tiny_weights, target)
    )
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one == pytest.approx(other, abs=2e-4)


def test_grown_weights_keep_the_family_profiles(run_cli, tiny_network, tmp_path):
    library = make_library(make_profile(make_members(1, 6), "RF1"))
    mixture = FamilyMixture(
        evidence_scale=1.0, null_log_odds=10.0, network_coefficient=0.0, family_coefficient=1.0
    )
    origin, target = tmp_path / "origin", tmp_path / "grown"
    origin.mkdir()
    tensors = tiny_network.state_dict()
    save_checkpoint(origin, "x", tiny_network.config, tensors, {}, "", (library, mixture))
    done = run_cli("weights", "grow", origin, "--double", "2", "-o", target)
    assert (done.err, done.code) == ("", 0)
    one, other = ((folder / "families.safetensors").read_bytes() for folder in (origin, target))
    assert one == other
    families = [
        json.loads(run_cli("weights", "show", folder).out)["families"]
        for folder in (origin, target)
    ]
    assert families[0] == families[1]


def test_grown_weights_are_the_same_every_time(run_cli, tiny_weights, tmp_path):
    for name in ("one", "other"):
        run_cli("weights", "grow", tiny_weights, "--ff-factor", "3", "-o", tmp_path / name)
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "other"))
    assert one == other


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--double", "9"), "no block 9; the network has 2 blocks"),
        (("--ff-factor", "2"), "expected more than the present 32 hidden channels, not 32"),
    ],
)
def test_weights_that_cannot_grow_are_reported(run_cli, tiny_weights, tmp_path, options, line):
    done = run_cli("weights", "grow", tiny_weights, *options, "-o", tmp_path / "new")
    assert (done.err, done.code) == (f"rnaformer: {line}\n", 1)
    assert not (tmp_path / "new").exists()


def test_growing_needs_an_option_for_the_size(run_cli, tiny_weights, tmp_path):
    done = run_cli("weights", "grow", tiny_weights, "-o", tmp_path / "new")
    assert done.err.endswith("Error: give --double, --ff-factor or both\n")
    assert done.code == 2


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (
            "file://me:pw@host/x?token=pw",
            "redirected to a URL that is not http or https: file://host/x",
        ),
        ("http://me:pw@127.0.0.1:PORT/x", "redirected to a URL with a user name: {url}/x"),
        ("http://no.example/x?token=pw", "redirected to another host: http://no.example/x"),
        ("http://127.0.0.1:abc/", "redirected to an invalid URL"),
        ("http://[::1", "redirected to an invalid URL"),
        (f"/models/{CONFIG}", "the server returned 302 Found without a valid redirect"),
        (
            "gopher://" + 300 * "x",
            f"redirected to a URL that is not http or https: gopher://{191 * 'x'}...",
        ),
    ],
)
def test_the_message_of_a_refused_redirect_is_short_and_without_credentials(
    run_fetch, server, store, location, message
):
    location = location.replace("PORT", str(server.server_port))
    server.answers[f"/models/{CONFIG}"] = redirect_to(location)
    url = server.url.removesuffix("/models")
    assert_nothing_came(run_fetch(server.url), store, server.url, message.format(url=url))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"200 OK\r\nContent-Length: " + 5000 * b"9", f"'{37 * '9'}...{38 * '9'}'"),
        (b"404 " + 50_000 * b"x", "the server returned 404 Not Found"),
        (b"206 Partial Content\r\nContent-Length: 3", "the server returned 206 Partial Content"),
        (b"299 \x1b]0;x\x07", "the server returned 299"),
    ],
)
def test_messages_of_a_server_are_shortened(run_fetch, server, store, head, message):
    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 " + head + b"\r\n\r\nabc")

    server.answers[f"/models/{CONFIG}"] = answer
    if "9999" in message:
        message = f"Content-Length is not a number: {message}"
    assert_nothing_came(run_fetch(server.url), store, server.url, message)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x?token=pw", "http://127.0.0.1:1/x#pw"])
def test_a_query_is_neither_sent_nor_printed(run_fetch, store, url):
    finished = run_fetch(url)
    shown = "http://127.0.0.1:1/x"
    message = f"rnaformer: {shown}: `?` and `#` in a URL are not supported\n"
    assert finished.err == f"rnaformer: fetching {shown}\n{message}"
    assert not store.exists()


def test_an_invalid_proxy_url_is_reported_without_the_url(run_fetch, server, store, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:pw@127.0.0.1:abc")
    monkeypatch.setenv("no_proxy", "")
    message = "the proxy address is not a valid URL"
    assert_nothing_came(run_fetch(server.url), store, server.url, message)


def test_all_files_of_a_fetch_have_one_deadline(run_fetch, server, store, monkeypatch):
    """Without it, a server that is just fast enough could continue without end."""
    server.enough = threading.Event()
    server.answers[f"/models/{STATE}"] = send_slowly
    monkeypatch.setattr(fetch, "MIN_DOWNLOAD_RATE", 0)
    monkeypatch.setattr(fetch, "MAX_FETCH_SECONDS", 0.5)
    finished = run_fetch(server.url)
    server.enough.set()
    message = "not done within 0.5 seconds (the limit)"
    assert_nothing_came(finished, store, server.url, message, fetched=2)


def test_a_config_may_not_be_as_large_as_tensors(run_fetch, server, store, monkeypatch):
    server.enough = threading.Event()
    server.answers[f"/models/{CONFIG}"] = send_slowly
    monkeypatch.setattr(fetch, "MAX_CONFIG_TEXT", 3)
    finished = run_fetch(server.url)
    server.enough.set()
    assert_nothing_came(finished, store, server.url, "more than 3 bytes (the limit)")


def test_an_empty_url_is_not_the_default_server(run_fetch, store):
    """As of an unset variable."""
    finished = run_fetch("")
    assert finished.err.endswith("Error: Invalid value for '--from': the text is empty\n")
    assert finished.code == 2
