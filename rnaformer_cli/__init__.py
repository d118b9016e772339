"""RNA secondary structure prediction with an RNAformer (Franke, Runge, Hutter 2023).

    from rnaformer_cli import predict
    print(predict("GGGGAAAACCCC").dot_bracket)

Names are imported on first use, so that readers and scores work without PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnaformer_cli.drawing.arcs import draw_arcs
    from rnaformer_cli.drawing.canvas import save_figure
    from rnaformer_cli.drawing.dots import draw_dots
    from rnaformer_cli.drawing.plane import draw_plane
    from rnaformer_cli.drawing.style import (
        BaseValues,
        Style,
        probability_values,
        reactivity_values,
    )
    from rnaformer_cli.errors import DeviceError, RnaformerError
    from rnaformer_cli.prediction.predictor import Options, Prediction, Predictor, load, predict
    from rnaformer_cli.scoring.counts import PairCounts, count_pairs
    from rnaformer_cli.sequence.fasta import read_fasta
    from rnaformer_cli.sequence.reactivities import Reactivities
    from rnaformer_cli.sequence.record import RnaRecord
    from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
    from rnaformer_cli.structure.formats import (
        format_structure,
        read_structures,
        write_structures,
    )
    from rnaformer_cli.structure.structure import Structure, StructureRecord

__version__ = "0.1.0"

_MODULES = {  # public name -> module
    "draw_arcs": "drawing.arcs",
    "save_figure": "drawing.canvas",
    "draw_dots": "drawing.dots",
    "draw_plane": "drawing.plane",
    "BaseValues": "drawing.style",
    "Style": "drawing.style",
    "probability_values": "drawing.style",
    "reactivity_values": "drawing.style",
    "DeviceError": "errors",
    "RnaformerError": "errors",
    "Options": "prediction.predictor",
    "Prediction": "prediction.predictor",
    "Predictor": "prediction.predictor",
    "load": "prediction.predictor",
    "predict": "prediction.predictor",
    "PairCounts": "scoring.counts",
    "count_pairs": "scoring.counts",
    "read_fasta": "sequence.fasta",
    "RnaRecord": "sequence.record",
    "Reactivities": "sequence.reactivities",
    "format_dot_bracket": "structure.brackets",
    "parse_dot_bracket": "structure.brackets",
    "format_structure": "structure.formats",
    "read_structures": "structure.formats",
    "write_structures": "structure.formats",
    "Structure": "structure.structure",
    "StructureRecord": "structure.structure",
}

__all__ = [  # noqa: RUF022  # in the order of docs/api.md
    "load",
    "predict",
    "Predictor",
    "Prediction",
    "Options",
    "read_fasta",
    "RnaRecord",
    "Reactivities",
    "read_structures",
    "write_structures",
    "format_structure",
    "Structure",
    "StructureRecord",
    "parse_dot_bracket",
    "format_dot_bracket",
    "count_pairs",
    "PairCounts",
    "draw_plane",
    "draw_arcs",
    "draw_dots",
    "Style",
    "BaseValues",
    "probability_values",
    "reactivity_values",
    "save_figure",
    "RnaformerError",
    "DeviceError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
