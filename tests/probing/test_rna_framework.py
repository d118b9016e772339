"""RNA Framework's XML: transcripts, and nothing that a document type could bring."""

import time

import pytest
from factories.probing_data import measured_sequences, to_xml, values_of
from hypothesis import given

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.probing import profile, rna_framework
from rnaformer_cli.probing.rna_framework import read_xml


def transcript(inside, name="x"):
    return f'<data><transcript id="{name}">{inside}</transcript></data>'


@given(measured_sequences())
def test_what_is_written_as_xml_is_read_again(made):
    sequence, values = made
    [found] = read_xml(to_xml(sequence, values).splitlines())
    assert (found.id, found.sequence, found.reagent) == ("x", sequence, None)
    assert list(values_of(found).values()) == values


def test_several_transcripts_other_elements_and_line_ends_are_read():
    lines = [
        '<?xml version="1.0" encoding="ISO-8859-1"?>',
        '<data tool="rf-norm">',
        '<meta-data><organism>é</organism></meta-data><transcript id="a b">',
        "<sequence>AC",
        "  Gt</sequence><reactivity-error>1,2</reactivity-error>",
        "<reactivity>0.1,NaN,",
        "  0.3,-1</reactivity></transcript>",
        '<transcript id="y"><reactivity>1,,</reactivity></transcript></data>',
    ]
    first, second = read_xml(lines)
    assert (first.id, first.sequence, list(first.lines)) == ("a_b", "ACGU", [6] * 4)
    assert values_of(first) == {1: 0.1, 2: None, 3: 0.3, 4: -1.0}
    assert (second.id, second.sequence, values_of(second)) == ("y", None, {1: 1.0})


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("<sequence>AC</sequence>", "no <reactivity>"),
        ("<reactivity> </reactivity>", "no reactivities"),
        ("<reactivity>1,a</reactivity>", "the value at position 2 is 'a'; expected a number or NA"),
        (
            "<sequence>ACG</sequence><reactivity>1,2</reactivity>",
            "2 reactivities for 3 bases",
        ),
        ("<sequence>A?</sequence><reactivity>1,2</reactivity>", "'?' is not an RNA base"),
    ],
)
def test_an_error_affects_its_own_transcript_only(inside, message):
    text = "<data>" + "".join(
        transcript(part, name)[6:-7]
        for name, part in (("x", inside), ("y", "<reactivity>1</reactivity>"))
    )
    error, good = read_xml([f"{text}</data>"])
    assert str(error) == f"line:1: record 'x': {message}"
    assert good.id == "y"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<data>", "line:2: not XML: no element found"),
        ("<data></transcript>", "line:1: not XML: mismatched tag"),
        ("<data>&a;</data>", "line:1: not XML: undefined entity"),
        ("<data/>", "no <transcript>; expected XML as RNA Framework writes it"),
        ("<html><p>1</p></html>", "no <transcript>; expected XML as RNA Framework writes it"),
        (
            '<!DOCTYPE d [<!ENTITY a "b">]><data/>',
            "line:1: document types (DOCTYPE) are not supported",
        ),
        ('<!DOCTYPE d SYSTEM "file"><data/>', "line:1: document types (DOCTYPE) are not supported"),
        ("<data><transcript/></data>", "line:1: a <transcript> without an id"),
        (transcript(transcript("")), "line:1: a <transcript> inside another"),
        (
            transcript("<reactivity>1</reactivity><reactivity>1</reactivity>"),
            "line:1: record 'x': duplicate <reactivity>",
        ),
    ],
)
def test_what_is_no_xml_of_transcripts_is_refused(text, message):
    with pytest.raises(ProbingError) as caught:
        list(read_xml([text]))
    assert str(caught.value) == message


def test_texts_beyond_the_limits_are_refused(monkeypatch):
    lines = [transcript("<sequence>ACG</sequence><reactivity>1,2,3</reactivity>")]
    for name, limit, message in (
        ("MAX_REACTIVITIES", 2, "line:1: more than 2 values (the limit)"),
        (
            "MAX_LINE",
            4,
            "line:1: record 'x': more than 4 letters (the limit per transcript)",
        ),
    ):
        with monkeypatch.context() as patch, pytest.raises(ProbingError) as caught:
            patch.setattr(rna_framework, name, limit)
            list(read_xml(lines))
        assert str(caught.value) == message
    monkeypatch.setattr(profile, "MAX_BASES", 2)
    [error] = read_xml(lines)
    message = "more than 2 bases (the limit per record)"
    assert str(error) == f"line:1: record 'x': {message}"


@pytest.mark.parametrize("markup", ["<!--{}-->", "<transcript id='{}x'><reactivity>1</reactivity>"])
def test_markup_of_many_lines_is_not_read_again_with_each(markup):
    long, longer = (
        f"<data>{transcript('<reactivity>1</reactivity>', 'a')[6:-7]}"
        f"{markup.format(size * chr(10))}".splitlines()
        for size in (300_000, 1_300_000)
    )
    before = time.process_time()
    with pytest.raises(ProbingError, match="not XML: no element found"):
        list(read_xml(long))
    found = read_xml(longer)
    assert next(found).id == "a"
    with pytest.raises(ProbingError) as caught:
        next(found)
    message = "a tag or comment of more than 1,000,000 bytes (the limit)"
    assert str(caught.value) == f"line:1: {message}"
    assert time.process_time() - before < 5  # a minute, if it is
