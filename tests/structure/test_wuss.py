"""WUSS notation, against lines of the Infernal user guide and of Rfam."""

import pytest
from conftest import any_structures
from hypothesis import given, settings

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure
from rnaformer_cli.structure.wuss import format_wuss

TRNA = "(((((((,,<<<<________>>>>,<<<<<_______>>>>>,,,,,<<<<<_______>>>>>))))))):"  # RF00005


@pytest.mark.parametrize(
    ("dot_bracket", "wuss"),
    [
        ("...", ":::"),
        (".((...)).", ":<<___>>:"),
        ("()", "<>"),
        ("((.((...))))", "<<-<<___>>>>"),
        ("(.(...).)..(..)", "<-<___>->::<__>"),
        ("(.(..).(..).)", "(,<__>,<__>,)"),
        (".((.(..).(..).)).", ":((,<__>,<__>,)):"),
        ("((..).((..)(..)))", "[<__>,(<__><__>)]"),
        ("(()(()(()(()()))))", "{<>{<>[<>(<><>)]}}"),
        ("((..[[.))..]]", "<<__AA_>>::aa"),
        ("((.[.)).].{{..}}.", "<<_A_>>:a:<<__>>:"),
    ],
)
def test_symbols_name_helices_and_loops(dot_bracket, wuss):
    structure = parse_dot_bracket(dot_bracket)
    assert format_wuss(structure) == wuss
    assert parse_dot_bracket(wuss) == structure


def test_the_consensus_of_trna_is_written_as_rfam_has_it():
    assert format_wuss(parse_dot_bracket(TRNA)) == TRNA


@settings(max_examples=200, deadline=None)
@given(any_structures())
def test_what_is_written_is_read_back(structure):
    assert parse_dot_bracket(format_wuss(structure)) == structure


def test_a_base_with_several_partners_is_refused():
    with pytest.raises(StructureError, match=r"^base 1 has several partners"):
        format_wuss(Structure(9, frozenset({(0, 8), (0, 7)})))


def test_more_levels_than_letters_are_refused():
    ladder = Structure(56, frozenset((base, base + 28) for base in range(28)))
    format_wuss(Structure(54, frozenset((base, base + 27) for base in range(27))))
    with pytest.raises(StructureError) as caught:
        format_wuss(ladder)
    assert str(caught.value) == "pairs cross on more than 27 levels, which WUSS cannot hold"
