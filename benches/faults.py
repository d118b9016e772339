"""What runs of `rnaformer predict` survive, what they leave the same, and what they need.

    python benches/faults.py                      all parts
    python benches/faults.py kills --kills 20     one part
    python benches/faults.py load --write         into docs/reliability.md, other parts kept

kills     a run of 1,000 records, ended at random moments and resumed each time
sameness  the same records in other batches, orders and windows
load      the peak of the memory for a few and for many short records
unusable  a stream of protein records, of which nothing can be predicted
growth    what a record leaves behind in the memory of a run
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

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults -->", "<!-- /faults -->"
PROGRAM = [sys.executable, "-m", "rnaformer_cli", "predict", "--device", "cpu"]
FORMATS = [word for name in ("dbn", "ct", "bpseq", "jsonl", "tsv") for word in ("-f", name)]
Table = list[tuple[object, ...]]  # the first row names the columns


def records(count: int, shortest: int, longest: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Names and letters; every other RNA is a hairpin, so that there is something to predict."""
    drawn = random.Random(seed)
    for number in range(count):
        length = drawn.randint(shortest, longest)
        letters = "".join(drawn.choices("ACGU", k=length))
        arm = letters[: (length - 3) // 2]
        if number % 2 and arm:
            back = arm[::-1].translate(str.maketrans("ACGU", "UGCA"))
            letters = arm + letters[len(arm) : length - len(arm)] + back
        yield f"r{number}", letters


def fasta(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The text of each record."""
    return (f">{name}\n{letters}\n" for name, letters in found)


def files(folder: Path) -> dict[str, str]:
    """What is not hidden, without what differs from run to run: the seconds in JSON."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return {path.name: re.sub(r'"seconds": [\d.e-]+', "", path.read_text()) for path in found}


def kills(chosen: argparse.Namespace) -> Table:
    """Each ending is that of a whole run or of one of its two workers."""
    rows: Table = [("ended by", "times", "files", "torn", "missing", "differ", "processes left")]
    for ending in ("SIGKILL", "SIGKILL of a worker", "Ctrl-C", "SIGTERM", "SIGKILL, with `--draw`"):
        draw = "--draw" if "draw" in ending else ""
        count = chosen.records // 10 if draw else chosen.records  # pictures are slow
        with tempfile.TemporaryDirectory() as name:
            rows.append((ending, *_kill_and_resume(Path(name), ending, chosen.kills, count, draw)))
        print(*rows[-1], sep="\t", file=sys.stderr, flush=True)  # it takes a while
    return rows


def _kill_and_resume(
    folder: Path, ending: str, times: int, count: int, draw: str = ""
) -> tuple[object, ...]:
    reads = folder / "reads.fasta"
    reads.write_text("".join(fasta(records(count, 15, 60))))
    whole, ended = folder / "whole", folder / "ended"
    pictures = {to: [draw, to] if draw else [] for to in (whole, ended)}  # among the others
    once = [*PROGRAM, reads, "--out-dir", whole, *FORMATS, *pictures[whole], "-q"]
    subprocess.run(once, check=True)
    undisturbed = files(whole)
    drawn, done, torn, left = random.Random(3), 0, 0, 0
    command = [*PROGRAM, reads, "--out-dir", ended, *FORMATS, *pictures[ended], "-q"]
    command += ["--resume", "--jobs", "2"]
    for _ in range(times):
        left += not _end_run(command, ended, ending, drawn)
        done += 1
        torn += sum(len(text) != len(undisturbed[name]) for name, text in files(ended).items())
        if len(files(ended)) == len(undisturbed):
            break
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    found = files(ended)
    differ = sum(text != undisturbed[name] for name, text in found.items())
    return done, len(undisturbed), torn, len(undisturbed.keys() - found.keys()), differ, left


def _end_run(command: list[object], folder: Path, ending: str, drawn: random.Random) -> bool:
    """Whether all of its processes are gone after a run was ended at a random moment."""
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    before = len(list(folder.glob("r*"))) if folder.exists() else 0
    while process.poll() is None and len(list(folder.glob("r*"))) == before:
        time.sleep(0.01)
    time.sleep(drawn.uniform(0, 1))
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


def sameness(chosen: argparse.Namespace) -> Table:
    """All pairs scored above 0.001 with the shipped weights, as JSON would tell them."""
    import torch

    from rnaformer_cli.prediction import batching
    from rnaformer_cli.prediction.predictor import MAX_CELLS, Options, Prediction, load
    from rnaformer_cli.sequence.record import RnaRecord

    pool = [*records(chosen.same, 1, 60), *records(chosen.same // 4, 60, 160, seed=2)]
    known = [RnaRecord(f"{number}", letters) for number, (_, letters) in enumerate(pool)]

    def answers(order: list[RnaRecord], cells: int = MAX_CELLS) -> dict[str, Prediction]:
        predictor = load(options=Options(min_score=0.001, max_cells=cells), device="cpu")
        found = predictor.predict(order)
        return {answer.record.id: answer for answer in found if isinstance(answer, Prediction)}

    def with_window(size: int) -> dict[str, Prediction]:
        before, batching.WINDOW_RECORDS = batching.WINDOW_RECORDS, size
        try:
            return answers(known)
        finally:
            batching.WINDOW_RECORDS = before

    def with_threads(count: int) -> dict[str, Prediction]:
        torch.set_num_threads(count)
        try:
            return answers(known)
        finally:
            torch.set_num_threads(1)

    mixed = random.Random(4).sample(known, len(known))
    thirds = [known[part::3] for part in range(3)]
    variants: dict[str, Callable[[], dict[str, Prediction]]] = {
        "again": lambda: answers(known),
        "one record a batch": lambda: answers(known, 1),
        "batches of 10,000 cells": lambda: answers(known, 10_000),
        "reverse order": lambda: answers(known[::-1]),
        "random order": lambda: answers(mixed),
        "three parts (`--shard`)": lambda: {k: v for t in thirds for k, v in answers(t).items()},
        "a window of 32 records": lambda: with_window(32),
        "two threads": lambda: with_threads(2),
    }
    torch.set_num_threads(1)
    base = answers(known)
    rows: Table = [
        ("variant", "records", "other structure", "scores", "other 4th digit", "largest")
    ]
    for name, make in variants.items():
        rows.append((name, len(known), *_differences(base, make())))
    return rows


def _differences(base: dict, others: dict) -> tuple[object, ...]:  # type: ignore[type-arg]  # torch is loaded late
    structures, scores, digits, largest = 0, 0, 0, 0.0
    for name, one in base.items():
        other = others[name]
        structures += one.structure != other.structure
        for pair in one.pair_scores.keys() | other.pair_scores.keys():
            left, right = one.pair_scores.get(pair, 0.0), other.pair_scores.get(pair, 0.0)
            scores += 1
            digits += f"{left:.4f}" != f"{right:.4f}"
            if left and right:
                largest = max(largest, abs(left - right))
    return structures, f"{scores:,}", digits, f"{largest:.0e}"


def load(chosen: argparse.Namespace) -> Table:
    """One process; a run that takes too long is given no more records."""
    rows: Table = [("records of 20 to 40 nt", "format", "peak memory", "records a second")]
    for count in chosen.counts:
        texts = fasta(records(count, 20, 40))
        options = ["-f", "jsonl", "--jobs", "1", "--threads", "1", "-q"]
        done, peak, seconds, _, _ = _run_on_stream(options, texts, chosen.minutes * 60)
        rows.append((f"{done:,}", "JSON Lines", f"{peak:.0f} MiB", f"{done / seconds:.0f}"))
    return rows


def unusable(chosen: argparse.Namespace) -> Table:
    """Protein on standard input; stderr is counted."""
    rows: Table = [("protein records", "size", "peak memory", "seconds", "lines on stderr", "exit")]
    for size in (chosen.size // 10, chosen.size):
        protein = "MKVLEFQPISRDNHWYTGCA" * 5
        text = "".join(f">p{number}\n{protein}\n" for number in range(1000))
        times = max(1, size // len(text))
        _, peak, seconds, errors, code = _run_on_stream(
            ["--jobs", "1"], (text for _ in range(times))
        )
        size_told = f"{times * len(text) / 1e6:,.0f} MB"
        rows.append(
            (f"{times * 1000:,}", size_told, f"{peak:.0f} MiB", f"{seconds:.0f}", errors, code)
        )
    return rows


def _run_on_stream(
    options: list[str], texts: Iterator[str], limit: float = 1e9
) -> tuple[int, float, float, int, int]:
    """Lines on stdout, peak in MiB, seconds, lines on stderr, exit code of a run on a stream."""
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


def growth(chosen: argparse.Namespace) -> Table:
    """Bytes of Python objects, for 20,000 records of 20 to 40 nt with distinct ids."""
    from rnaformer_cli.cli.run.log import RunLog
    from rnaformer_cli.files import UniqueFileNames
    from rnaformer_cli.sequence.record import RnaRecord
    from rnaformer_cli.structure.structure import Structure, StructureRecord

    count = 20_000
    found = [RnaRecord(name, letters) for name, letters in records(count, 20, 40)]
    pairs = [(place, 19 - place) for place in range(8)]
    names, kept = UniqueFileNames(), []

    def note(folder: str, resume: bool) -> RunLog:
        log = RunLog(folder, {}, [], resume=resume)
        if not resume:
            for record in found:
                log.add(record, record.id)
        log.close()
        return log

    def keep(record: RnaRecord) -> None:
        fresh = frozenset((left + 0, right + 0) for left, right in pairs)
        structure = Structure(len(record), fresh)
        kept.append(StructureRecord(record.id, record.sequence, structure))

    rows: Table = [("what grows", "when", "bytes a record")]
    with tempfile.TemporaryDirectory() as folder:
        logs: list[RunLog] = []
        for what, when, work in (
            (
                "names taken",
                "--out-dir, --draw, --scores",
                lambda: [names.take(r.id) for r in found],
            ),
            ("log in the making", "--out-dir", lambda: logs.append(note(folder, False))),
            ("log that was read", "--resume", lambda: logs.append(note(folder, True))),
            ("predictions kept", "--ref", lambda: [keep(r) for r in found]),
        ):
            tracemalloc.start()
            result = work()
            del result
            rows.append((what, when, f"{tracemalloc.get_traced_memory()[0] / count:.0f}"))
            tracemalloc.stop()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    rows.append(("the log's file, on the disk", "--out-dir", f"{size / count:.0f}"))
    return rows


PARTS: dict[str, tuple[str, Callable[[argparse.Namespace], Table]]] = {
    "kills": ("Runs that were ended and resumed", kills),
    "sameness": ("The same records, predicted in another way", sameness),
    "load": ("Many short records", load),
    "unusable": ("Records that cannot be predicted", unusable),
    "growth": ("What grows with the number of records", growth),
}


def markdown(rows: Table) -> str:
    """A table."""
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def write(measured: dict[str, str]) -> None:
    """Put the parts that were measured into the page; the others stay."""
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    old, tail = rest.split(END)
    sections = dict(section.split("\n\n", 1) for section in old.strip().split("### ")[1:])
    sections |= measured
    titles = [title for title, _ in PARTS.values() if title in sections]
    body = "\n".join(f"### {title}\n\n{sections[title].strip()}\n" for title in titles)
    PAGE.write_text(f"{head}{BEGIN}\n\n{body}\n{END}{tail}", encoding="utf-8")


def main() -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--kills", type=int, default=10, help="of each kind")
    parser.add_argument("--records", type=int, default=1000, help="of a run that is killed")
    parser.add_argument("--same", type=int, default=300, help="records for sameness")
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--minutes", type=float, default=10, help="at most for a load")
    parser.add_argument("--size", type=int, default=10**9, help="bytes of unusable records")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    chosen = parser.parse_args()
    for part in chosen.parts or PARTS:
        title, measure = PARTS[part]
        table = markdown(measure(chosen))
        print(f"### {title}\n\n{table}", flush=True)
        if chosen.write:
            write({title: table})


if __name__ == "__main__":
    main()
