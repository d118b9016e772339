"""`predict --resume`: a run that was killed and gone on with is the undisturbed run."""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from rnaformer_cli import __version__
from rnaformer_cli.cli.run.log import RunLog, record_checksum
from rnaformer_cli.errors import InputError, OutputError
from rnaformer_cli.model.checkpoint import config_digest
from rnaformer_cli.sequence.record import RnaRecord

RECORDS = [RnaRecord(f"r{n}", "GGGGAAAACCCC"[: 12 - n % 3], "d" * n) for n in range(6)]
FASTA = "".join(f">{r.id} {r.description}\n{r.sequence}\n" for r in RECORDS)
LOG = ".rnaformer-run.jsonl"


def outputs(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOG}


def test_what_is_done_is_left_out(run_predict, tmp_path):
    out = tmp_path / "out"
    whole = run_predict("-", "--out-dir", out, "-f", "dbn", "-f", "ct", stdin=FASTA)
    assert (whole.err, whole.code) == ("", 0)
    before = outputs(out)
    kept = (out / "r0.dbn").stat().st_mtime_ns
    (out / "r3.ct").unlink()
    (out / "r1.dbn").write_text("")
    done = run_predict("-", "--out-dir", out, "-f", "dbn", "-f", "ct", "--resume", stdin=FASTA)
    assert (done.err, done.code) == ("rnaformer: 4 records done before\n", 0)
    assert outputs(out) == before
    assert (out / "r0.dbn").stat().st_mtime_ns == kept


def test_weights_with_another_config_or_precision_are_refused(run_cli, tiny_weights, tmp_path):
    """The tensors are the same, the answers are not."""
    reads = tmp_path / "reads.fa"
    reads.write_text(FASTA)
    other = tmp_path / "other"
    shutil.copytree(tiny_weights, other)
    values = json.loads((other / "config.json").read_text())
    values["model"]["norm_eps"] = 0.5
    values["config_sha256"] = config_digest(values)
    (other / "config.json").write_text(json.dumps(values))
    same = ["predict", reads, "--device", "cpu", "--threads", 1, "--quiet"]
    same += ["--out-dir", tmp_path / "out"]
    assert run_cli(*same, "-w", tiny_weights).code == 0
    done = run_cli(*same, "-w", other, "--resume")
    assert re.search(r"was made with config [0-9a-f]{16}, not [0-9a-f]{16}\n$", done.err)
    done = run_cli(*same, "-w", tiny_weights, "--resume", "--precision", "bf16")
    assert done.err.endswith("was made with precision float32, not bfloat16\n")
    assert run_cli(*same, "-w", tiny_weights, "--resume").code == 0


def test_a_changed_record_is_done_again(run_predict, tmp_path):
    out = tmp_path / "out"
    run_predict("-", "--out-dir", out, stdin=FASTA)
    changed = FASTA.replace("GGGGAAAACCC\n", "GGGGAAAAUCC\n")
    done = run_predict("-", "--out-dir", out, "--resume", stdin=changed)
    assert done.err == "rnaformer: 4 records done before\n"
    fresh = tmp_path / "fresh"
    run_predict("-", "--out-dir", fresh, stdin=changed)
    assert outputs(out) == outputs(fresh)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "0.7"], "was made with threshold 0.5, not 0.7"),
        (["--cycles", "auto"], "was made with cycles 2, not auto"),
        (["-f", "ct"], "was made with formats ['dbn'], not ['ct']"),
    ],
)
def test_other_settings_are_refused(run_predict, tmp_path, options, message):
    out = tmp_path / "out"
    run_predict("-", "--out-dir", out, stdin=FASTA)
    done = run_predict("-", "--out-dir", out, "--resume", *options, stdin=FASTA)
    assert (done.err, done.code) == (f"rnaformer: {out / LOG}: {message}\n", 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--resume needs --out-dir"),
        (["-o", "x.dbn"], "--resume needs --out-dir"),
        *(
            (
                ["--out-dir", "o", f"--{name}", "file"],
                f"--resume and --{name} cannot be combined: --{name} needs all records",
            )
            for name in ("scores", "ref", "table")
        ),
    ],
)
def test_what_is_resumed_is_a_folder(run_predict, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    done = run_predict("-", "--resume", *options, stdin=FASTA)
    assert (done.err.splitlines()[-1], done.code) == (f"Error: {message}", 2)


def test_a_killed_run_is_resumed(tmp_path, tiny_weights):
    many = tmp_path / "many.fasta"
    many.write_text("".join(f">k{n}\n{'GGGGAAAACCCC' * (1 + n % 4)}\n" for n in range(700)))
    command = [sys.executable, "-m", "rnaformer_cli", "predict", str(many), "--threads", "1"]
    command += ["--weights", str(tiny_weights), "--device", "cpu"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([*command, "--out-dir", str(killed)])
    deadline = time.monotonic() + 60
    while len(list(killed.glob("*.dbn"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = len(list(killed.glob("k*.dbn")))
    assert 20 <= done < 700
    again = subprocess.run(
        [*command, "--out-dir", str(killed), "--resume"], stderr=subprocess.PIPE, text=True
    )
    left_out = int(again.stderr.split()[1])
    assert done - 1 <= left_out <= done  # the last file may not have been noted yet
    subprocess.run([*command, "--out-dir", str(whole)], check=True)
    kept = {name: text for name, text in outputs(killed).items() if not name.startswith(".k")}
    assert kept == outputs(whole)


def test_a_log_that_cannot_grow_is_reported_also_when_it_is_closed(tmp_path):
    log, limits = RunLog(tmp_path, {}, []), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        for end in (lambda: log.add(RECORDS[0], "r0"), log.close):
            with pytest.raises(OutputError) as caught:
                end()
            assert str(caught.value) == f"{tmp_path / LOG}: file too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_half_a_line_at_the_end_does_not_count(tmp_path):
    log = RunLog(tmp_path, {"model": "x"}, ["dbn"])
    for record in RECORDS[:2]:
        (tmp_path / f"{record.id}.dbn").write_text("...")
        log.add(record, record.id)
    log.close()
    path = tmp_path / LOG
    path.write_text(path.read_text()[:-5])
    log = RunLog(tmp_path, {"model": "x"}, ["dbn"], resume=True)
    log.close()
    assert [log.is_done(record, record.id) for record in RECORDS[:3]] == [True, False, False]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    files = hashlib.sha256(hashlib.sha256(b"...").hexdigest().encode()).hexdigest()[:32]
    assert lines == [
        {"settings": {"model": "x"}},
        {"name": "r0", "record": record_checksum(RECORDS[0]), "files": files},
    ]


def test_each_part_has_a_log_of_its_own(tmp_path):
    RunLog(tmp_path / "out", {}, [], (2, 3)).close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".rnaformer-run-2-of-3.jsonl"]


@pytest.mark.parametrize("text", ["", "no json\n", "[]\n", '{"settings": 1}\n', "{}\n\x00\n"])
def test_something_else_under_its_name_is_refused(tmp_path, text):
    path = tmp_path / LOG
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        RunLog(tmp_path, {"model": "x"}, [], resume=True)
    assert str(caught.value) == f"{path}: is not the log of a run; remove it to start a new run"
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        100_000 * "[" + "\n",
        '{"settings": {}}\n[]\n',
        '{"settings": {}}\n{"name": "x", "files": "", "more": 1}\n',
        '{"settings": {}}\n{"name": "x", "record": "", "files": "", "unmet": ["5"]}\n',
        '{"settings": {}}\n{"name": "x", "record": "", "files": "", "unmet": 5}\n',
    ],
)
def test_a_log_with_wrong_entries_is_refused(tmp_path, text):
    test_something_else_under_its_name_is_refused(tmp_path, text)


def test_a_pipe_under_the_name_of_the_log_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / LOG)
    with pytest.raises(InputError) as caught:
        RunLog(tmp_path, {"model": "x"}, [], resume=True)
    assert (
        str(caught.value)
        == f"{tmp_path / LOG}: is not the log of a run; remove it to start a new run"
    )


@pytest.mark.parametrize("change", ["pipe", "link", "hard link", "out of the folder", "moved"])
def test_an_output_that_became_something_else_is_written_again(run_predict, tmp_path, change):
    """And no other file with it."""
    out = tmp_path / "out"
    same = ["-", "--out-dir", out, "-f", "dbn", "-f", "jsonl"]
    assert run_predict(*same, stdin=FASTA).code == 0
    before = outputs(out)
    outside = tmp_path / "outside"
    outside.write_text("mine\n")
    path, other = out / "r0.dbn", out / "r1.dbn"
    if change == "moved":  # the end of one file to the start of the next
        text = path.read_bytes()
        path.write_bytes(text[:-4])
        (out / "r0.jsonl").write_bytes(text[-4:] + (out / "r0.jsonl").read_bytes())
    else:
        path.unlink()
        match change:
            case "pipe":
                os.mkfifo(path)
            case "link":
                path.symlink_to(other)
            case "hard link":
                path.hardlink_to(other)
            case _:
                path.symlink_to(outside)
    done = run_predict(*same, "--resume", stdin=FASTA)
    assert (done.err, done.code) == (f"rnaformer: {len(RECORDS) - 1} records done before\n", 0)
    after = outputs(out)
    assert after["r0.dbn"] == before["r0.dbn"]
    assert {name: text for name, text in after.items() if name != "r0.jsonl"} == {
        name: text for name, text in before.items() if name != "r0.jsonl"
    }
    assert not path.is_symlink()
    assert outside.read_text() == "mine\n"


def test_a_picture_that_was_emptied_is_drawn_again(run_predict, tmp_path):
    out = tmp_path / "out"
    same = ["-", "--out-dir", out, "--draw", out]
    assert run_predict(*same, stdin=FASTA).code == 0
    before = outputs(out)
    (out / "r0.svg").write_text("")
    done = run_predict(*same, "--resume", stdin=FASTA)
    assert done.err == f"rnaformer: {len(RECORDS) - 1} records done before\n"
    assert outputs(out) == before
    assert (
        run_predict(*same[:3], "--resume", stdin=FASTA).err == "rnaformer: 6 records done before\n"
    )


def test_a_run_of_another_version_is_refused(run_predict, tmp_path):
    assert run_predict("-", "--out-dir", tmp_path, stdin=FASTA).code == 0
    path = tmp_path / LOG
    settings, *rest = path.read_text().splitlines(keepends=True)
    values = json.loads(settings)
    values["settings"]["version"] = "0.0.1"
    path.write_text(json.dumps(values) + "\n" + "".join(rest))
    done = run_predict("-", "--out-dir", tmp_path, "--resume", stdin=FASTA)
    message = f"was made with version 0.0.1, not {__version__}"
    assert (done.err, done.code) == (f"rnaformer: {path}: {message}\n", 1)
