"""Weights by name: shipped, or in the user's own folder."""

import pytest

from rnaformer_cli.errors import WeightsError
from rnaformer_cli.model.checkpoint import save_checkpoint, verify_checkpoint
from rnaformer_cli.prediction.store import (
    DEFAULT,
    all_weights,
    find_weights,
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


def test_the_default_weights_are_shipped_and_whole():
    assert find_weights(DEFAULT) == shipped_folder() / DEFAULT
    verify_checkpoint(find_weights(DEFAULT))


def test_all_shipped_weights_stay_within_twenty_megabytes():
    total = sum(path.stat().st_size for path in shipped_folder().rglob("*") if path.is_file())
    assert total < 20 * 2**20


def test_own_weights_are_found_by_name_and_by_folder(home):
    folder = home / "weights" / "mine"
    assert find_weights("mine") == folder
    assert find_weights(folder) == folder
    assert list(all_weights()) == [DEFAULT, "mine"]


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
    assert str(caught.value) == f"no weights named 'other'; known: {DEFAULT}, mine"


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(WeightsError) as caught:
        find_weights(tmp_path)
    assert str(caught.value) == f"{tmp_path}: no config.json in this folder"
