"""Network configs: round trip, and the messages for invalid settings."""

import pytest

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.model.config import ModelConfig


def test_a_stored_config_is_read_back():
    config = ModelConfig(dim=32, heads=4, positions="absolute", threshold=0.25)
    assert ModelConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dim": 30, "heads": 4}, "dim (30) must be divisible by heads (4)"),
        ({"depth": 0}, "depth must be at least 1, not 0"),
        ({"cycles": 0}, "cycles must be at least 1, not 0"),
        ({"threshold": 1.5}, "threshold must be from 0 to 1, not 1.5"),
        ({"flag": -0.5, "label_flag": True}, "flag must be from 0 to 1, not -0.5"),
        ({"flag": 0.5}, "flag (0.5) must be 1 without label_flag"),
        ({"dropout": -0.1}, "dropout must be from 0 to 1, not -0.1"),
        ({"ff_factor": 0.0}, "ff_factor must widen to at least 1 channel, not 0.0"),
        ({"recycling": False}, "cycles must be 1 without recycling, not 2"),
        (
            {"outputs": 2},
            "patch 2 does not support outputs 2",
        ),
        (
            {"patch": 1, "heads": 1, "rotary_fraction": 1.0},
            "rotary_fraction (1.0) turns 96 channels, but dim is 48",
        ),
    ],
)
def test_invalid_values_are_refused(values, message):
    with pytest.raises(ConfigError) as caught:
        ModelConfig(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dim": "48"}, "dim must be int, not '48'"),
        ({"dim": True}, "dim must be int, not True"),
        ({"use_bias": 1}, "use_bias must be bool, not 1"),
        ({"ff_factor": None}, "ff_factor must be float, not None"),
        ({"patch": 3}, "patch must be one of 1, 2, not 3"),
        ({"patch": True}, "patch must be one of 1, 2, not True"),
        (
            {"positions": "learned"},
            "positions must be one of 'none', 'absolute', 'sinusoidal', 'relative', not 'learned'",
        ),
    ],
)
def test_values_of_the_wrong_type_are_refused(values, message):
    with pytest.raises(ConfigError) as caught:
        ModelConfig.from_dict(values)
    assert str(caught.value) == message


def test_an_unknown_setting_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"^unknown setting 'width'; known: dim, depth, heads, "):
        ModelConfig.from_dict({"width": 3})


def test_an_integer_is_a_float_setting():
    assert ModelConfig.from_dict({"ff_factor": 2}).hidden_dim == 96


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("norm_eps", -10.0, "norm_eps must be above 0 and at most 1, not -10.0"),
        ("norm_eps", 0.0, "norm_eps must be above 0 and at most 1, not 0.0"),
        ("norm_eps", float("nan"), "norm_eps must be above 0 and at most 1, not nan"),
        ("threshold", float("nan"), "threshold must be from 0 to 1, not nan"),
    ],
)
def test_nan_and_numbers_out_of_range_are_refused(name, value, message):
    with pytest.raises(ConfigError) as caught:
        ModelConfig(**{name: value})
    assert str(caught.value) == message
