"""Readers accept or refuse the inputs that they once handled wrongly, and random ones."""

import re
import time

import pytest
from conftest import DATA
from fuzz_targets import FUZZ_TARGETS, run_target, seed_weights
from hypothesis import given, settings
from hypothesis import strategies as st

REGRESSION_INPUTS = sorted(
    path for path in (DATA / "regression_inputs").glob("*/*") if path.is_file()
)
FRAGMENTS = [  # tokens that the readers recognise
    *(
        ">x",
        "ACGU",
        "(((...)))",
        "\n",
        "\r\n",
        "\t",
        " ",
        "1 G 2",
        "2 G 1",
        "2 x",
        "# STOCKHOLM 1.0",
    ),
    *("//", "#=GC SS_cons", "ENERGY = -1", '{"id": "x"', ', "sequence": "GC"', '"pairs": [[1, 2]]'),
    *('"structure": "()"', "}", "[", "]", "[model]", "dim = ", "RNAformer: ", "{", ": ", "1e999"),
    *("NaN", "-1", "9" * 30, "\\ud800", "\x00", "\x1b[31m", "\u2028", "&a ", "*a", "0x1f", "null"),
    *("RDAT_VERSION 0.34\n", "NAME x\n", "SEQPOS 1 2\n", "OFFSET -1\n", "REACTIVITY:1 1 2\n"),
    *("<data>", "<transcript id='x'>", "<reactivity>1,NaN", "</reactivity>", "</transcript>"),
    *("</data>", "id\tposition\tvalue\n", "x\t1\t-999\n", "1 0.5\n", "2 A NA\n"),
    *('"reactivity": [1, null]', "SEQUENCE AC\n", "ANNOTATION_DATA:1\tmodifier:DMS\n"),
    *(
        "nan",
        "\ufeff>y",
        "dG=x",
        "!!bool ",
        "? ",
        "- ",
        "a.a.",
        '"pairs": [], "pairs"',
        "<<: [*a, *a]",
        "(.)" * 9,
        '"pairs": []',
        '"length": 9',
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("input")


@pytest.mark.parametrize(
    "path", REGRESSION_INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_regression_inputs_are_handled_within_a_second(folder, path):
    began = time.process_time()
    run_target(path.parent.name, folder, path.read_bytes())
    assert time.process_time() - began < 1


def test_the_readme_lists_every_regression_input():
    text = (DATA / "regression_inputs" / "README.md").read_text()
    listed = set(re.findall(r"`(\w+/[\w.-]+)`", text)) - {
        "benches/fuzz.py",
        "tests/test_regression_inputs.py",
    }
    assert listed == {f"{path.parent.name}/{path.name}" for path in REGRESSION_INPUTS}


@pytest.mark.parametrize("name", [name for name in FUZZ_TARGETS if name not in ("weights", "pth")])
@settings(max_examples=40, deadline=None)
@given(text=st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=25).map("".join))
def test_any_text_is_read_and_comes_back_the_same_or_is_refused(folder, name, text):
    run_target(name, folder, text.encode(errors="replace"))


@pytest.mark.parametrize("name", FUZZ_TARGETS)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(folder, name, data):
    run_target(name, folder, data)


@pytest.mark.parametrize(("name", "seed"), [("weights", None), ("pth", "bprna_like.pth")])
@settings(max_examples=40, deadline=None)
@given(places=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9)), max_size=4))
def test_weights_with_some_other_bytes_are_read_or_refused(folder, name, seed, places):
    data = bytearray((DATA / "parity" / seed).read_bytes() if seed else seed_weights(folder))
    for place, change in places:
        start = int(place**3 * len(data))  # most of them near the start, where the shapes are
        data[start : start + len(change)] = change
    run_target(name, folder, bytes(data))


def test_a_target_returns_whether_the_input_was_accepted(folder):
    assert run_target("dbn", folder, b">x\nGAC\n(.)\n")
    assert not run_target("dbn", folder, b">x\nGAC\n(..\n")
