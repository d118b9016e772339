"""Time and peak memory of prediction by length, and the time of a file of many records.

    python benches/predict.py [--lengths 50 100 200 400] [--weights NAME|DIR] [--records 1000]
    python benches/predict.py --large [--compare DIR] [--precision bf16]

The first form measures weights. The second measures a network of the published size (32 million
parameters, full resolution, 6 passes) with random weights, and with --compare also the public code
(a clone of github.com/automl/RNAformer, which needs einops and rotary-embedding-torch) on the same
weights. RNAfold is timed, too, if ViennaRNA is installed; --plot draws all times. Each figure is
measured in its own process: the best time of --repeats, and the increase of the peak resident
memory (Linux). Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.engine import Engine
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

LARGE = ModelConfig(
    dim=256,
    depth=6,
    heads=4,
    ff_factor=4.0,
    patch=1,
    positions="absolute",
    max_positions=500,
    cycles=6,
    outputs=2,
    norm_affine=True,
)
# Record lengths like those of TS0: 22 to 499 bases, mean 130, most of them short.
TYPICAL_LENGTHS = (40, 60, 72, 74, 76, 80, 90, 100, 110, 120, 130, 150, 180, 250, 380)


def random_sequence(length: int, seed: int = 0) -> str:
    """A random sequence of this length."""
    return "".join(random.Random(seed).choices("ACGU", k=length))


def resident_bytes(kind: str) -> int:
    """Bytes of resident memory: current (VmRSS), or the peak since reset_peak (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith(kind)]
    return int(line.split()[1]) * 1024


def reset_peak() -> None:
    """Reset the peak of the resident memory."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def large_network(passes: int) -> RNAformer:
    """A network of the published size; the same random weights in every process."""
    torch.manual_seed(0)
    network = RNAformer(replace(LARGE, cycles=passes)).eval()
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.02)
    return network


def load_this_package(
    weights: str | None, passes: int, precision: str
) -> Callable[[str], torch.Tensor]:
    """A function from a sequence to the logits of this package."""
    network = large_network(passes) if weights is None else load_network(find_weights(weights))[0]
    engine = Engine(network)

    def run(letters: str) -> torch.Tensor:
        bases, is_base = to_tensors([letters])
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            return engine.logits(bases, is_base).float()

    return run


def load_public_code(clone: str, passes: int) -> Callable[[str], torch.Tensor]:
    """A function from a sequence to the logits of the public code, with large_network's weights."""
    sys.path.insert(0, clone)
    from RNAformer.model.RNAformer import RiboFormer

    config = SimpleNamespace(
        model_dim=LARGE.dim, n_layers=LARGE.depth, num_head=LARGE.heads, ff_factor=4, ff_kernel=3,
        max_len=LARGE.max_positions, seq_vocab_size=5, pos_embedding=True, rel_pos_enc=True,
        rotary_emb=False, cycling=passes, pdb_flag=False, binary_output=False,
        softmax_scale=True, precision="fp32", zero_init=False, use_bias=True, flash_attn=False,
        initializer_range=0.02, resi_dropout=0.0, learn_ln=True, ln_eps=LARGE.norm_eps,
    )  # fmt: skip
    model = RiboFormer(config).eval()
    model.load_state_dict(published_names(large_network(passes).state_dict(), model.state_dict()))

    @torch.no_grad()
    def run(letters: str) -> torch.Tensor:
        bases, _ = to_tensors([letters])
        logits, _ = model(bases, torch.tensor([len(letters)]), None)
        directed = logits[..., -1]
        return (directed + directed.transpose(1, 2)) / 2

    return run


def published_names(state: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    """Tensors with the names of the public code: those of this package, or else of `template`."""
    pairs = (
        ("recycle_norm.", "recycle_pair_norm."),
        ("embedding.norm.", "seq2mat_embed.norm."),
        ("embedding.column.letter.", "seq2mat_embed.src_embed_1.embed_seq."),
        ("embedding.row.letter.", "seq2mat_embed.src_embed_2.embed_seq."),
        ("embedding.column.position.", "seq2mat_embed.src_embed_1.embed_pair_pos."),
        ("embedding.row.position.", "seq2mat_embed.src_embed_2.embed_pair_pos."),
        ("blocks.", "RNAformer.layers."),
        (".row_attention.norm.", ".attn_pair_row.input_norm."),
        (".column_attention.norm.", ".attn_pair_col.input_norm."),
        (".row_attention.qkv.", ".attn_pair_row.attn.Wqkv."),
        (".column_attention.qkv.", ".attn_pair_col.attn.Wqkv."),
        (".row_attention.out.", ".attn_pair_row.attn.out_proj."),
        (".column_attention.out.", ".attn_pair_col.attn.out_proj."),
        (".transition.norm.", ".pair_transition.input_norm."),
        (".transition.widen.", ".pair_transition.conv1."),
        (".transition.narrow.", ".pair_transition.conv2."),
        ("read_out.", "output_mat."),
    )
    named = dict(template)
    for name, tensor in state.items():
        published = f"RNAformer.output_ln.{name[5:]}" if name.startswith("norm.") else name
        for ours, theirs in pairs:
            published = published.replace(ours, theirs)
        if published not in template:
            raise SystemExit(f"the public code has no tensor {published!r}")
        is_transposed = ".embed_pair_pos." in published
        named[published] = tensor.T.contiguous() if is_transposed else tensor
    return named


def rnafold() -> Callable[[str], object]:
    """A function from a sequence to the base-pair probabilities of ViennaRNA."""
    vienna: Any = __import__("RNA")

    def run(letters: str) -> object:
        compound = vienna.fold_compound(letters)
        compound.exp_params_rescale(compound.mfe()[1])
        compound.pf()
        return compound.bpp()

    return run


def measure_in_process(job: dict[str, Any]) -> None:
    """Measure one sequence in this process and print the figures."""
    torch.set_num_threads(job["threads"])
    kinds: dict[str, Callable[[], Callable[[str], object]]] = {
        "ours": lambda: load_this_package(job["weights"], job["passes"], job["precision"]),
        "theirs": lambda: load_public_code(job["clone"], job["passes"]),
        "rnafold": rnafold,
    }
    work = kinds[job["kind"]]()
    letters = random_sequence(job["length"])
    work(random_sequence(20))  # late imports and one-time setup
    reset_peak()
    before, best = resident_bytes("VmRSS"), float("inf")
    for _ in range(job["repeats"]):
        start = time.perf_counter()
        result = work(letters)
        best = min(best, time.perf_counter() - start)
    if job["logits"] and isinstance(result, torch.Tensor):
        torch.save(result.detach().clone(), job["logits"])
    print(json.dumps({"seconds": best, "bytes": resident_bytes("VmHWM") - before}))


def run_measurement(**job: Any) -> dict[str, float]:
    """Run measure_in_process in a new process and return its figures."""
    command = [sys.executable, __file__, "--child", json.dumps(job)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def by_length(chosen: argparse.Namespace) -> dict[str, list[float]]:
    """Print a line for each length and return the seconds of each kind."""
    kinds = ["ours"]
    kinds += ["theirs"] if chosen.compare else []
    kinds += ["rnafold"] if importlib.util.find_spec("RNA") else []
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    print("   nt  " + "".join(f"{kind:>10} s {'MB':>7}" for kind in kinds))
    with tempfile.TemporaryDirectory() as folder:
        for length in chosen.lengths:
            row, logits = f"{length:5}  ", {}
            figures = {}
            for kind in kinds:
                file = str(Path(folder) / f"{kind}.pt")
                figures[kind] = run_measurement(
                    passes=chosen.passes,
                    kind=kind, length=length, repeats=chosen.repeats, threads=chosen.threads,
                    weights=None if chosen.large else chosen.weights, clone=chosen.compare,
                    precision=chosen.precision, logits=file,
                )  # fmt: skip
                seconds[kind].append(figures[kind]["seconds"])
                row += f"{figures[kind]['seconds']:12.3f} {figures[kind]['bytes'] / 1e6:7.0f}"
                if kind != "rnafold":
                    logits[kind] = torch.load(file, weights_only=True)
            if chosen.compare:
                ours, theirs = figures["ours"], figures["theirs"]
                difference = float((logits["ours"] - logits["theirs"]).abs().max())
                row += f"  {theirs['seconds'] / ours['seconds']:.2f} times as fast,"
                row += f" {ours['bytes'] / max(theirs['bytes'], 1):.2f} of the memory,"
                row += f" logits within {difference:.1e}"
            print(row, flush=True)
    return seconds


def plot(path: str, lengths: list[int], seconds: dict[str, list[float]]) -> None:
    """Plot seconds against length on logarithmic axes, with a line of L²."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.5, 3.6), layout="constrained")
    names = {"ours": "rnaformer", "rnafold": "RNAfold, pair probabilities", "theirs": "public code"}
    for kind, times in seconds.items():
        axes.loglog(lengths, times, "o-", label=names[kind])
    middle = len(lengths) // 2
    scale = seconds["ours"][middle] / lengths[middle] ** 2
    axes.loglog(lengths, [scale * length**2 for length in lengths], ":", color="grey", label="L²")
    axes.set(xlabel="nt", ylabel="seconds")
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axes.minorticks_off()
    axes.legend(frameon=False)
    figure.savefig(path)


def time_file(chosen: argparse.Namespace) -> None:
    """Time the command line on one file of many records."""
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder) / "many.fasta"
        lengths = [
            TYPICAL_LENGTHS[number % len(TYPICAL_LENGTHS)] for number in range(chosen.records)
        ]
        records = (f">r{n}\n{random_sequence(size, n)}\n" for n, size in enumerate(lengths))
        fasta.write_text("".join(records))
        command = [sys.executable, "-m", "rnaformer_cli", "predict", str(fasta), "--quiet"]
        command += ["--weights", chosen.weights, "--threads", str(chosen.threads)]
        command += ["--precision", chosen.precision]
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        spent = time.perf_counter() - start
        mean = sum(lengths) / len(lengths)
        print(f"{chosen.records} records, mean length {mean:.0f} nt: {spent:.1f} s")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lengths", type=int, nargs="*", default=[50, 100, 200, 400, 1000, 2000])
    parser.add_argument("--weights", default=DEFAULT)
    parser.add_argument("--large", action="store_true", help="random weights, published size")
    parser.add_argument("--passes", type=int, default=LARGE.cycles, help="with --large")
    parser.add_argument("--compare", metavar="DIR", help="a clone of the public code")
    parser.add_argument("--records", type=int, default=0, help="also time a file of N records")
    parser.add_argument("--plot", metavar="FILE", help="plot the times; needs the extra draw")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        measure_in_process(chosen.child)
        return
    if chosen.compare and not chosen.large:
        parser.error("--compare needs --large")
    seconds = by_length(chosen)
    if chosen.plot:
        plot(chosen.plot, chosen.lengths, seconds)
    if chosen.records:
        time_file(chosen)


if __name__ == "__main__":
    main()
