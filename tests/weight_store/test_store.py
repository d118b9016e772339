"""Finding weights by name: shipped, or in the user's folder."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnaformer_cli.errors import WeightsError
from rnaformer_cli.model.checkpoint import load_families, load_network, save_checkpoint
from rnaformer_cli.weight_store import store
from rnaformer_cli.weight_store.store import (
    DEFAULT,
    find_weights,
    list_weights,
    shipped_folder,
    user_folder,
)


@pytest.fixture
def home(tmp_path, monkeypatch, tiny_network):
    """A user's store with one checkpoint, `mine`."""
    monkeypatch.setenv("RNAFORMER_HOME", str(tmp_path))
    folder = tmp_path / "weights" / "mine"
    folder.mkdir(parents=True)
    save_checkpoint(folder, "mine", tiny_network.config, tiny_network.state_dict(), {}, "")
    return tmp_path


def test_shipped_weights_are_valid_and_named_after_their_folder():
    folder = find_weights(DEFAULT)
    assert folder == shipped_folder() / DEFAULT
    _, checkpoint = load_network(folder)
    assert checkpoint.name == DEFAULT
    assert load_families(folder, checkpoint) is not None


def test_all_shipped_weights_stay_within_twenty_megabytes():
    total = sum(path.stat().st_size for path in shipped_folder().rglob("*") if path.is_file())
    assert total < 20 * 2**20


def test_own_weights_are_found_by_name_and_by_folder(home):
    folder = home / "weights" / "mine"
    assert find_weights("mine") == folder
    assert find_weights(folder) == folder
    assert list(list_weights()) == ["rnaformer-base", DEFAULT, "mine"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"RNAFORMER_HOME": "/r", "XDG_CACHE_HOME": "/x"}, "/r/weights"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/rnaformer/weights"),
        ({"HOME": "/h"}, "/h/.cache/rnaformer/weights"),
        ({"HOME": "/h", "RNAFORMER_HOME": "", "XDG_CACHE_HOME": ""}, "/h/.cache/rnaformer/weights"),
    ],
)
def test_the_users_folder_follows_the_environment(monkeypatch, environment, expected):
    for name in ("RNAFORMER_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(user_folder()) == expected


def test_an_unknown_name_lists_the_known_ones(home):
    with pytest.raises(WeightsError) as caught:
        find_weights("other")
    assert str(caught.value) == f"no weights named 'other'; known: rnaformer-base, {DEFAULT}, mine"


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(WeightsError) as caught:
        find_weights(tmp_path)
    assert str(caught.value) == f"{tmp_path}: no config.json in this folder"


@contextlib.contextmanager
def as_somebody_else():
    """Without the rights of root, which may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(("part", "known"), [("mine", []), ("mine/x", ["mine"]), ("", [])])
def test_a_folder_that_may_not_be_read_hides_no_other_weights(home, monkeypatch, part, known):
    home.chmod(0o755)
    monkeypatch.chdir(home)  # those above it are private, for which root has to be somebody
    monkeypatch.setenv("RNAFORMER_HOME", ".")
    (home / "weights" / "mine" / "x").mkdir()
    closed = home / "weights" / part
    closed.chmod(0)
    try:
        with as_somebody_else():
            assert list(list_weights()) == ["rnaformer-base", DEFAULT, *known]
            assert find_weights(DEFAULT) == shipped_folder() / DEFAULT
            if not part:
                with pytest.raises(WeightsError) as caught:
                    find_weights("mine")
                why = "(your own weights cannot be listed: permission denied)"
                assert (
                    str(caught.value)
                    == f"no weights named 'mine'; known: rnaformer-base, {DEFAULT} {why}"
                )
    finally:
        closed.chmod(0o755)


def test_a_store_of_an_impossible_name_hides_no_shipped_weights(monkeypatch):
    monkeypatch.setenv("RNAFORMER_HOME", 5000 * "x")
    assert list(list_weights()) == ["rnaformer-base", DEFAULT]
    with pytest.raises(WeightsError) as caught:
        find_weights("mine")
    why = "(your own weights cannot be listed: file name too long)"
    assert str(caught.value) == f"no weights named 'mine'; known: rnaformer-base, {DEFAULT} {why}"


@pytest.mark.skipif(sys.platform != "linux", reason="names there are text")
def test_weights_in_a_folder_that_is_not_utf8_are_refused_by_that(home):
    folder = home / "weights" / os.fsdecode(b"\xff")
    shutil.copytree(home / "weights" / "mine", folder)
    with pytest.raises(WeightsError) as caught:
        load_network(find_weights(folder))
    message = "a name that is not UTF-8, which safetensors cannot open; rename it"
    assert str(caught.value) == f"{folder / 'model.safetensors'}: {message}"


# Links


@pytest.fixture
def linked(home):
    """Weights whose two files are links to the files of other weights."""
    folder = home / "weights" / "linked"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).symlink_to(home / "weights" / "mine" / name)
    return folder


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_links_out_of_a_folder_are_refused(home, linked, name):
    for kept in {"config.json", "model.safetensors"} - {name}:
        (linked / kept).unlink()
        shutil.copy(home / "weights" / "mine" / kept, linked)
    for reference in (linked, "linked"):
        with pytest.raises(WeightsError) as caught:
            find_weights(reference)
        message = "a link to a file outside its folder; copy the file (cp -L)"
        assert str(caught.value) == f"{linked / name}: {message}"


def test_links_within_a_folder_and_to_a_whole_folder_are_followed(home):
    folder = home / "weights" / "mine"
    (folder / "model.safetensors").rename(folder / "real")
    (folder / "model.safetensors").symlink_to("real")
    (home / "weights" / "also").symlink_to(folder)
    for name in ("mine", "also"):
        assert load_network(find_weights(name))[1].name == "mine"


def test_shipped_weights_may_be_installed_as_links(linked, monkeypatch):
    monkeypatch.setattr(store, "shipped_folder", lambda: linked.parent)
    assert find_weights("linked") == linked


def raise_no_home():
    raise RuntimeError("Could not determine home directory.")


def test_without_a_home_the_shipped_weights_are_found(monkeypatch):
    """As in a container, with a numeric user id and without HOME."""
    for name in ("RNAFORMER_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", raise_no_home)
    assert find_weights(DEFAULT) == shipped_folder() / DEFAULT
    with pytest.raises(WeightsError) as caught:
        user_folder()
    assert str(caught.value) == "no home folder to store weights in; set RNAFORMER_HOME"


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["weights", "list"],
        ["predict", "-", "--device", "cpu", "--threads", "1"],
    ],
)
def test_a_user_without_a_name_and_a_home_can_work(tmp_path, arguments):
    code = (
        "import pwd\n"
        "def nobody(uid):\n    raise KeyError(f'getpwuid(): uid not found: {uid}')\n"
        "pwd.getpwuid = nobody\n"
        "from rnaformer_cli.cli.main import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=">a\nGGGGAAAACCCC\n",
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
