"""Stockholm alignments as Rfam and Infernal write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.stockholm import read_stockholm

RFAM = """# STOCKHOLM 1.0
#=GF ID   tRNA
#=GF CC
#=GF SQ   2

#=GS AB1.1/1-9  AC  AB1.1
#=GS AB2.1/9-1  DE  of
#=GS AB2.1/9-1  DE  yeast
AB1.1/1-9         GG.AAAccu-
AB2.1/9-1         G-uUU.CCTA
#=GC SS_cons      <<.___>>,:
#=GC RF           GG.aaaCCua
//
"""


def read(text):
    return list(read_stockholm(text.splitlines()))


def made(*lines):
    return "\n".join(["# STOCKHOLM 1.0", *lines, "//", ""])


def short(record):
    return record.id, record.sequence, sorted(record.structure.pairs)


def test_gaps_are_removed_and_pairs_with_a_gap_are_dropped():
    assert [short(record) for record in read(RFAM)] == [
        ("AB1.1/1-9", "GGAAACCU", [(0, 6), (1, 5)]),
        ("AB2.1/9-1", "GUUUCCUA", [(0, 5)]),
    ]


def test_a_description_is_one_line_and_empty_without_one():
    assert [record.description for record in read(RFAM)] == ["", "of yeast"]


def test_wuss_notation_is_read_with_its_pseudoknots():
    [record] = read(made("x  GGGGAAACCCCAAAGG", "#=GC SS_cons  ([<{.AA}>])~~-aa"))
    assert sorted(record.structure.pairs) == [(0, 10), (1, 9), (2, 8), (3, 7), (5, 15), (6, 14)]


def test_the_own_structure_of_a_member_goes_before_the_consensus():
    text = made("x  GAAC", "#=GR x SS  .().", "y  GAAC", "#=GC SS_cons  (..)")
    assert [sorted(record.structure.pairs) for record in read(text)] == [[(1, 2)], [(0, 3)]]


def test_blocks_of_a_wrapped_alignment_are_joined():
    text = made("x  GA", "#=GC SS_cons  (.", "", "x  AC", "#=GC SS_cons  .)")
    assert [short(record) for record in read(text)] == [("x", "GAAC", [(0, 3)])]


def test_several_alignments_may_follow_each_other():
    one = made("x  GC", "#=GC SS_cons  ()")
    assert [record.id for record in read(one + one.replace("x", "y"))] == ["x", "y"]


@pytest.mark.parametrize(
    "text",
    [
        "\n\n# STOCKHOLM 1.0\nx  GC\n#=GC SS_cons  ()\n//\n",
        "# STOCKHOLM 1.0\nx  GC\n#=GC SS_cons  ()\n",
        "# STOCKHOLM 1.0\nx\tGC\n#=GC\tSS_cons\t()\n//\n",
    ],
    ids=["blank lines above", "no end", "tabs"],
)
def test_small_deviations_from_the_format_are_accepted(text):
    assert [short(record) for record in read(text)] == [("x", "GC", [(0, 1)])]


def test_an_alignment_without_members_holds_no_record():
    assert read("# STOCKHOLM 1.0\n//\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">x\nGC\n()\n", "not a Stockholm alignment: Did not find STOCKHOLM header"),
        (
            made("x  GC", "y  GCA", "#=GC SS_cons  ()"),
            "not a Stockholm alignment: Sequences have different lengths, or repeated identifier",
        ),
        (
            made("x  GC", "#=GC SS_cons  (.)"),
            "not a Stockholm alignment: SS_cons length 3, expected 2",
        ),
        (
            made("GC"),
            "not a Stockholm alignment: Could not split line into identifier and sequence: GC",
        ),
        (
            made("x  GC", "//", "y  GC"),
            "not a Stockholm alignment: a part of it is out of place",
        ),
        (
            made("x  GC", "#=GR x SS  (.)"),
            "not a Stockholm alignment: "
            "Any per-letter annotation should be a Python sequence (list, tuple or string) "
            "of the same length as the biological sequence, here 2.",
        ),
        (
            made("x  GC"),
            "record 'x': no structure: the alignment has no SS_cons, and this sequence no SS",
        ),
        (
            made("x  GC", "#=GC SS_cons  (."),
            "record 'x': '(' at column 1 is never closed",
        ),
        (
            made("x  GC", "#=GC SS_cons  (?"),
            "record 'x': '?' at column 2 is not dot-bracket notation",
        ),
        (made("x  --", "#=GC SS_cons  .."), "record 'x': no sequence"),
    ],
)
def test_broken_alignments_are_reported(text, message):
    with pytest.raises(StructureError) as caught:
        read(text)
    assert str(caught.value) == message


WORDS = ["# STOCKHOLM 1.0", "//", "#=GC ", "#=GR ", "#=GS ", "#=GF ", "SS_cons ", "SS ", "AC "]
PARTS = st.sampled_from([*WORDS, "x ", "GC", "()", "(", "\n", "\n", "\n", " ", "#"])


@settings(max_examples=200, deadline=None)
@given(st.lists(PARTS, max_size=25).map("".join) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    for start in ("", "# STOCKHOLM 1.0\n"):
        try:
            assert all(record.sequence for record in read_stockholm((start + text).split("\n")))
        except StructureError as error:
            assert error.message
