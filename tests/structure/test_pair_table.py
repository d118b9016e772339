"""The table of scored pairs."""

from rnaformer_cli.structure.pair_table import HEADER, format_pair_rows, format_unpaired_rows


def test_the_header_names_the_columns():
    assert HEADER.split() == ["id", "i", "j", "score"]


def test_rows_count_from_one_and_come_from_5_to_3():
    rows = format_pair_rows("x", {(3, 8): 0.51239, (0, 9): 1.0, (0, 4): 0.00001})
    assert rows == "x\t1\t5\t0.0000\nx\t1\t10\t1.0000\nx\t4\t9\t0.5124\n"


def test_no_pairs_have_no_rows():
    assert format_pair_rows("x", {}) == ""


def test_unpaired_bases_have_the_partner_zero():
    assert format_unpaired_rows("x", [0.25, 1.0]) == "x\t1\t0\t0.2500\nx\t2\t0\t1.0000\n"
