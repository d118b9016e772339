"""What counts as an RNA in Python: text, records of either library, files."""

from pathlib import Path

import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from rnaformer_cli.errors import InputError, SequenceError
from rnaformer_cli.sequence.inputs import ONE_RNA, to_record, to_records
from rnaformer_cli.sequence.record import RnaRecord

FASTA = ">a the first\nGGGAAACCC\n>b\nacgt\n"
RECORDS = [RnaRecord("a", "GGGAAACCC", "the first"), RnaRecord("b", "ACGU")]


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "rnas.fasta"
    path.write_text(FASTA)
    return path


def test_sequences_are_named_by_their_number():
    assert list(to_records(["ggat", "CC"])) == [
        RnaRecord("sequence_1", "GGAU"),
        RnaRecord("sequence_2", "CC"),
    ]


def test_records_stay_as_they_are():
    assert to_record(RECORDS[0]) is RECORDS[0]


def test_a_path_is_a_fasta_file_or_a_folder_of_them(fasta):
    assert list(to_records(fasta)) == RECORDS
    assert list(to_records(fasta.parent)) == RECORDS


def test_records_of_biopython_are_those_of_the_file(fasta):
    with fasta.open() as lines:
        assert list(to_records(SeqIO.parse(lines, "fasta"))) == RECORDS


def test_a_record_of_biopython_without_a_name_or_with_its_own_description():
    nameless = SeqRecord(Seq("GGCC"))
    described = SeqRecord(Seq("GGCC"), id="x", description="a tRNA")
    assert list(to_records([nameless, described])) == [
        RnaRecord("sequence_1", "GGCC"),
        RnaRecord("x", "GGCC", "a tRNA"),
    ]


def test_a_sequence_of_biopython_is_one_rna_and_not_its_letters():
    assert isinstance(Seq("GGCC"), ONE_RNA)
    assert to_record(Seq("ggct")) == RnaRecord("sequence_1", "GGCU")


def test_rnas_are_taken_one_by_one():
    def endless():
        while True:
            yield "GG"

    assert next(to_records(endless())).sequence == "GG"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rnas.fa", "'rnas.fa' is a file name; expected a sequence: pass Path('rnas.fa')"),
        ("x.fasta.gz", "'x.fasta.gz' is a file name; expected a sequence: pass Path('x.fasta.gz')"),
        ("a/GGG", "'a/GGG' is a file name; expected a sequence: pass Path('a/GGG')"),
        (
            ">x\nGG\n",
            "this is FASTA text; expected a sequence: use read_fasta(text.splitlines())",
        ),
        ("", "record 'sequence_1': no sequence"),
    ],
)
def test_text_that_is_no_sequence_is_refused(text, message):
    with pytest.raises(SequenceError) as caught:
        to_record(text)
    assert str(caught.value) == message


def test_a_missing_file_is_an_error():
    with pytest.raises(InputError) as caught:
        list(to_records(Path("none.fa")))
    assert str(caught.value) == "none.fa: no such file or directory"


def test_other_values_are_a_mistake_of_the_program():
    accepted = r"^expected a sequence, RnaRecord\(id, sequence\), Seq or SeqRecord, not int$"
    with pytest.raises(TypeError, match=accepted):
        list(to_records([5]))


@pytest.mark.parametrize(
    ("rnas", "message"),
    [
        ({"AUG": "GGGAAACCC"}, "expected RNAs in order, not dict: give [RnaRecord(id, sequence) "),
        ({"GGGAAACCC", "AUG"}, "expected a sequence, RnaRecord(id, sequence), Seq or SeqRecord, a"),
        (
            b"GGGAAACCC",
            "expected a sequence, RnaRecord(id, sequence), Seq or SeqRecord, a Path, or",
        ),
        (
            5,
            "expected a sequence, RnaRecord(id, sequence), Seq or SeqRecord, a Path, or a list of ",
        ),
        (("tRNA", "GGGAAACCC"), "a tuple of two texts may be an id and a sequence: give RnaRecord"),
    ],
)
def test_collections_whose_items_are_not_rnas_in_order_are_refused_at_once(rnas, message):
    with pytest.raises(TypeError) as caught:
        to_records(rnas)
    assert str(caught.value).startswith(message)


def test_tuples_of_records_are_rnas_in_order():
    assert list(to_records(tuple(RECORDS))) == RECORDS
