"""`rnaformer score`: its tables, its JSON, and what it refuses to compare."""

import json
from pathlib import Path

import pytest

from rnaformer_cli.structure.formats import WRITERS, read_structures

# Four RNAs. By hand, as pairs found / predicted / accepted:
REFERENCE = """>hairpin
GGGGAAAACCCC
((((....))))
>knot
GGGAAACCCCCCUUUGGGA
(((...[[[)))...]]].
>shifted
GGGAAAACCCA
(((....))).
>unpaired
AAAAAAAA
........
"""
PREDICTED = """>hairpin
GGGGAAAACCCC
((((....))))
>knot
GGGAAACCCCCCUUUGGGA
(((......))).......
>shifted
GGGAAAACCCA
(((.....)))
>unpaired
AAAAAAAA
........
"""  # 4/4/4, 3/3/6, 0/3/3 (each pair off by one), 0/0/0
OTHER = PREDICTED.replace("((((....))))", "((........))")  # 2/2/4 for the hairpin
LONG_NAME = "a-name-of-" + "many-" * 60 + "letters"
NON_CANONICAL = ">x\nGAAAAAAC\n((....))\n"  # G-C around A-A


@pytest.fixture
def run_score(run_cli):
    """Score a prediction against the reference, both given as texts."""

    def call(*options, predicted=PREDICTED, reference=REFERENCE):
        Path("pred.dbn").write_text(predicted)
        Path("ref.dbn").write_text(reference)
        Path("other.dbn").write_text(OTHER)
        return run_cli("score", "pred.dbn", "--ref", "ref.dbn", *options)

    return call


@pytest.mark.parametrize("form", ["", "--tsv", "--json"], ids=["table", "tsv", "json"])
@pytest.mark.parametrize(
    "options",
    [(), ("--tolerance", 1), ("--canonical",), ("--vs", "other.dbn")],
    ids=["exact", "tolerance", "canonical", "vs"],
)
def test_figures_match_their_golden_file(run_score, check_golden, form, options):
    finished = run_score(*options, *([form] if form else []))
    suffix = {"": "txt", "--tsv": "tsv", "--json": "json"}[form]
    name = options[0].removeprefix("--") if options else "exact"
    check_golden(f"score/{name}.{suffix}", finished.out)
    assert (finished.err, finished.code) == ("", 0)


def test_figures_of_each_record_are_those_worked_out_by_hand(run_score):
    [header, *rows] = [line.split("\t") for line in run_score("--tsv").out.splitlines()]
    assert header == [
        *("id", "length", "predicted", "reference", "matched"),
        *("precision", "recall", "f1", "mcc"),
    ]
    assert [row[:8] for row in rows] == [
        ["hairpin", "12", "4", "4", "4", "1.0000", "1.0000", "1.0000"],
        ["knot", "19", "3", "6", "3", "1.0000", "0.5000", "0.6667"],
        ["shifted", "11", "3", "3", "0", "0.0000", "0.0000", "0.0000"],
        ["unpaired", "8", "0", "0", "0", "1.0000", "1.0000", "1.0000"],
    ]


def test_one_record_has_no_interval(run_cli):
    Path("one.dbn").write_text(">a\nGGGAAACCC\n(((...)))\n")
    finished = run_cli("score", "one.dbn", "--ref", "one.dbn")
    assert "interval" not in finished.out
    values = run_cli("score", "one.dbn", "--ref", "one.dbn", "--json").out
    assert json.loads(values)["f1_interval"] is None


def test_the_mean_is_over_records_and_the_pool_over_pairs(run_score):
    figures = json.loads(run_score("--json").out)
    assert figures["f1"] == pytest.approx((1 + 2 / 3 + 0 + 1) / 4)
    assert figures["pooled"]["f1"] == pytest.approx(2 * 7 / (10 + 13))


def test_pseudoknots_have_their_own_figures(run_score):
    figures = json.loads(run_score("--json").out)
    assert figures["pseudoknot_records"] == 1
    assert figures["pseudoknot"]["reference"] == 6  # all pairs of the knot cross another
    assert figures["pseudoknot"]["matched"] == 0  # alone, the first helix crosses nothing


def test_json_has_these_fields(run_score):
    figures = json.loads(run_score("--json", "--vs", "other.dbn", "--tolerance", 1).out)
    assert list(figures) == [
        *("records", "missing", "precision", "recall", "f1", "f1_interval", "mcc", "pooled"),
        *("tolerant_f1", "pseudoknot", "pseudoknot_records", "without_reference"),
        *("per_record", "other"),
    ]
    counts = ["predicted", "reference", "matched", "precision", "recall", "f1", "mcc"]
    assert list(figures["pooled"]) == list(figures["pseudoknot"]) == counts
    record = ["id", "length", "missing", *counts, "tolerant"]
    assert [list(row) for row in figures["per_record"]] == [record] * 4
    assert list(figures["other"]) == ["f1", "difference", "difference_interval", "p", "per_record"]


def test_a_tolerance_of_one_finds_the_shifted_helix(run_score):
    rows = [line.split() for line in run_score("--tolerance", 1).out.splitlines()]
    assert rows[0][-2:] == ["F1", "±1"]
    assert [row[-1] for row in rows[1:5]] == ["1.000", "0.667", "1.000", "1.000"]


def test_canonical_leaves_other_pairs_out_on_both_sides(run_score):
    flat = NON_CANONICAL.replace("((....))", "(......)")
    exact = run_score("--tsv", predicted=flat, reference=NON_CANONICAL)
    canonical = run_score("--tsv", "--canonical", predicted=flat, reference=NON_CANONICAL)
    assert exact.out.splitlines()[1].split("\t")[2:5] == ["1", "2", "1"]
    assert canonical.out.splitlines()[1].split("\t")[2:5] == ["1", "1", "1"]


def test_a_second_prediction_is_compared_record_by_record(run_score):
    finished = run_score("--vs", "other.dbn")
    [header, hairpin, *_, last] = finished.out.splitlines()
    assert header.endswith("  F1 other")
    assert hairpin.endswith("  0.667")  # 2 of 4 pairs
    # One record differs, by 1/3: a flipped sign changes nothing, so p is 1.
    assert last == (
        "mean F1 difference +0.083, 95 % interval +0.000 to +0.250 (paired bootstrap), "
        "p = 1 (paired sign flips)"
    )


def test_the_p_value_is_that_of_all_signs_alike(run_score):
    """Ten records that are all better: by chance 2 of 2**10 = 0.2 %."""
    names = [f"r{number}" for number in range(10)]
    good = "".join(f">{name}\nGGGGAAAACCCC\n((((....))))\n" for name in names)
    Path("worse.dbn").write_text(good.replace("((((....))))", "(..........)"))
    figures = json.loads(
        run_score("--json", "--vs", "worse.dbn", predicted=good, reference=good).out
    )
    assert figures["other"]["difference"] == pytest.approx(1 - 0.4)
    assert figures["other"]["difference_interval"] == pytest.approx([0.6, 0.6])
    assert figures["other"]["p"] == pytest.approx(2 / 2**10, abs=0.001)


def test_the_same_seed_gives_the_same_interval(run_score):
    known = "".join(helix(f"r{number}", 10) for number in range(10))
    found = "".join(helix(f"r{number}", number) for number in range(10))
    first, again, other = (
        run_score("--json", "--seed", seed, predicted=found, reference=known).out
        for seed in (1, 1, 2)
    )
    assert first == again
    assert json.loads(first)["f1_interval"] != json.loads(other)["f1_interval"]


def test_a_table_for_programs_has_the_other_prediction_as_well(run_score):
    [header, hairpin, *_] = run_score("--tsv", "--vs", "other.dbn").out.splitlines()
    assert (header.split("\t")[-1], hairpin.split("\t")[-1]) == ("f1_other", "0.6667")


def test_a_missing_prediction_scores_zero_and_is_listed(run_score):
    finished = run_score(predicted=PREDICTED.split(">unpaired")[0])
    assert finished.err == "rnaformer: warning: no prediction for unpaired\n"
    row = next(line for line in finished.out.splitlines() if line.startswith("unpaired"))
    assert row.split() == ["unpaired", "8", "missing", "missing", "0.000", "missing"]
    assert "F1 is 0 for 1 missing prediction\n" in finished.out
    assert finished.code == 0


def test_a_prediction_without_a_reference_is_listed(run_score):
    finished = run_score("--json", predicted=PREDICTED + ">new\nACGU\n....\n")
    assert finished.err == "rnaformer: warning: no reference for new\n"
    assert json.loads(finished.out)["without_reference"] == ["new"]


def test_a_long_list_of_missing_records_is_cut_after_five(run_score):
    many = "".join(f">r{number}\nACGU\n....\n" for number in range(8))
    finished = run_score(predicted=">r7\nACGU\n....\n", reference=many)
    listed = "r0, r1, r2, r3, r4 and 2 more"
    assert finished.err == f"rnaformer: warning: no prediction for {listed}\n"


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        (">hairpin\nGGGAAACCC\n.........\n", "the prediction has 9 bases, the reference 12"),
        (
            ">hairpin\nGGGGAAAACCCA\n............\n",
            "base 12 is A in the prediction, C in the reference",
        ),
    ],
)
def test_another_rna_is_not_compared(run_score, predicted, message):
    finished = run_score(predicted=predicted)
    assert finished.err == f"rnaformer: record 'hairpin': {message}\n"
    assert (finished.out, finished.code) == ("", 1)


def test_dna_lower_case_and_n_are_the_same_rna(run_score):
    finished = run_score(predicted=PREDICTED.replace("CCUUUGG", "ccTTTNG"))
    assert (finished.err, finished.code) == ("", 0)


@pytest.mark.parametrize("length", [80, 300, 20_000])
@pytest.mark.parametrize("form", [(), ("--tsv",), ("--json",)], ids=["table", "tsv", "json"])
def test_a_long_id_is_never_cut(run_score, monkeypatch, length, form):
    monkeypatch.setenv("COLUMNS", "40")
    name = (LONG_NAME * (length // len(LONG_NAME) + 1))[:length]
    text = PREDICTED.replace("hairpin", name)
    finished = run_score(*form, predicted=text, reference=text)
    assert sum(name in line for line in finished.out.splitlines()) == 1


def test_markup_and_control_characters_in_ids_are_only_text(run_score):
    text = ">[bold]x\x1b[31m\nACGU\n....\n"
    rows = run_score(predicted=text, reference=text).out.splitlines()
    assert rows[1].split()[0] == "[bold]x\\x1b[31m"


@pytest.mark.parametrize("reference", [*WRITERS, "stockholm"])
@pytest.mark.parametrize("predicted", [*WRITERS, "stockholm"])
def test_every_format_is_scored_against_every_other(run_cli, predicted, reference):
    Path("knot.dbn").write_text(">knot\n" + REFERENCE.split(">knot\n")[1].split(">")[0])
    [knot] = read_structures("knot.dbn")
    texts = {name: write(knot) for name, write in WRITERS.items()}
    signs = "<<<...AAA>>>...aaa."
    texts["stockholm"] = f"# STOCKHOLM 1.0\nknot {knot.sequence}\n#=GC SS_cons {signs}\n//\n"
    for name in {predicted, reference}:
        Path(f"x.{name}").write_text(texts[name])
    finished = run_cli("score", f"x.{predicted}", "--ref", f"x.{reference}", "--json")
    assert json.loads(finished.out)["f1"] == 1.0
    assert (finished.err, finished.code) == ("", 0)


def test_a_folder_of_references_may_mix_formats(run_cli, examples_folder):
    Path("refs").mkdir()
    records = list(read_structures(examples_folder / "rnas.dbn"))
    for record, suffix in zip(records, ["ct", "dbn", "jsonl", "bpseq"], strict=True):
        Path(f"refs/{record.id}.{suffix}").write_text(WRITERS[suffix](record))
    finished = run_cli("score", examples_folder / "rnas.dbn", "--ref", "refs", "--json")
    figures = json.loads(finished.out)
    assert (figures["records"], figures["missing"], figures["f1"]) == (4, 0, 1.0)


def test_one_prediction_and_one_reference_belong_together_whatever_their_names(run_score):
    one = ">a\nACGU\n....\n"
    finished = run_score(predicted=one, reference=one.replace(">a", ">b"))
    assert (finished.err, finished.code) == ("", 0)


@pytest.mark.parametrize(
    ("predicted", "reference", "message"),
    [
        (
            "a.fasta",
            "ref.dbn",
            "a.fasta:1: this looks like FASTA; expected structures, as "
            "`rnaformer predict` writes them",
        ),
        (
            "ref.dbn",
            "a.fasta",
            "a.fasta:1: this looks like FASTA; expected structures, as "
            "`rnaformer predict` writes them",
        ),
        ("none.dbn", "ref.dbn", "none.dbn: no such file or directory"),
        ("ref.dbn", "none.dbn", "none.dbn: no such file or directory"),
        ("empty", "ref.dbn", "empty: no structure in this file"),
        ("ref.dbn", "empty", "empty: no structure in this file"),
    ],
)
def test_a_file_without_structures_is_reported(run_cli, predicted, reference, message):
    Path("a.fasta").write_text(">a\nACGU\n")
    Path("ref.dbn").write_text(REFERENCE)
    Path("empty").touch()
    finished = run_cli("score", predicted, "--ref", reference)
    assert (finished.out, finished.err) == ("", f"rnaformer: {message}\n")
    assert finished.code == 1


def test_json_and_tsv_exclude_each_other(run_score):
    finished = run_score("--json", "--tsv")
    assert finished.err.endswith("\nError: --json and --tsv cannot be combined\n")
    assert (finished.out, finished.code) == ("", 2)


def helix(name, pairs):
    """An RNA that could form ten pairs, with that many of them."""
    sequence = "G" * 10 + "AAAA" + "C" * 10
    return f">{name}\n{sequence}\n{('(' * pairs).ljust(12, '.')}{(')' * pairs).rjust(12, '.')}\n"


def test_what_the_other_prediction_lacks_is_reported(run_score):
    """Its F1 was 0 there without a word."""
    Path("renamed.dbn").write_text(OTHER.replace("knot", "k"))
    finished = run_score("--vs", "renamed.dbn")
    assert finished.err.splitlines() == [
        "rnaformer: warning: no prediction for knot in renamed.dbn",
        "rnaformer: warning: no reference for k in renamed.dbn",
    ]
    assert "F1 other is 0 for 1 missing prediction" in finished.out.splitlines()
