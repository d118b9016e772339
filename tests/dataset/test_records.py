"""Data sets: read back as written, and refused with file and line."""

import gzip
import json

import pytest

from rnaformer_cli.dataset.records import (
    LabelledRecord,
    read_dataset,
    record_from_json,
    write_dataset,
)
from rnaformer_cli.errors import DatasetError, InputError

HAIRPIN = LabelledRecord("h", "GGGAAACCC", ((0, 8), (1, 7)), "pdb", "RF1", "CL1", 4)
COMPUTED = LabelledRecord("c", "GGAAACC", ((0, 6),), "rnafold", probabilities=((0, 6, 0.75),))


def test_a_data_set_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "set.jsonl.gz"
    assert write_dataset(path, [HAIRPIN, COMPUTED]) == 2
    assert list(read_dataset(path)) == [HAIRPIN, COMPUTED]


def test_the_same_records_make_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_dataset(tmp_path / name, [HAIRPIN, COMPUTED])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_set_is_json_lines_with_null_for_what_is_unknown(tmp_path):
    write_dataset(tmp_path / "set", [COMPUTED])
    assert gzip.decompress((tmp_path / "set").read_bytes()).decode() == (
        '{"id": "c", "seq": "GGAAACC", "pairs": [[0, 6]], "source": "rnafold", "family": null, '
        '"clan": null, "probabilities": [[0, 6, 0.75]]}\n'
    )


def test_labels_of_a_program_are_not_curated():
    assert HAIRPIN.is_curated
    assert not COMPUTED.is_curated


GOOD = '{"id": "a", "seq": "GGAAACC", "pairs": [[0, 6]], "source": "x"}\n'
BAD = {
    "[]": "expected a JSON object with id, seq, pairs and source",
    "{": "expected a JSON object with id, seq, pairs and source",
    '{"id": "b", "seq": "ACGU", "pairs": [[0]], "source": "x"}': (
        "expected a JSON object with id, seq, pairs and source"
    ),
    '{"id": "b", "seq": "ACGU", "pairs": [], "source": "x", "probabilities": [[0, 3, 2]]}': (
        "expected a JSON object with id, seq, pairs and source"
    ),
    '{"id": "b", "seq": "ACGU", "pairs": [], "source": "x", "probabilities": "no"}': (
        "expected a JSON object with id, seq, pairs and source"
    ),
    '{"id": "b", "seq": "ACGU", "pairs": []}': "no field 'source'",
    '{"id": "b", "seq": "ACGT", "pairs": [], "source": "x"}': (
        "record 'b': 'T' is not one of A C G U N"
    ),
    '{"id": "b", "seq": "", "pairs": [], "source": "x"}': "record 'b': no sequence",
    '{"id": "b", "seq": "ACGU", "pairs": [[0, 4]], "source": "x"}': (
        "record 'b': pair [0, 4] (0-based) does not fit 4 bases"
    ),
    '{"id": "b", "seq": "ACGU", "pairs": [[2, 1]], "source": "x"}': (
        "record 'b': pair [2, 1] (0-based) does not fit 4 bases"
    ),
}


@pytest.mark.parametrize(("line", "message"), BAD.items())
def test_a_line_that_is_no_record_is_refused_with_its_location(tmp_path, line, message):
    path = tmp_path / "set.jsonl"
    path.write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(DatasetError) as caught:
        list(read_dataset(path))
    assert str(caught.value) == f"{path}:3: {message}"


def test_a_missing_set_is_named(tmp_path):
    with pytest.raises(InputError) as caught:
        list(read_dataset(tmp_path / "absent"))
    assert str(caught.value) == f"{tmp_path / 'absent'}: no such file or directory"


@pytest.mark.parametrize(
    "change",
    [
        {"pairs": [[0.9, 2]]},
        {"pairs": [["0", 2]]},
        {"pairs": [[False, 2]]},
        {"pairs": {}},
        {"pairs": ""},
        {"pairs": [], "probabilities": [[0, 2, True]]},
        {"pairs": [], "probabilities": [[0, 2, "0.5"]]},
        {"seq": ["G", "A"], "pairs": []},
        {"id": None, "pairs": []},
        {"source": None, "pairs": []},
        {"family": 5, "pairs": []},
        {"cluster": 0.5, "pairs": []},
    ],
)
def test_values_of_another_kind_are_refused(change):
    """0.9 was read as 0, true as 1, and an object as no pairs."""
    with pytest.raises(DatasetError) as caught:
        record_from_json(json.dumps({"id": "x", "seq": "GAC", "source": "s", **change}))
    assert str(caught.value) == "expected a JSON object with id, seq, pairs and source"


def test_a_key_that_is_there_twice_is_refused():
    with pytest.raises(DatasetError) as caught:
        record_from_json('{"id": "x", "seq": "GAC", "pairs": [[0, 2]], "source": "s", "pairs": []}')
    assert str(caught.value) == "duplicate key 'pairs'"
