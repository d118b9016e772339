"""The page: what it shows, and that nothing in the input becomes part of its code."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from factories.predictions import make_prediction

from rnaformer_cli.reporting.entries import ReportEntry, add_pictures, compare_entries
from rnaformer_cli.reporting.failures import FailedRecord
from rnaformer_cli.reporting.page import ReportPage, render
from rnaformer_cli.scoring.summary import summarise
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.jsonl import FamilySpan
from rnaformer_cli.structure.structure import StructureRecord

DASH = "\N{EN DASH}"
EVIL = "<script>alert(1)</script>"
REFERENCES = [StructureRecord("x", "GGAAAACC", parse_dot_bracket("(......)"))]


class ParsedPage(HTMLParser):
    """The tags of a page with their attributes, and its text without style and script."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        if self.tags[-1:] not in (["style"], ["script"]):
            self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


def page(*predictions, **report):
    entries = [ReportEntry(one) for one in predictions or [make_prediction()]]
    return ParsedPage(render(ReportPage("A run", entries, **report)))


def compared_page():
    entries, scores = compare_entries([make_prediction("x"), make_prediction("y")], [*REFERENCES])
    return ParsedPage(render(ReportPage("A run", entries, summarise(scores))))


def test_the_heading_names_the_settings_of_the_run():
    assert "A run Weights small Passes 1 Threshold 0.5 Decoding matching" in page().text


def test_settings_that_differ_are_all_listed():
    other = make_prediction("y", cycles=3, model="large", threshold=0.25, decoding="nested")
    expected = "Weights small, large Passes 1 to 3 Threshold 0.25 to 0.5 Decoding matching, nested"
    text = page(make_prediction(), other).text
    assert expected in text
    assert "small, passes 1, threshold 0.5, matching GGAAAACC" in text
    assert "large, passes 3, threshold 0.25, nested GGAAAACC" in text


def test_settings_common_to_all_records_are_listed_once():
    assert page(make_prediction(), make_prediction("y")).text.count("matching") == 1


def test_counts_are_shown():
    text = page(make_prediction(), make_prediction("y", "....", "GGAA", confidence=0.5)).text
    assert "Records 2 12 bases in all Length 4 to 8 bases Pairs 2 predicted" in text
    assert "Confidence 0.65 median of the records" in text


def test_a_row_has_id_length_pairs_and_confidence():
    assert "Confidence x 8 2 0.80 " in page().text


def test_the_families_of_a_record_are_shown():
    named = replace(make_prediction(), families=(FamilySpan(EVIL, 1, 5), FamilySpan("tRNA", 6, 8)))
    assert f"Recognised: {EVIL} 1-5, tRNA 6-8" in page(named).text
    assert "Recognised" not in page().text


def test_families_have_a_column_with_names_and_accessions():
    spans = FamilySpan("RF00005", 1, 3, "tRNA"), FamilySpan("RF00005", 5, 8, "tRNA")
    found = page(replace(make_prediction(), families=spans), make_prediction("y"))
    assert (
        "Confidence Family x 8 2 0.80 tRNA (RF00005) Recognised: tRNA (RF00005) 1-3" in found.text
    )
    assert f" y 8 2 0.80 {DASH} GGAAAACC" in found.text


def test_crossing_pairs_are_counted():
    found = page(make_prediction("x", "((..[.))]", "GGAAAACCA"), make_prediction("y"))
    assert "Pairs 5 predicted, 3 crossing" in found.text
    assert "Crossing Confidence x 9 3 3 0.80 " in found.text
    assert " y 8 2 0 0.80 " in found.text
    assert "rossing" not in page().text.split("Records")[1].split("How")[0]


def test_records_without_pairs_have_no_value_to_sort_by():
    found = page(make_prediction("x", "........", confidence=0.0), make_prediction("y"))
    values = [value for tag, name, value in found.attributes if (tag, name) == ("td", "data-value")]
    assert values == ["8", "", "", "8", "2", "0.8"]


def test_failed_records_are_counted_and_the_first_are_listed():
    failures = [FailedRecord(f"r{number}", EVIL) for number in range(22)]
    text = page(failures=failures).text
    assert "Failed 22 not predicted" in text
    assert f"Not predicted: r0 ({EVIL}); r1 ({EVIL});" in text
    assert f"; r19 ({EVIL}) and 2 more." in text


def test_references_add_precision_recall_and_f1():
    text = compared_page().text
    assert "F1 0.667 of one reference" in text
    assert "Precision, recall 0.500, 1.000 means over 1 reference" in text
    assert " x 8 2 0.80 0.500 1.000 0.667 " in text
    assert f" y 8 2 0.80 {DASH} {DASH} {DASH} " in text
    assert "No reference for 1 of the records (not included in the means)." in text
    assert "* not in the reference" in text


def test_without_references_f1_is_explained_only_as_what_to_expect():
    assert "Precision" not in page().text


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (["a"], "No prediction for a: counts as F1 0 in the means."),
        (["a", "b"], "No prediction for a, b: each counts as F1 0 in the means."),
    ],
)
def test_references_without_a_prediction_are_named(missing, expected):
    assert expected in page(missing=missing).text


def test_warnings_have_a_column_if_there_are_any():
    assert "Warnings" not in page().text
    text = page(
        make_prediction(), make_prediction("y", warnings=["1 ambiguous letter read as N"])
    ).text
    assert f"0.80 {DASH} GGAAAACC" in text
    assert "0.80 1 ambiguous letter read as N" in text


def test_an_rna_without_pairs_is_described_as_such():
    assert "No pair was predicted." in page(make_prediction("x", "........")).text


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0, "Without pictures of the structures."),
        (1, "The first 1 records have a picture, the others none; --pictures N draws more."),
    ],
)
def test_the_page_states_which_records_have_pictures(limit, expected):
    entries = add_pictures(
        [ReportEntry(make_prediction("x")), ReportEntry(make_prediction("y"))], limit
    )
    assert expected in ParsedPage(render(ReportPage("A run", entries))).text


def test_names_titles_descriptions_and_warnings_are_text():
    evil = make_prediction(EVIL, description=EVIL, model=EVIL, decoding=EVIL, warnings=[EVIL])
    entries = add_pictures([ReportEntry(evil)], 1)
    summary = summarise(compare_entries([make_prediction("x")], REFERENCES)[1])
    found = ParsedPage(render(ReportPage(EVIL, entries, summary, missing=[EVIL])))
    assert found.tags.count("script") == 1
    assert found.text.count(EVIL) == 10  # title, head 3, missing, row 3, details 2
    values = [value for _, _, value in found.attributes if "alert" in value]
    assert values == [EVIL, EVIL, f"Structure of {EVIL}", f"Dot plot of {EVIL}"]


def test_quotes_do_not_end_an_attribute():
    found = page(make_prediction("\"onclick='alert(1)'"))
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]


def test_characters_that_html_cannot_hold_or_that_reverse_text_are_replaced():
    found = render(ReportPage("a\x00b\x1b\u202ec\ud800", [ReportEntry(make_prediction())]))
    assert "<h1>a\ufffdb\ufffd\ufffdc\ufffd</h1>" in found
    assert found.encode()


def test_nothing_is_loaded_and_only_our_script_may_run():
    html = render(ReportPage("A run", add_pictures([ReportEntry(make_prediction())], 1)))
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    found = ParsedPage(html)
    [policy] = [
        value for _, name, value in found.attributes if name == "content" and "src" in value
    ]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src blob:; base-uri 'none'; form-action 'none'"
    )
    links = [value for _, name, value in found.attributes if name in ("src", "href", "srcset")]
    assert all(link.startswith("#") for link in links)
    assert not set(found.tags) & {"link", "img", "iframe", "object", "embed", "form", "base"}
    assert "url(http" not in html and "@import" not in html


def test_links_are_shown_only_if_they_are_asked_for():
    found = page(make_prediction(EVIL), has_links=True)
    links = [value for tag, name, value in found.attributes if (tag, name) == ("a", "href")]
    assert len(links) == 2
    assert "These links send the structure to another site: forna" in found.text
    assert found.tags.count("script") == 1
    marks = [value for tag, name, value in found.attributes if (tag, name) == ("a", "rel")]
    assert marks == ["noopener noreferrer"] * 2
    assert "a" not in page().tags


def test_charts_show_the_records():
    entries, scores = compare_entries([make_prediction("x"), make_prediction(EVIL)], [*REFERENCES])
    found = ParsedPage(render(ReportPage("A run", entries, summarise(scores))))
    assert "Confidence 0.80 to 0.85: 2" in found.text
    assert "F1 0.65 to 0.70: 1" in found.text
    assert "F1 (vertical) against confidence x: confidence 0.80, F1 0.67 0 1" in found.text
    assert "charts" not in [value for _, _, value in page().attributes]


def test_every_id_is_used_once_and_what_a_button_controls_exists():
    entries = add_pictures(
        [ReportEntry(make_prediction("x")), ReportEntry(make_prediction("x"))], 2
    )
    found = ParsedPage(render(ReportPage("A run", entries)))
    ids = [value for _, name, value in found.attributes if name == "id"]
    controlled = [value for _, name, value in found.attributes if name == "aria-controls"]
    assert len(ids) == len(set(ids))
    assert controlled == ["r1", "r2"]
    assert set(controlled) <= set(ids)


def test_the_same_run_gives_the_same_page():
    report = ReportPage("A run", add_pictures([ReportEntry(make_prediction())], 1))
    assert render(report) == render(report)


def test_records_with_data_show_how_well_they_agree():
    data = {"reagent": "1M7", "used": 7, "missing": 1, "auc": 0.912, "spearman": -0.05}
    text = page(make_prediction(reactivities=data), make_prediction("y")).text
    assert "Confidence AUC of data" in text
    assert "0.80 0.91" in text
    expected = "Reactivities (1M7): 7 bases used, AUC 0.91, Spearman's correlation -0.05"
    assert expected in text
    assert text.count("Reactivities") == 1


def test_data_of_an_earlier_version_have_no_measures():
    data = {"reagent": None, "used": 7, "missing": 1}
    text = page(make_prediction(reactivities=data)).text
    assert f"0.80 {DASH}" in text
    assert "Reactivities: 7 bases used " in text


def test_without_data_the_page_has_no_column_for_them():
    assert "AUC" not in page().text
