"""`predict --constraints` and `--constraints-in-fasta`: what is used, reported and resumed."""

import json
from pathlib import Path

import pytest

from rnaformer_cli.cli.run.log import record_checksum
from rnaformer_cli.sequence.constraints import parse_constraints
from rnaformer_cli.sequence.record import RnaRecord

FASTA = ">a\nGGGGAAAACCCC\n>b\nGGGAAACCC\n>c\nACGU\n"
BELOW = ">a\nGGGGAAAACCCC\n(x........|)\n>b\nGGGAAACCC\n>c\nACGU\nxxxx\n"
LISTS = ("pairs", "forbidden", "unpaired", "paired", "downstream", "upstream", "unmet")


@pytest.fixture(autouse=True)
def inputs(isolated_folder):
    Path("in.fa").write_text(FASTA)
    Path("below.fa").write_text(BELOW)
    Path("set.dbn").write_text(">a\nGGGGAAAACCCC\n(x........|)\n>c\nACGU\nxxxx\n")
    Path("a.con").write_text(
        "DS:\n11\n-1\nSS:\n2\n-1\nMod:\n-1\nPairs:\n1 12\n-1 -1\nFMN:\n-1\nForbids:\n-1 -1\n"
    )


def expected(*lines):
    return "".join(f"rnaformer: {line}\n" for line in lines)


def rows(finished):
    return {row["id"]: {**row, "seconds": 0} for row in map(json.loads, finished.out.splitlines())}


def listed(**values):
    return {name: values.get(name, []) for name in LISTS}


def test_both_ways_give_the_same_answers_and_json_lists_the_constraints(run_predict):
    from_file = run_predict("in.fa", "-f", "jsonl", "--constraints", "set.dbn")
    below = run_predict("below.fa", "-f", "jsonl", "--constraints-in-fasta")
    assert rows(from_file) == rows(below)
    a, b, c = rows(below).values()
    assert a["constraints"] == listed(pairs=[[1, 12]], unpaired=[2], paired=[11])
    assert (a["structure"][0], a["structure"][1], a["structure"][-1]) == ("(", ".", ")")
    assert [1, 12, 1.0] in a["pairs"]
    assert "constraints" not in b
    assert c["constraints"] == listed(unpaired=[1, 2, 3, 4])
    assert (below.err, below.code) == (expected("2 of 3 records have constraints"), 0)
    assert from_file.err == below.err


def test_a_con_file_is_of_the_record_with_its_name(run_predict):
    finished = run_predict("in.fa", "-f", "jsonl", "--constraints", "a.con")
    assert rows(finished)["a"]["constraints"] == listed(pairs=[[1, 12]], unpaired=[2], paired=[11])
    assert (finished.err, finished.code) == (expected("1 of 3 records has constraints"), 0)


def test_records_without_constraints_are_written_as_before(run_predict):
    plain = rows(run_predict("in.fa", "-f", "jsonl"))
    given = rows(run_predict("in.fa", "-f", "jsonl", "--constraints", "set.dbn"))
    assert given["b"] == plain["b"]
    dotted = FASTA.replace("CCCC\n", "CCCC\n............\n")
    same = rows(run_predict("-", "-f", "jsonl", "--constraints-in-fasta", stdin=dotted))
    assert same["a"].pop("constraints") == listed()
    assert same == plain


BAD = [  # a line below the sequence GGGAAACCC, the message
    ("(...", "4 constraint symbols for 9 bases"),
    ("(.......", "8 constraint symbols for 9 bases"),
    ("(........", "'(' at base 1 is never closed"),
    ("........)", "')' at base 9 closes nothing"),
    (
        "..(..)...",
        "bases 3 and 6 must pair, but have 2 between them; a hairpin loop has at least 3",
    ),
    ("......<..", "base 7 must pair downstream, where no base is far enough for a hairpin"),
    ("..>......", "base 3 must pair upstream, where no base is far enough for a hairpin"),
    (
        "..e......",
        "'e' at base 3 is not a constraint; expected . x | < > ( ) [ ] or { }",
    ),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_record_whose_constraints_cannot_be_met_fails_and_others_go_on(
    run_predict, line, message
):
    text = f">bad\nGGGAAACCC\n{line}\n>good\nGGGAAACCC\n(.......)\n"
    finished = run_predict("-", "--constraints-in-fasta", stdin=text)
    assert finished.err == expected(
        f"stdin:3: record 'bad': {message}", "1 of 1 record has constraints"
    )
    assert finished.out.count(">") == 1
    assert finished.code == 1
    Path("set.dbn").write_text(text)
    sequences = ">bad\nGGGAAACCC\n>good\nGGGAAACCC\n"
    finished = run_predict("-", "--constraints", "set.dbn", stdin=sequences)
    assert finished.err == expected(
        f"set.dbn:3: record 'bad': {message}", "1 of 1 record has constraints"
    )
    assert (finished.out.count(">"), finished.code) == (1, 1)
    stopped = run_predict("-", "--constraints-in-fasta", "--fail-fast", stdin=text)
    assert stopped.err == expected(f"stdin:3: record 'bad': {message}")
    assert (stopped.out, stopped.code) == ("", 1)


BAD_CON = [
    ("Pairs:\n1 9\n1 8\n-1 -1\n", 3, "base 1 has two partners, 8 and 9"),
    (
        "Pairs:\n1 4\n-1 -1\n",
        2,
        "bases 1 and 4 must pair, but have 2 between them; a hairpin loop has ",
    ),
    ("DS:\n3\n-1\nSS:\n3\n-1\n", 5, "base 3 must be unpaired, and must pair"),
    ("SS:\n3\n20\n-1\n", 3, "base 20 is beyond the RNA, which has 12 bases"),
    ("Pairs:\n1 9\n-1 -1\nForbids:\n9 1\n-1 -1\n", 5, "bases 1 and 9 must pair, and must not "),
    ("FMN:\n2\n-1\n", 2, "base 2 is 'G'; FMN cleaves U in G-U pairs"),
]


@pytest.mark.parametrize(("text", "line", "message"), BAD_CON)
def test_a_con_file_that_does_not_fit_names_its_line(run_predict, text, line, message):
    Path("a.con").write_text(text)
    finished = run_predict("in.fa", "--constraints", "a.con")
    first, *_ = finished.err.splitlines()
    assert first.startswith(f"rnaformer: a.con:{line}: record 'a': {message}")
    assert (finished.out.count(">"), finished.code) == (2, 1)


UNREADABLE_CON = [
    ("Mod:\n3\n-1\n", 2, "modified bases (Mod:) are not supported; use SS:, or --reactivities"),
    ("SS:\n2\n-1\nPairs:\n1 9\n", 4, "the section 'Pairs:' has no end; expected a line '-1 -1'"),
    ("SS:\n2\n-1\nSS:\n3\n-1\n", 4, "the section 'SS:' occurs twice"),
]


@pytest.mark.parametrize(("text", "line", "message"), UNREADABLE_CON)
def test_a_con_file_that_cannot_be_read_fails_its_record(run_predict, text, line, message):
    Path("a.con").write_text(text)
    finished = run_predict("in.fa", "--constraints", "a.con")
    assert finished.err.splitlines()[:2] == [
        f"rnaformer: a.con:{line}: {message}",
        "rnaformer: record 'a': its constraints could not be read",
    ]
    assert (finished.out.count(">"), finished.code) == (2, 1)


def test_constraints_without_a_record_and_for_another_sequence_are_reported(run_predict):
    Path("set.dbn").write_text(">z\nGGG\n...\n>b\nGGGAAACCG\n(.......)\n>y\nAC\n(.\n")
    finished = run_predict("in.fa", "--constraints", "set.dbn")
    assert finished.err == expected(
        "set.dbn:6: record 'b': 'G' at base 9, but the RNA has 'C'",
        "set.dbn:9: record 'y': '(' at base 1 is never closed",
        "set.dbn:3: no record 'z'",
        "0 of 2 records have constraints",
    )
    assert (finished.out.count(">"), finished.code) == (2, 1)


def test_a_base_without_a_partner_is_reported_and_its_structure_is_written(run_predict):
    text = ">x\nGGGAAACCC\nxxxx|xxxx\n"
    message = "record 'x': 1 base that must pair has no partner: 5"
    finished = run_predict("-", "-f", "jsonl", "--quiet", "--constraints-in-fasta", stdin=text)
    assert (finished.err, finished.code) == (expected(message), 1)
    assert rows(finished)["x"]["constraints"] == listed(
        unpaired=[1, 2, 3, 4, 6, 7, 8, 9], paired=[5], unmet=[5]
    )
    finished = run_predict("-", "--constraints-in-fasta", "--failures", "failed.tsv", stdin=text)
    assert Path("failed.tsv").read_text().endswith(f"\tx\t{message.partition(': ')[2]}\n")
    finished = run_predict("-", "--constraints-in-fasta", "--fail-fast", stdin=text + text)
    assert (finished.out.count(">"), finished.code) == (1, 1)


def test_a_forced_pair_that_is_not_canonical_is_there_with_a_warning(run_predict):
    text = ">x\nGGGAAACCA\n(.......)\n"
    finished = run_predict("-", "-f", "jsonl", "--constraints-in-fasta", stdin=text)
    found = rows(finished)["x"]
    assert [1, 9, 1.0] in found["pairs"]
    assert found["warnings"] == ["the forced pair of bases 1 and 9 (G-A) is not canonical"]
    assert finished.err == expected(
        "warning: 1 forced pair is not canonical (record 'x', bases 1 and 9 (G-A))",
        "1 of 1 record has constraints",
    )
    assert finished.code == 0


def test_crossing_forced_pairs_fail_in_nested_decoding_only(run_predict):
    text = ">x\nGGGAAACCCAAACCC\n([....)....]...\n"
    run = ("-", "--constraints-in-fasta", "--decode")
    finished = run_predict(*run, "nested", stdin=text)
    message = "the forced pair of bases 1 and 7 crosses another, which nested decoding cannot hold"
    assert expected(f"record 'x': {message}") in finished.err
    assert (finished.out, finished.code) == ("", 1)
    assert "([....)....]..." in run_predict(*run, "matching", "--threshold", 1, stdin=text).out


def test_resume_predicts_again_where_the_constraints_are_others(run_predict):
    same = ["in.fa", "--out-dir", "out", "-f", "jsonl", "--constraints", "set.dbn"]
    assert run_predict(*same).code == 0
    done = "2 of 3 records have constraints"
    assert run_predict(*same, "--resume").err == expected("3 records done before", done)
    Path("set.dbn").write_text(">a\nGGGGAAAACCCC\n.x........|.\n>c\nACGU\nxxxx\n")
    assert run_predict(*same, "--resume").err == expected("2 records done before", done)
    assert json.loads(Path("out/a.jsonl").read_text())["constraints"]["pairs"] == []
    finished = run_predict("in.fa", "--out-dir", "out", "-f", "jsonl", "--resume")
    assert finished.err == expected("1 record done before")
    assert "constraints" not in json.loads(Path("out/a.jsonl").read_text())


def test_the_checksum_of_a_record_is_of_its_constraints_too():
    records = [RnaRecord("x", "GGGAAACCC")]
    for text in (".........", "(.......)", "|.......|", "x........", "<.......>"):
        records.append(RnaRecord("x", "GGGAAACCC", constraints=parse_constraints(text)))
    assert len({record_checksum(record) for record in records}) == len(records)


def test_worker_processes_and_shards_get_the_constraints(run_predict):
    run = ("in.fa", "-f", "jsonl", "--constraints", "set.dbn")
    together = rows(run_predict(*run, "--jobs", 2))
    assert {name for name, row in together.items() if "constraints" in row} == {"a", "c"}
    for part in ("1/2", "2/2"):
        finished = run_predict(*run, "--shard", part)
        assert finished.code == 0
        assert all(row == together[name] for name, row in rows(finished).items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--constraints", "set.dbn", "--constraints-in-fasta"],
            "--constraints and --constraints-in-fasta cannot be combined",
        ),
        (["--constraints", "set.dbn", "-o", "set.dbn"], "--output would replace an input: set.dbn"),
    ],
)
def test_wrong_usage_is_reported(run_predict, arguments, message):
    finished = run_predict("in.fa", *arguments)
    assert finished.err.endswith(f"Error: {message}\n")
    assert (finished.out, finished.code) == ("", 2)


def test_a_line_of_constraints_is_an_error_without_the_option(run_predict):
    finished = run_predict("below.fa")
    assert "'(': this looks like dot-bracket" in finished.err
    assert finished.code == 1


def test_constraints_in_fasta_need_a_file(run_predict):
    finished = run_predict("--seq", "GGGGAAAACCCC", "--constraints-in-fasta")
    message = "Error: --constraints-in-fasta needs FILES; use --constraints with --seq\n"
    assert finished.err.endswith(message)
    assert (finished.out, finished.code) == ("", 2)


def test_constraints_in_bare_sequences_are_refused(run_predict):
    finished = run_predict("-", "--constraints-in-fasta", stdin="GGGGAAAACCCC\nx...........\n")
    message = (
        "stdin: bare sequences have no constraints below them; expected FASTA, with '>' and a name "
        "above each sequence and its constraints below"
    )
    assert (finished.err, finished.out, finished.code) == (expected(message), "", 1)


def test_constraints_of_a_sequence_of_the_command_line_are_found_by_its_name(run_predict):
    Path("given.dbn").write_text(">sequence_1\nGGGGAAAACCCC\n(x........|)\n")
    options = ("-f", "jsonl", "--constraints", "given.dbn")
    finished = run_predict("--seq", "GGGGAAAACCCC", *options)
    assert rows(finished)["sequence_1"]["constraints"]["pairs"] == [[1, 12]]
    assert finished.code == 0


@pytest.mark.parametrize("energy", [" (-3.20)", " ( -0.40)", "  (0)"])
def test_an_energy_of_rnafold_after_the_constraints_is_left_out(run_predict, energy):
    text = f">a\nGGGGAAAACCCC\n((((....)))){energy}\n"
    Path("folded.dbn").write_text(text)
    below = run_predict("-", "--constraints-in-fasta", "-f", "jsonl", stdin=text)
    beside = run_predict("--seq", "GGGGAAAACCCC", "--constraints", "folded.dbn", "-f", "jsonl")
    for finished, name in ((below, "a"), (beside, "sequence_1")):
        pairs = [[base, 13 - base] for base in range(1, 5)]
        assert rows(finished)[name]["constraints"]["pairs"] == pairs
        assert finished.code == 0


def test_equal_constraints_in_two_files_are_no_contradiction(run_predict):
    Path("set.dbn").write_text(">a\nGGGGAAAACCCC\nx...........\n")
    Path("other.dbn").write_text(">a\nGGGGAAAACCCC\n.x..........\n")
    text = ">a\nGGGGAAAACCCC\n"
    twice = run_predict("-", *["--constraints", "set.dbn"] * 2, stdin=text)
    assert (twice.err, twice.code) == (expected("1 of 1 record has constraints"), 0)
    given = ("--constraints", "set.dbn", "--constraints", "other.dbn")
    differ = run_predict("-", *given, stdin=text)
    message = "other.dbn:3: record 'a': the constraints of 'a' occur twice, and are not the same"
    assert (differ.err, differ.out, differ.code) == (expected(message), "", 1)


def test_a_resumed_run_reports_bases_without_a_partner_again(run_predict):
    Path("x.fa").write_text(">x\nGGGAAACCC\nxxxx|xxxx\n>y\nACGU\n")
    run = ("x.fa", "--constraints-in-fasta", "--out-dir", "x")
    message = "record 'x': 1 base that must pair has no partner: 5"
    counts = "1 of 2 records has constraints"
    first = run_predict(*run)
    assert (first.err, first.code) == (expected(message, counts), 1)
    for _ in range(2):
        again = run_predict(*run, "--resume")
        assert again.err == expected(message, "2 records done before", counts)
        assert again.code == 1
