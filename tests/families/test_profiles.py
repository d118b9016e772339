"""Profile libraries: round trip through a file, and refusal of damaged files."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from factories.datasets import random_rna
from factories.families import PAIRS, SIZE, make_library, make_members, make_profile
from safetensors.numpy import load_file, save

from rnaformer_cli.errors import WeightsError
from rnaformer_cli.families.alignment import PADDING
from rnaformer_cli.families.profiles import (
    N_KMERS,
    Library,
    add_pseudocounts,
    count_kmers,
    read_library,
    write_library,
)
from rnaformer_cli.sequence.encode import encode

STEP = 1 / 255
HALF = 0.501 * STEP
ARRAYS = ("letters", "columns", "pairs", "pair_counts", "chances", "words", "rarity")
NOT_WHOLE = "a damaged or incomplete safetensors file"
NO_LIBRARY = "not a library of families: arrays are missing or misshapen"


def library():
    """Two profiles of different sizes, the second of them without a name."""
    long, short = make_members(1, 5), [random_rna(20, seed) for seed in range(3)]
    first = make_profile(long, "tRNA of *E. coli* — één")
    second = make_profile(short, "", [(2, 17), (3, 16)], pair_frequency=0.7)
    idf = np.random.default_rng(0).random(N_KMERS, np.float32)
    return Library((first, second), idf)


@pytest.fixture
def path(tmp_path):
    write_library(tmp_path / "families.safetensors", library())
    return tmp_path / "families.safetensors"


def test_a_written_library_is_read_back(path):
    written, found = library(), read_library(path)
    np.testing.assert_array_equal(found.idf, written.idf)
    for one, other in zip(found.profiles, written.profiles, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one.emissions, other.emissions, atol=HALF)
        np.testing.assert_array_equal(one.left, other.left)
        np.testing.assert_array_equal(one.right, other.right)
        np.testing.assert_allclose(one.pair_frequency, other.pair_frequency, atol=HALF)
        assert np.linalg.norm(one.kmer_vector) == pytest.approx(1.0)
        np.testing.assert_allclose(one.kmer_vector, other.kmer_vector, atol=0.01)


def test_the_same_library_is_the_same_bytes(path, tmp_path):
    write_library(tmp_path / "again", library())
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_profile_without_pairs_is_kept(tmp_path):
    write_library(tmp_path / "x", make_library(make_profile([random_rna(9, 1)], "loop", [])))
    [profile] = read_library(tmp_path / "x").profiles
    assert len(profile.left) == len(profile.right) == len(profile.pair_frequency) == 0
    assert len(profile.emissions) == 9


def test_no_letter_has_odds_of_zero_after_reading(tmp_path):
    emissions = np.eye(4, dtype=np.float32)[[0, 1, 2, 3]]
    profile = replace(make_profile(["ACGU"], "x", []), emissions=emissions)
    write_library(tmp_path / "x", make_library(profile))
    [found] = read_library(tmp_path / "x").profiles
    assert found.emissions.min() == pytest.approx(STEP)
    assert np.isfinite(np.log(found.odds[:4])).all()


def test_odds_are_relative_to_a_uniform_background():
    emissions = np.array([[0.7, 0.1, 0.1, 0.1], [0.5, 0.5, 0.5, 0.5]], np.float32)
    odds = replace(make_profile(["AC"], "x", []), emissions=emissions).odds
    np.testing.assert_allclose(odds[:4, 0], [2.8, 0.4, 0.4, 0.4], rtol=1e-6)
    np.testing.assert_allclose(odds[:4, 1], 1.0)
    assert (odds[4] == 1.0).all()
    assert (odds[PADDING] == 0.0).all()


def remade(path, **changed):
    """The library with other arrays or names; None leaves one out."""
    arrays = {**load_file(path), **changed}
    names = arrays.pop("names", '["a", "b"]')
    about = None if names is None else {"names": names}
    path.write_bytes(save({key: one for key, one in arrays.items() if one is not None}, about))


def refusal(path):
    with pytest.raises(WeightsError) as caught:
        read_library(path)
    assert str(caught.value) == f"{path}: {caught.value.message}"
    return caught.value.message


@pytest.mark.parametrize("size", [0, 7, 100, 5000, -1])
def test_a_file_that_was_cut_is_refused(path, size):
    path.write_bytes(path.read_bytes()[:size])
    assert refusal(path) == NOT_WHOLE


def test_what_is_no_file_is_refused(tmp_path):
    assert refusal(tmp_path) == refusal(tmp_path / "missing") == "no such file"


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
def test_number_types_unknown_to_numpy_are_refused(path, kind):
    said = json.dumps({"rarity": {"dtype": kind, "shape": [4], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(struct.pack("<Q", len(said)) + said + bytes(8))
    assert refusal(path) == NOT_WHOLE


def test_a_library_of_nothing_is_refused(path):
    shapes = {name: array[:0] for name, array in load_file(path).items() if name != "rarity"}
    remade(path, names="[]", **shapes)
    assert refusal(path) == NO_LIBRARY


@pytest.mark.parametrize("name", [*ARRAYS, "names"])
def test_a_library_without_one_of_its_parts_is_refused(path, name):
    remade(path, **{name: None})
    assert refusal(path) == NO_LIBRARY


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_another_type_or_shape_are_refused(path, name):
    array = load_file(path)[name]
    for wrong in (array.astype(np.float64), array[..., None], array[:-1]):
        remade(path, **{name: wrong})
        assert refusal(path) == NO_LIBRARY


@pytest.mark.parametrize("names", ["{}", '"ab"', "null", '["a"]', '["a", "b", "c"]', '["a", 2]'])
def test_names_that_are_no_list_of_as_many_strings_are_refused(path, names):
    remade(path, names=names)
    assert refusal(path) == NO_LIBRARY


@pytest.mark.parametrize("names", ["", '["a"', '["a", "\\ud800"]', "[" * 100_000])
def test_names_that_are_no_json_are_refused(path, names):
    remade(path, names=names)
    assert refusal(path) == NOT_WHOLE


@pytest.mark.parametrize(
    ("place", "pair"),
    [(3, (-1, 5)), (3, (5, 5)), (3, (6, 5)), (3, (0, SIZE)), (-1, (0, 20)), (-1, (0, 2**31 - 1))],
)
def test_pairs_that_do_not_fit_their_profile_are_refused(path, place, pair):
    pairs = load_file(path)["pairs"].copy()
    pairs[place] = pair
    remade(path, pairs=pairs)
    assert refusal(path) == NO_LIBRARY


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("columns", SIZE + 1, 20),
        ("columns", SIZE + 20, 0),
        ("columns", SIZE + 21, -1),
        ("pair_counts", len(PAIRS), 1),
        ("pair_counts", len(PAIRS) + 3, -1),
    ],
)
def test_counts_that_do_not_add_up_are_refused(path, name, first, second):
    remade(path, **{name: np.array([first, second], np.int32)})
    assert refusal(path) == NO_LIBRARY


def test_a_profile_without_columns_is_refused(path):
    counts = {"columns": [SIZE + 20, 0], "pair_counts": [len(PAIRS) + 2, 0]}
    remade(path, **{name: np.array(both, np.int32) for name, both in counts.items()})
    assert refusal(path) == NO_LIBRARY


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_rarity_that_is_no_number_is_refused(path, value):
    remade(path, rarity=np.full(N_KMERS, value, np.float32))
    assert refusal(path) == NO_LIBRARY


def test_kmer_counts_are_capped_at_three():
    counts = count_kmers(encode("ACGUACGU"))
    assert counts.sum() == 4
    assert counts[0b00_01_10_11_00] == counts[0b11_00_01_10_11] == 1
    repeated = count_kmers(encode("A" * 50 + "C"))
    assert repeated[0] == 3
    assert repeated[1] == 1
    assert repeated.sum() == 4


def test_kmers_with_an_unknown_letter_are_skipped():
    assert count_kmers(encode("ACGUANACGUA")).sum() == 2
    assert count_kmers(encode("ACGUNACGU")).sum() == 0


@pytest.mark.parametrize("size", range(6))
def test_sequences_shorter_than_a_kmer_have_none(size):
    counts = count_kmers(encode("ACGUA"[:size]))
    assert counts.shape == (N_KMERS,)
    assert counts.sum() == (size == 5)


def test_kmer_vectors_have_length_one_or_zero_and_are_weighted_by_idf():
    idf = np.ones(N_KMERS, np.float32)
    idf[1] = 3.0
    found = Library((), idf).vectorise(encode("AAAAAC"))
    assert found[:2].tolist() == pytest.approx([10**-0.5, 3 * 10**-0.5])
    assert np.linalg.norm(library().vectorise(encode(random_rna(80, 1)))) == pytest.approx(1.0)
    assert not library().vectorise(encode("ACGU")).any()


def test_letter_frequencies_include_pseudocounts():
    found = add_pseudocounts(np.array([[3.0, 0, 0, 0], [0, 0, 0, 0]]))
    np.testing.assert_allclose(found, [[0.8125, 0.0625, 0.0625, 0.0625], [0.25] * 4])
