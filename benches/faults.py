"""Robustness of `rnaformer predict`: killed runs, reproducibility, and memory.

    python benches/faults.py                      all parts
    python benches/faults.py kills --kills 20     one part
    python benches/faults.py load --write         into docs/measurements.md, other parts kept

kills       a run of 1,000 records, ended at random moments and resumed each time
invariance  predictions of the same records in other batches, orders and windows
load        peak memory for few and for many short records
unusable    a stream of protein records, none of which can be predicted
growth      memory that a run keeps for each record
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

PAGE = ROOT / "docs" / "measurements.md"
BEGIN, END = "<!-- faults -->", "<!-- /faults -->"
PROGRAM = [sys.executable, "-m", "rnaformer_cli", "predict", "--device", "cpu"]
FORMATS = [word for name in ("dbn", "ct", "bpseq", "jsonl", "tsv") for word in ("-f", name)]
Table = list[tuple[object, ...]]  # the first row names the columns


def random_records(
    count: int, shortest: int, longest: int, seed: int = 1
) -> Iterator[tuple[str, str]]:
    """Yield names and random sequences; every other one is a hairpin, which has pairs."""
    source = random.Random(seed)
    for number in range(count):
        length = source.randint(shortest, longest)
        letters = "".join(source.choices("ACGU", k=length))
        arm = letters[: (length - 3) // 2]
        if number % 2 and arm:
            back = arm[::-1].translate(str.maketrans("ACGU", "UGCA"))
            letters = arm + letters[len(arm) : length - len(arm)] + back
        yield f"r{number}", letters


def format_fasta(records: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the FASTA text of each record."""
    return (f">{name}\n{letters}\n" for name, letters in records)


def read_outputs(folder: Path) -> dict[str, str]:
    """The visible files of a folder, without the seconds in JSON, which differ between runs."""
    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return {path.name: re.sub(r'"seconds": [\d.e-]+', "", path.read_text()) for path in paths}


def measure_kills(chosen: argparse.Namespace) -> Table:
    """End runs, or one of their two workers, in several ways; resume them and compare the files."""
    rows: Table = [
        ("ended by", "times", "files", "truncated", "missing", "different", "processes left")
    ]
    for ending in ("SIGKILL", "SIGKILL of a worker", "Ctrl-C", "SIGTERM", "SIGKILL, with `--draw`"):
        draw = "--draw" if "draw" in ending else ""
        count = chosen.records // 10 if draw else chosen.records  # pictures are slow
        with tempfile.TemporaryDirectory() as name:
            rows.append((ending, *_kill_and_resume(Path(name), ending, chosen.kills, count, draw)))
        print(*rows[-1], sep="\t", file=sys.stderr, flush=True)  # progress
    return rows


def _kill_and_resume(
    folder: Path, ending: str, times: int, count: int, draw: str = ""
) -> tuple[object, ...]:
    """The row of an ending: ended runs; files; truncated, missing, different ones; processes."""
    reads = folder / "reads.fasta"
    reads.write_text("".join(format_fasta(random_records(count, 15, 60))))
    whole, ended = folder / "whole", folder / "ended"
    pictures = {to: [draw, to] if draw else [] for to in (whole, ended)}  # in the output folder
    uninterrupted = [*PROGRAM, reads, "--out-dir", whole, *FORMATS, *pictures[whole], "-q"]
    subprocess.run(uninterrupted, check=True)
    expected = read_outputs(whole)
    source, done, truncated, left = random.Random(3), 0, 0, 0
    command = [*PROGRAM, reads, "--out-dir", ended, *FORMATS, *pictures[ended], "-q"]
    command += ["--resume", "--jobs", "2"]
    for _ in range(times):
        left += not _end_run(command, ended, ending, source)
        done += 1
        texts = read_outputs(ended)
        truncated += sum(len(text) != len(expected[name]) for name, text in texts.items())
        if len(read_outputs(ended)) == len(expected):
            break
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    resumed = read_outputs(ended)
    differ = sum(text != expected[name] for name, text in resumed.items())
    return done, len(expected), truncated, len(expected.keys() - resumed.keys()), differ, left


def _end_run(command: list[object], folder: Path, ending: str, source: random.Random) -> bool:
    """End a run at a random moment; return whether all of its processes ended."""
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    before = len(list(folder.glob("r*"))) if folder.exists() else 0
    while process.poll() is None and len(list(folder.glob("r*"))) == before:
        time.sleep(0.01)
    time.sleep(source.uniform(0, 1))
    with contextlib.suppress(ProcessLookupError):
        if ending == "SIGKILL of a worker":
            for worker in _workers(process.pid)[:1]:
                os.kill(worker, signal.SIGKILL)
        else:
            names = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}
            process.send_signal(names.get(ending, signal.SIGKILL))
    process.wait()
    for _ in range(500):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def _workers(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def measure_invariance(chosen: argparse.Namespace) -> Table:
    """Compare scores above 0.001, of the shipped weights, to the decimals of the JSON output."""
    import torch

    from rnaformer_cli.prediction import batching
    from rnaformer_cli.prediction.predictor import MAX_CELLS, Options, Prediction, load
    from rnaformer_cli.sequence.record import RnaRecord

    pool = [*random_records(chosen.same, 1, 60), *random_records(chosen.same // 4, 60, 160, seed=2)]
    records = [RnaRecord(f"{number}", letters) for number, (_, letters) in enumerate(pool)]

    def predictions(order: list[RnaRecord], cells: int = MAX_CELLS) -> dict[str, Prediction]:
        predictor = load(options=Options(min_score=0.001, max_cells=cells), device="cpu")
        results = predictor.predict(order)
        return {result.record.id: result for result in results if isinstance(result, Prediction)}

    def with_window(size: int) -> dict[str, Prediction]:
        before, batching.WINDOW_RECORDS = batching.WINDOW_RECORDS, size
        try:
            return predictions(records)
        finally:
            batching.WINDOW_RECORDS = before

    def with_threads(count: int) -> dict[str, Prediction]:
        torch.set_num_threads(count)
        try:
            return predictions(records)
        finally:
            torch.set_num_threads(1)

    mixed = random.Random(4).sample(records, len(records))
    thirds = [records[part::3] for part in range(3)]
    variants: dict[str, Callable[[], dict[str, Prediction]]] = {
        "again": lambda: predictions(records),
        "one record per batch": lambda: predictions(records, 1),
        "batches of 10,000 cells": lambda: predictions(records, 10_000),
        "reverse order": lambda: predictions(records[::-1]),
        "random order": lambda: predictions(mixed),
        "three parts (`--shard`)": lambda: {
            k: v for t in thirds for k, v in predictions(t).items()
        },
        "a window of 32 records": lambda: with_window(32),
        "two threads": lambda: with_threads(2),
    }
    torch.set_num_threads(1)
    base = predictions(records)
    rows: Table = [
        (
            "variant",
            "records",
            "structures that differ",
            "probabilities",
            "4th digits that differ",
            "largest difference",
        )
    ]
    for name, predict in variants.items():
        rows.append((name, len(records), *_differences(base, predict())))
    return rows


def _differences(base: dict, others: dict) -> tuple[object, ...]:  # type: ignore[type-arg]  # torch is imported late
    structures, scores, digits, largest = 0, 0, 0, 0.0
    for name, first in base.items():
        second = others[name]
        structures += first.structure != second.structure
        for pair in first.pair_scores.keys() | second.pair_scores.keys():
            score, other = first.pair_scores.get(pair, 0.0), second.pair_scores.get(pair, 0.0)
            scores += 1
            digits += f"{score:.4f}" != f"{other:.4f}"
            if score and other:
                largest = max(largest, abs(score - other))
    return structures, f"{scores:,}", digits, f"{largest:.0e}"


def measure_load(chosen: argparse.Namespace) -> Table:
    """Measure the peak memory of one process; its input ends at the time limit."""
    rows: Table = [("records of 20 to 40 nt", "format", "peak memory", "records/s")]
    for count in chosen.counts:
        texts = format_fasta(random_records(count, 20, 40))
        options = ["-f", "jsonl", "--jobs", "1", "--threads", "1", "-q"]
        done, peak, seconds, _, _ = _run_on_stream(options, texts, chosen.minutes * 60)
        rows.append((f"{done:,}", "JSON Lines", f"{peak:.0f} MiB", f"{done / seconds:.0f}"))
    return rows


def measure_unusable(chosen: argparse.Namespace) -> Table:
    """Run on protein sequences from standard input, and count the lines on stderr."""
    rows: Table = [
        (
            "protein records",
            "size",
            "peak memory",
            "time, s",
            "lines on standard error",
            "exit code",
        )
    ]
    for size in (chosen.size // 10, chosen.size):
        protein = "MKVLEFQPISRDNHWYTGCA" * 5
        text = "".join(f">p{number}\n{protein}\n" for number in range(1000))
        times = max(1, size // len(text))
        _, peak, seconds, errors, code = _run_on_stream(
            ["--jobs", "1"], (text for _ in range(times))
        )
        size_text = f"{times * len(text) / 1e6:,.0f} MB"
        rows.append(
            (f"{times * 1000:,}", size_text, f"{peak:.0f} MiB", f"{seconds:.0f}", errors, code)
        )
    return rows


def _run_on_stream(
    options: list[str], texts: Iterator[str], limit: float = 1e9
) -> tuple[int, float, float, int, int]:
    """Lines on stdout, peak memory (MiB), seconds, lines on stderr, exit code of a run on texts."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*PROGRAM, "-", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdin and process.stdout

        def feed() -> None:
            with process.stdin:  # type: ignore[union-attr]  # asserted above
                for text in texts:
                    if time.perf_counter() - begin > limit:
                        return
                    process.stdin.write(text)  # type: ignore[union-attr]  # asserted above

        threading.Thread(target=feed, daemon=True).start()
        lines = sum(1 for _ in process.stdout)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        seconds = time.perf_counter() - begin
        errors.seek(0)
        return lines, usage.ru_maxrss / 1024, seconds, len(list(errors)), process.returncode


def measure_growth(chosen: argparse.Namespace) -> Table:
    """Measure the bytes of Python objects for 20,000 records of 20 to 40 nt with distinct ids."""
    from rnaformer_cli.cli.run.log import RunLog
    from rnaformer_cli.files import UniqueFileNames
    from rnaformer_cli.sequence.record import RnaRecord
    from rnaformer_cli.structure.structure import Structure, StructureRecord

    count = 20_000
    records = [RnaRecord(name, letters) for name, letters in random_records(count, 20, 40)]
    pairs = [(left, 19 - left) for left in range(8)]
    names, kept = UniqueFileNames(), []

    def note(folder: str, resume: bool) -> RunLog:
        log = RunLog(folder, {}, [], resume=resume)
        if not resume:
            for record in records:
                log.add(record, record.id)
        log.close()
        return log

    def keep(record: RnaRecord) -> None:
        fresh = frozenset((left + 0, right + 0) for left, right in pairs)
        structure = Structure(len(record), fresh)
        kept.append(StructureRecord(record.id, record.sequence, structure))

    rows: Table = [("part of the run", "option", "bytes per record")]
    with tempfile.TemporaryDirectory() as folder:
        logs: list[RunLog] = []
        for what, when, work in (
            (
                "output file names",
                "--out-dir, --draw, --scores",
                lambda: [names.add(r.id) for r in records],
            ),
            ("run log, while it is written", "--out-dir", lambda: logs.append(note(folder, False))),
            ("run log, after it is read", "--resume", lambda: logs.append(note(folder, True))),
            ("predictions", "--ref", lambda: [keep(r) for r in records]),
        ):
            tracemalloc.start()
            result = work()
            del result
            rows.append((what, when, f"{tracemalloc.get_traced_memory()[0] / count:.0f}"))
            tracemalloc.stop()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    rows.append(("run log, on disk", "--out-dir", f"{size / count:.0f}"))
    return rows


PARTS: dict[str, tuple[str, Callable[[argparse.Namespace], Table]]] = {
    "kills": ("Runs that were ended and resumed", measure_kills),
    "invariance": ("The same records in other batches and orders", measure_invariance),
    "load": ("Many short records", measure_load),
    "unusable": ("Records that cannot be predicted", measure_unusable),
    "growth": ("Memory per record", measure_growth),
}


def markdown(rows: Table) -> str:
    """The rows as a Markdown table."""
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def write(measured: dict[str, str]) -> None:
    """Replace the measured parts in the page and keep the others."""
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    old, tail = rest.split(END)
    sections = dict(section.split("\n\n", 1) for section in old.strip().split("### ")[1:])
    sections |= measured
    titles = [title for title, _ in PARTS.values() if title in sections]
    body = "\n".join(f"### {title}\n\n{sections[title].strip()}\n" for title in titles)
    PAGE.write_text(f"{head}{BEGIN}\n\n{body}\n{END}{tail}", encoding="utf-8")


def main() -> None:
    """Measure the parts that are given, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--kills", type=int, default=10, help="number of kills of each kind")
    parser.add_argument("--records", type=int, default=1000, help="records of a killed run")
    parser.add_argument("--same", type=int, default=300, help="short records of invariance")
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--minutes", type=float, default=10, help="time limit of a load")
    parser.add_argument("--size", type=int, default=10**9, help="bytes of unusable records")
    parser.add_argument("--write", action="store_true", help=f"write into {PAGE.name}")
    chosen = parser.parse_args()
    for part in chosen.parts or PARTS:
        title, measure = PARTS[part]
        table = markdown(measure(chosen))
        print(f"### {title}\n\n{table}", flush=True)
        if chosen.write:
            write({title: table})


if __name__ == "__main__":
    main()
