"""Scores as a "custom content" table for MultiQC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.scoring.compare import RecordScore

# MultiQC reads files whose names end in _mqc.tsv, and their comments as YAML.
HEAD = """\
# id: 'rnaformer_score'
# section_name: 'rnaformer: base pairs against references'
# description: 'A pair counts once and must match exactly. A missing prediction has F1 0.'
# plot_type: 'table'
# pconfig:
#     id: 'rnaformer_score_table'
#     title: 'rnaformer: scores'
#     col1_header: 'RNA'
# headers:
#     length: {title: 'Bases', format: '{:,.0f}', scale: 'Greys'}
#     predicted: {title: 'Pairs predicted', format: '{:,.0f}', scale: 'Blues'}
#     reference: {title: 'Pairs in reference', format: '{:,.0f}', scale: 'Blues'}
#     precision: {title: 'Precision', min: 0, max: 1, format: '{:,.3f}', scale: 'RdYlGn'}
#     recall: {title: 'Recall', min: 0, max: 1, format: '{:,.3f}', scale: 'RdYlGn'}
#     f1: {title: 'F1', min: 0, max: 1, format: '{:,.3f}', scale: 'RdYlGn'}
Sample\tlength\tpredicted\treference\tprecision\trecall\tf1
"""


def format_multiqc(scores: Iterable[RecordScore]) -> str:
    """One row per record. A second `x` is named `x (2)`, because MultiQC keeps one row per name."""
    uses: Counter[str] = Counter()
    rows = []
    for score in scores:
        uses[score.id] += 1
        name = score.id if uses[score.id] == 1 else f"{score.id} ({uses[score.id]})"
        rows.append("\t".join([escape_controls(name), *_figures(score)]) + "\n")
    return HEAD + "".join(rows)


def _figures(score: RecordScore) -> list[str]:
    counts = score.exact
    ratios = ["", ""]  # precision and recall are undefined without a prediction
    if not score.is_missing:
        ratios = [f"{counts.precision:.4f}", f"{counts.recall:.4f}"]
    numbers = (score.length, counts.predicted, counts.reference)
    return [*map(str, numbers), *ratios, f"{score.f1:.4f}"]
