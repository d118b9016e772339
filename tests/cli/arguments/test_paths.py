"""No file is written twice, and none that is read is replaced: refused before anything is."""

from pathlib import Path

import pytest

READS = ">a\nGGGGAAAACCCC\n"
KNOWN = ">a\nGGGGAAAACCCC\n((((....))))\n"
LABELLED = '{"id": "a", "seq": "GGGGAAAACCCC", "pairs": [[0, 11]], "source": "x"}\n'


@pytest.fixture(autouse=True)
def inputs(isolated_folder):
    """Inputs under several names."""
    Path("in.fa").write_text(READS)
    Path("in.dbn").write_text(KNOWN)
    Path("in.jsonl").write_text(LABELLED)
    Path("link.fa").symlink_to("in.fa")
    Path("reads").mkdir()
    Path("reads/b.fa").write_text(READS)
    return {path.name: path.read_text() for path in Path().iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.fa", "-o", "f", "--table", "f"], "--output and --table are the same file: f"),
        (["in.fa", "-o", "f", "--table", "./f"], "--output and --table are the same file: ./f"),
        (["in.fa", "-o", "f", "--failures", "f"], "--output and --failures are the same file: f"),
        (["in.fa", "-o", "f", "--scores", "f"], "--output and --scores are the same file: f"),
        (["in.fa", "--failures", "in.fa"], "--failures would replace an input: in.fa"),
        (["in.fa", "-o", "in.fa"], "--output would replace an input: in.fa"),
        (["in.fa", "-o", "link.fa"], "--output would replace an input: in.fa"),
        (["link.fa", "-o", "in.fa"], "--output would replace an input: link.fa"),
        (["in.fa", "--ref", "in.dbn", "-o", "in.dbn"], "--output would replace an input: in.dbn"),
        (["reads", "-o", "reads/b.fa"], "--output would replace an input: reads"),
    ],
)
def test_predict_writes_no_file_twice_and_replaces_no_input(
    run_predict, inputs, arguments, message
):
    finished = run_predict(*arguments)
    assert finished.err.endswith(f"Error: {message}\n")
    assert (finished.out, finished.code) == ("", 2)
    assert {name: Path(name).read_text() for name in inputs} == inputs


@pytest.mark.parametrize(
    ("arguments", "option", "path"),
    [
        (["convert", "in.dbn", "-o", "in.dbn"], "--output", "in.dbn"),
        (["draw", "in.dbn", "-o", "./in.dbn"], "--output", "in.dbn"),
        (["score", "in.dbn", "--ref", "in.dbn", "--multiqc", "in.dbn"], "--multiqc", "in.dbn"),
        (["report", "in.jsonl", "-o", "in.jsonl"], "--output", "in.jsonl"),
        (["evaluate", "--data", "in.jsonl", "--plot", "in.jsonl"], "--plot", "in.jsonl"),
        (["train-folding", "--data", "in.jsonl", "-o", "in.jsonl"], "--output", "in.jsonl"),
        (["train-families", "--data", "in.jsonl", "-o", "in.jsonl"], "--output", "in.jsonl"),
        (["data", "import", "in.dbn", "--source", "x", "-o", "in.dbn"], "--output", "in.dbn"),
        (["data", "sample", "in.jsonl", "-n", "3", "-o", "in.jsonl"], "--output", "in.jsonl"),
        (
            ["data", "label", "in.jsonl", "--rnafold", "mfe", "-o", "in.jsonl"],
            "--output",
            "in.jsonl",
        ),
    ],
)
def test_no_command_replaces_its_input(run_cli, inputs, arguments, option, path):
    finished = run_cli(*arguments)
    assert finished.err.endswith(f"Error: {option} would replace an input: {path}\n")
    assert (finished.out, finished.code) == ("", 2)
    assert {name: Path(name).read_text() for name in inputs} == inputs


def test_a_split_does_not_replace_the_data_set_that_it_reads(run_cli):
    Path("train.jsonl.gz").write_text(LABELLED)
    finished = run_cli("data", "split", "train.jsonl.gz", "--out-dir", ".", "--by", "family")
    assert finished.err.endswith("Error: train would replace an input: train.jsonl.gz\n")
    assert finished.code == 2


def test_devices_may_be_named_twice_and_outputs_may_be_next_to_inputs(run_predict):
    assert run_predict("in.fa", "-o", "/dev/null", "--table", "/dev/null").code == 0
    for _ in range(2):
        assert run_predict(".", "-o", "out.dbn").code == 0


@pytest.mark.parametrize("command", ["predict", "convert"])
def test_an_empty_path_is_refused(run_cli, command):
    """As an unset variable gives it; it would be the current folder."""
    finished = run_cli(command, "")
    assert "the path is empty\n" in finished.err
    assert (finished.out, finished.code) == ("", 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train-folding", "--data", "set", "-o"],
        ["train-families", "--data", "set", "-o"],
        ["evaluate", "--data", "set", "--plot"],
        ["data", "sample", "set", "-n", "1", "-o"],
        ["data", "label", "set", "--rnafold", "mfe", "-o"],
    ],
)
def test_a_folder_that_is_missing_is_reported_before_long_work(run_cli, arguments):
    """`train-folding` trained for eight minutes before."""
    finished = run_cli(*arguments, "absent/out")  # nor does the data set exist
    message = "rnaformer: absent/out: no such file or directory\n"
    assert (finished.out, finished.err, finished.code) == ("", message, 1)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["data", "subset", "in.fa", "-o", "-"], "--output"),
        (["data", "export", "in.fa", "-o", "-"], "--output"),
        (["predict", "in.fa", "--table", "-"], "--table"),
        (["predict", "in.fa", "--failures", "-"], "--failures"),
        (["score", "in.fa", "--ref", "in.fa", "--multiqc", "-"], "--multiqc"),
    ],
)
def test_an_output_that_is_not_standard_output_does_not_become_a_file_named_like_it(
    run_cli, arguments, option
):
    finished = run_cli(*arguments)
    assert finished.err.endswith(f"Error: {option} needs the name of a file, not -\n")
    assert (finished.out, finished.code) == ("", 2)
    assert not Path("-").exists()


@pytest.mark.parametrize("name", ["out.dbn.bz2", "out.XZ", "out.zst"])
def test_a_compression_that_is_not_written_is_refused(run_cli, inputs, name):
    finished = run_cli("convert", "in.dbn", "-t", "ct", "-o", name)
    suffix = Path(name).suffix
    message = f"Error: --output cannot write {suffix}; use .gz or no compression\n"
    assert (finished.err.endswith(message), finished.code) == (True, 2)
    assert not Path(name).exists()
