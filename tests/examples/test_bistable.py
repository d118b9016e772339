"""The bistable RNA shows both of its structures."""

from conftest import ROOT

EXAMPLES = ROOT / "examples"


def test_both_hairpins_of_the_bistable_rna_are_alternatives(run_cli):
    """The hairpin with the loop UCCG is the more frequent one, also by NMR."""
    lines = run_cli("predict", EXAMPLES / "bistable.fasta", "--alternatives", "2").out.splitlines()
    assert lines[2::3] == ["....((((((....))))))", "((((....))))........"]
    frequent, rare = (float(line.rpartition("probability=")[2]) for line in lines[::3])
    assert frequent > rare > 0.1
