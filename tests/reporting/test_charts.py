"""Charts on top of a report."""

import pytest
from factories.predictions import make_prediction

from rnaformer_cli.reporting.charts import make_charts
from rnaformer_cli.reporting.entries import ReportEntry, compare_entries
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import StructureRecord


def test_bars_count_records_and_the_highest_fills_the_chart():
    confidences = (0.0, 0.5, 0.52, 1.0)
    entries = [ReportEntry(make_prediction(f"x{one}", confidence=one)) for one in confidences]
    [_, chart] = make_charts(entries)
    assert (chart.title, chart.low, chart.high) == ("Confidence", "0", "1")
    assert [(bar.x, bar.height) for bar in chart.bars] == [(0.0, 50.0), (50.0, 100.0), (95.0, 50.0)]
    assert [bar.text for bar in chart.bars] == [
        "0.00 to 0.05: 1",
        "0.50 to 0.55: 2",
        "0.95 to 1.00: 1",
    ]


def test_lengths_are_between_the_shortest_and_the_longest():
    signs = ("." * 10, "." * 1010)
    entries = [ReportEntry(make_prediction("x", one, "A" * len(one))) for one in signs]
    chart = make_charts(entries)[0]
    assert (chart.title, chart.low, chart.high) == ("Length", "10", "1,010")
    assert [bar.text for bar in chart.bars] == ["10 to 60: 1", "960 to 1010: 1"]


def test_f1_is_shown_with_references():
    known = StructureRecord("a", "GGAAAACC", parse_dot_bracket("((....))"))
    predictions = [make_prediction("a", confidence=0.5), make_prediction("b")]
    charts = make_charts(compare_entries(predictions, [known])[0])
    assert [chart.title for chart in charts[2:]] == ["F1", "F1 (vertical) against confidence"]
    [point] = charts[3].points
    assert (point.x, point.y) == (pytest.approx(50), pytest.approx(0))
    assert point.text == "a: confidence 0.50, F1 1.00"


def test_one_record_has_no_charts():
    assert make_charts([ReportEntry(make_prediction())]) == []
