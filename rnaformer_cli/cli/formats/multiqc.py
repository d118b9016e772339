"""Scores as a table for MultiQC, which takes files of others as "custom content"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.scoring.compare import RecordScore

# MultiQC finds it by a name that ends in _mqc.tsv and reads the comments as YAML.
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
#     reference: {title: 'Pairs accepted', format: '{:,.0f}', scale: 'Blues'}
#     precision: {title: 'Precision', min: 0, max: 1, format: '{:,.3f}', scale: 'RdYlGn'}
#     recall: {title: 'Recall', min: 0, max: 1, format: '{:,.3f}', scale: 'RdYlGn'}
#     f1: {title: 'F1', min: 0, max: 1, format: '{:,.3f}', scale: 'RdYlGn'}
Sample\tlength\tpredicted\treference\tprecision\trecall\tf1
"""


def format_multiqc(scores: Iterable[RecordScore]) -> str:
    """One row a record, in order. A second `x` is `x (2)`: MultiQC keeps one row a name."""
    uses: Counter[str] = Counter()
    rows = []
    for score in scores:
        uses[score.id] += 1
        name = score.id if uses[score.id] == 1 else f"{score.id} ({uses[score.id]})"
        rows.append("\t".join([escape_controls(name), *_figures(score)]) + "\n")
    return HEAD + "".join(rows)


def _figures(score: RecordScore) -> list[str]:
    counts = score.exact
    ratios = ["", ""]  # no prediction, so nothing to be precise about
    if not score.is_missing:
        ratios = [f"{counts.precision:.4f}", f"{counts.recall:.4f}"]
    numbers = (score.length, counts.predicted, counts.reference)
    return [*map(str, numbers), *ratios, f"{score.f1:.4f}"]
