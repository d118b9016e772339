"""Coverage-guided fuzzing of the readers, with a million inputs each.

    python benches/fuzz.py --inputs 1000000 fasta ct
    python benches/fuzz.py --inputs 1000000 --write      all readers, into docs/measurements.md

Each reader runs in its own process. An input passes if it gives a located error, or a value that is
unchanged when it is written and read again. A traceback, a warning, more than one second of
processor time or 100 MB more memory is a failure; the file with its input is kept and named. Needs
the `fuzz` extra (atheris).
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # for the fuzz targets of the tests

MAX_BYTES = 4096  # of an input: enough to reach every branch
MAX_SECONDS = 1.0  # of processor time, which does not depend on the load of the machine
MAX_GROWTH = 100_000  # kB of memory that one input may add
MAX_MEMORY = 3072  # MB of a process, PyTorch included
PAGE = ROOT / "docs" / "measurements.md"
BEGIN, END = "<!-- fuzz -->", "<!-- /fuzz -->"
STRUCTURES = {
    "dbn": b">x some text\nGGGAAACCC\n(((...))) (-1.20)\n",
    "ct": b"3 ENERGY = -1.0 x\n1 G 0 2 3 1\n2 A 1 3 0 2\n3 C 2 0 1 3\n",
    "bpseq": b"# x\n1 G 3\n2 A 0\n3 C 1\n",
    "jsonl": b'{"id": "x", "sequence": "GAC", "pairs": [[1, 3]], "structure": "(.)"}\n',
    "stockholm": b"# STOCKHOLM 1.0\n#=GF ID a\nx/1-3 GAC\n#=GC SS_cons <.>\n//\n",
}
PROBING = {
    "columns": ["shape", "dat", "map"],
    "rdat": ["rdat"],
    "xml": ["xml"],
    "jsonl": ["jsonl"],
    "tsv": ["tsv"],
}

CONSTRAINTS = [
    b">x\nGGGAAACCC\n(x.....|)\n>y\nGGGAAACCC\n<.[{....>\n",
    b"DS:\n3\n-1\nSS:\n4\n-1\nMod:\n-1\nPairs:\n1 9\n-1 -1\nFMN:\n2\n-1\nForbids:\n2 8\n-1 -1\n",
]
WUSS = (
    b"# STOCKHOLM 1.0\n#=GF ID a\nx/1-25 GGGA-ACCCAGGAAAACCAAGGAACC\n"
    b"#=GC SS_cons <<<___>>>,((_~__))::AA..aa\n//\n"
)
LONG_RECORD = b">x\n" + b"GAC" * 400 + b"\n" + b"(.)" * 400 + b"\n"
NAMES_LIKE_ENERGIES = [b">dG=x1\nGAC\n(.)\n", b">ENERGY=-3.2 confidence=0.8\nGAC\n(.)\n"]
PROBING_FILES = ROOT / "tests" / "golden" / "probing"
CONTRADICTORY_JSON = [
    b'{"id": "x", "sequence": "GAC", "pairs": [], "structure": "(.)", "schema_version": 1}\n',
    b'{"id": "x", "sequence": "GAC", "pairs": {}, "length": 4}\n',
]
REPEATED_KEY = b'{"id": "x", "sequence": "GAC", "pairs": [[1, 3]], "pairs": [], "length": 3}\n'
YAML_MERGES = b"a: &a\n  b: 1\nc: &c\n  <<: [*a, *a]\nd:\n  <<: [*c, *c]\n"  # block style


def seed_inputs(name: str, folder: Path) -> list[bytes]:
    """The valid inputs from which the fuzzer starts."""
    parity = ROOT / "tests" / "data" / "parity"
    prediction = (
        b'{"id": "x", "sequence": "GAC", "pairs": [[1, 3, 0.5]], "confidence": 0.5, "model": "m", '
        b'"cycles": 1, "threshold": 0.5, "decoding": "matching", "warnings": []}\n'
    )
    if name == "weights":
        from fuzz_targets import seed_weights

        return [seed_weights(folder)]
    if name in ("pth", "yml"):
        found = [path.read_bytes() for path in sorted(parity.glob(f"*.{name}"))]
        return found + (
            [YAML_MERGES, b"a: !!int 1:1.0\n? b\n: !!bool c\n"] if name == "yml" else []
        )
    known = {
        **{kind: [text] for kind, text in STRUCTURES.items()},
        "dbn": [STRUCTURES["dbn"], LONG_RECORD, *NAMES_LIKE_ENERGIES],
        "jsonl": [STRUCTURES["jsonl"], *CONTRADICTORY_JSON, REPEATED_KEY],
        "stockholm": [STRUCTURES["stockholm"], WUSS],
        "any": list(STRUCTURES.values()),
        "fasta": [
            b">x some text\nACGU\nNRYt\n; comment\n>y\nGG\n",
            b"\xef\xbb\xbf>x\nACGU\n\xef\xbb\xbf>y\nGG\n",
        ],
        "predictions": [prediction, prediction.replace(b"0.5", b"NaN")],
        "dataset": [
            b'{"id": "x", "seq": "GAC", "pairs": [[0, 2]], "source": "s", "family": "f", '
            b'"clan": null, "cluster": 1, "probabilities": [[0, 2, 0.5]]}\n'
        ],
        "training": [path.read_bytes() for path in sorted(ROOT.glob("**/examples/*.toml"))]
        + [b"[run]\nsteps = 3\n[batches]\nlengths = [1]\nsource_weights = {a = 1}\n"]
        + [b"[run]\nlearning_rate = nan\n[model]\nnorm_eps = nan\n"],
        **{
            f"probing-{kind}": [(PROBING_FILES / f"hairpin.{name}").read_bytes() for name in names]
            for kind, names in PROBING.items()
        },
        "probing": [path.read_bytes() for path in sorted(PROBING_FILES.glob("hairpin.*"))],
        "constraints": CONSTRAINTS,
        "config": [path.read_bytes() for path in sorted(ROOT.glob("weights/*/config.json"))],
    }
    return known[name]


def fuzz_one(name: str, inputs: int, folder: Path) -> None:
    """Run the fuzzer in this process; it exits at the end."""
    import atheris

    with atheris.instrument_imports(include=["rnaformer_cli", "Bio", "yaml", "tomllib", "json"]):
        from fuzz_targets import run_target

    corpus, scratch = folder / "corpus", folder / "scratch"
    corpus.mkdir()
    scratch.mkdir()
    seeds = seed_inputs(name, scratch)
    for file in scratch.iterdir():
        file.unlink()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    def run_once(data: bytes) -> None:
        start, memory = time.process_time(), peak()
        run_target(name, scratch, data)
        if time.process_time() - start > MAX_SECONDS:
            raise TimeoutError(f"{time.process_time() - start:.1f} seconds")
        if peak() - memory > MAX_GROWTH:
            raise MemoryError(f"{peak() - memory} kB more")

    run_target(name, scratch, seeds[0])  # late imports must not count as time of the first input
    warnings.simplefilter("error")
    longest = max(MAX_BYTES, *(len(seed) + 64 for seed in seeds))
    options = [
        f"-runs={inputs}",
        f"-max_len={longest}",
        f"-rss_limit_mb={MAX_MEMORY}",
        "-timeout=60",
    ]
    atheris.Setup(
        ["fuzz", *options, f"-artifact_prefix={folder.parent / name}-", "-seed=1", str(corpus)],
        run_once,
    )
    atheris.Fuzz()


def peak() -> int:
    """The peak resident memory of this process in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fuzz(name: str, inputs: int, kept: Path) -> tuple[int, float, str]:
    """Fuzz a reader in a new process: the number of inputs, the seconds, and the failure or ""."""
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=kept) as folder:
        command = [sys.executable, __file__, "--inputs", str(inputs), "--in", folder, name]
        start = time.monotonic()
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    tried = [int(number) for number in re.findall(r"^#(\d+)\s", done.stderr, re.MULTILINE)]
    finished = re.search(r"^Done (\d+) runs", done.stderr, re.MULTILINE)
    seconds = time.monotonic() - start
    if done.returncode == 0 and finished:
        return int(finished[1]), seconds, ""
    return max(tried, default=0), seconds, (done.stdout + done.stderr)[-3000:]


def main() -> None:
    """Fuzz the given readers, or all, and print a row for each."""
    from fuzz_targets import FUZZ_TARGETS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(FUZZ_TARGETS))
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help=f"write the rows into {PAGE.name}")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()), metavar="DIR")
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.readers) - set(FUZZ_TARGETS))
    if unknown:
        parser.error(f"no reader {unknown[0]!r}; expected one of {', '.join(FUZZ_TARGETS)}")
    if chosen.folder:
        fuzz_one(chosen.readers[0], chosen.inputs, chosen.folder)
    failed = False
    for name in chosen.readers or FUZZ_TARGETS:
        count, seconds, failure = fuzz(name, chosen.inputs, chosen.keep)
        row = f"| {name} | {count:,} | {count / seconds:,.0f} | {'failed' if failure else 'none'} |"
        print(row, flush=True)
        if failure:
            failed = True
            print(failure, file=sys.stderr, flush=True)
        if chosen.write:
            write_row(name, row)
    sys.exit(failed)


def write_row(name: str, row: str) -> None:
    """Insert or replace a row in the sorted table of the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    table, after = rest.split(END)
    head, rule, *rows = table.strip().splitlines()
    rows = sorted([line for line in rows if not line.startswith(f"| {name} |")] + [row])
    text = "\n".join([head, rule, *rows])
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
