"""Lines as `predict -f jsonl` writes them, for tests that read such files."""

from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.jsonl import format_json, read_predictions
from rnaformer_cli.structure.structure import StructureRecord

DEFAULT_DETAILS = {
    "confidence": 0.8,
    "model": "small",
    "cycles": 1,
    "threshold": 0.5,
    "decoding": "matching",
    "warnings": [],
}


def make_prediction_line(
    name="x", signs="((....))", sequence="GGAAAACC", description="", score=0.9, **details
):
    """The JSON line of a prediction in which all pairs have the same score."""
    structure = parse_dot_bracket(signs)
    record = StructureRecord(name, sequence, structure, description)
    return format_json(
        record, dict.fromkeys(structure.pairs, score), {**DEFAULT_DETAILS, **details}
    )


def make_prediction(*values, **details):
    """A PredictedRecord with the same arguments as make_prediction_line."""
    [found] = read_predictions([make_prediction_line(*values, **details)])
    return found
