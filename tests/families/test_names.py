"""Names of Rfam families."""

from rnaformer_cli.families.names import family_name
from rnaformer_cli.families.profiles import read_library
from rnaformer_cli.weight_store.store import DEFAULT, find_weights


def test_a_family_has_its_rfam_name():
    assert [family_name(accession) for accession in ("RF00005", "RF00167")] == ["tRNA", "Purine"]


def test_no_family_and_an_unknown_one_have_no_name():
    assert [family_name(accession) for accession in (None, "", "mine")] == [None, None, None]


def test_all_families_of_the_shipped_profiles_are_named_but_those_that_rfam_withdrew():
    library = read_library(find_weights(DEFAULT) / "families.safetensors")
    known = {profile.name for profile in library.profiles if profile.name}
    withdrawn = {"RF00469", "RF00496", "RF01942", "RF02002", "RF02013", "RF02549", "RF02910"}
    assert {name for name in known if family_name(name) is None} == withdrawn
