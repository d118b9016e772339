"""Run configs: read from TOML, unknown keys refused by name."""

import time

import pytest

from rnaformer_cli.errors import ConfigError, InputError
from rnaformer_cli.training.network.config import TrainConfig, read_config

WHOLE = """
[model]
dim = 32
heads = 2
[batches]
lengths = [64, 128]
source_weights = {"rfam-predicted" = 0.25}
[optimiser]
kind = "adamw"
learning_rate = 1
[run]
steps = 10
"""


def test_a_config_is_read_by_section(tmp_path):
    (tmp_path / "run.toml").write_text(WHOLE)
    config = read_config(tmp_path / "run.toml")
    assert (config.model.dim, config.model.heads) == (32, 2)
    assert config.batches.lengths == (64, 128)
    assert config.batches.source_weights == {"rfam-predicted": 0.25}
    assert (config.optimiser.kind, config.optimiser.learning_rate) == ("adamw", 1)
    assert (config.run.steps, config.run.minutes) == (10, 0.0)


def test_a_stored_config_is_read_back():
    config = TrainConfig()
    assert TrainConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[modell]\n", "unknown section 'modell'; known: model, batches, optimiser, run"),
        ("run = 3\n", "'run' must be a section, not 3"),
        (
            "[optimiser]\nlr = 1\n",
            "unknown key 'lr' in [optimiser]; known: kind, learning_rate, "
            "final_learning_rate_fraction, warmup, "
            "weight_decay, max_gradient_norm, ema_decay",
        ),
        ('[optimiser]\nkind = "sgd"\n', "kind must be one of 'muon', 'adamw', not 'sgd'"),
        ('[optimiser]\nlearning_rate = "fast"\n', "learning_rate must be float, not 'fast'"),
        ("[optimiser]\nlearning_rate = 0\n", "learning_rate must be above 0, not 0"),
        ("[optimiser]\nema_decay = 2.0\n", "ema_decay must be from 0 to 1, not 2.0"),
        ("[optimiser]\nweight_decay = -0.1\n", "weight_decay must be at least 0, not -0.1"),
        ("[run]\nsteps = 1\nseed = -1\n", "seed must be at least 0, not -1"),
        ("[batches]\nlengths = []\n", "lengths must be positive, not []"),
        ("[batches]\nlengths = [0]\n", "lengths must be positive, not [0]"),
        ("[batches]\nlengths = 128\n", "lengths must be a list, not 128"),
        ('[batches]\nlengths = ["a"]\n', "lengths must be int, not 'a'"),
        ("[batches]\nmax_cells = 0\n", "max_cells must be at least 1, not 0"),
        ("[batches]\nnegative_fraction = 0.0\n", "negative_fraction must be above 0"),
        ("[batches]\ncomputed_fraction = 1.5\n", "computed_fraction must be from 0 to 1, not 1.5"),
        ("[batches]\nsource_weights = 1\n", "source_weights must be dict, not 1"),
        (
            "[batches]\nsource_weights = {a = -1}\n",
            "source_weights of 'a' must be 0 or more, not -1",
        ),
        ("[run]\nseed = 1\n", "exactly one of steps and minutes must be above 0"),
        ("[run]\nsteps = 1\nminutes = 1.0\n", "exactly one of steps and minutes must be above 0"),
        ("[run]\nsteps = 1\nvalidate_every = 0.0\n", "validate_every must be above 0, not 0.0"),
        ("[model]\nwide = 1\n", "unknown setting 'wide'; known: dim"),
    ],
)
def test_invalid_settings_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[model\n")
    with pytest.raises(InputError, match="not a TOML file: "):
        read_config(path)


@pytest.mark.parametrize(
    "text",
    [
        "a." * 40_000 + "a = 1",
        "[" + "a . " * 20 + "a]",
        'x = { "a b".' + "'c d'.a." * 10 + "a = 1 }",
    ],
)
def test_a_key_of_many_parts_is_refused_unread(tmp_path, text):
    """Forty thousand took half a minute."""
    path = tmp_path / "run.toml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(caught.value) == f"{path}: a key of more than 20 parts (the limit)"
    assert time.process_time() - began < 1


@pytest.mark.parametrize("text", ["a" * 99_000, "a " * 49_000, '"' * 99_000, "'\"" * 49_000])
def test_looking_for_such_keys_takes_no_time(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(InputError):
        read_config(path)
    assert time.process_time() - began < 1


def test_a_config_of_more_than_a_hundred_kilobytes_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("#" * 100_001)
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(caught.value) == f"{path}: more than 100,000 bytes (the limit)"


def test_lists_of_many_numbers_are_no_keys_of_many_parts(tmp_path):
    weights = ", ".join(f'"a.b{n}" = 0.{n}' for n in range(1, 60))
    (tmp_path / "run.toml").write_text(
        f"[run]\nsteps = 1\n[batches]\nsource_weights = {{{weights}}}\n"
    )
    assert len(read_config(tmp_path / "run.toml").batches.source_weights) == 59
