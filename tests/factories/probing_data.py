"""Reactivity profiles written in all formats that are read."""

import json
import math

from hypothesis import strategies as st


@st.composite
def measured_sequences(draw, max_bases=12):
    """A sequence with a value, or None, for each base."""
    sequence = draw(st.text("ACGU", min_size=1, max_size=max_bases))
    value = st.none() | st.floats(-9, 99).filter(lambda number: number != -999)
    return sequence, draw(st.lists(value, min_size=len(sequence), max_size=len(sequence)))


def format_value(value):
    return "NA" if value is None else repr(value)


def number_rows(sequence, values):
    return enumerate(zip(sequence, values, strict=True), start=1)


def to_columns(sequence, values):
    return "".join(
        f"{n} {format_value(value)}\n" for n, (_, value) in number_rows(sequence, values)
    )


def to_columns_with_bases(sequence, values):
    return "".join(
        f"{n} {base} {format_value(value)}\n" for n, (base, value) in number_rows(sequence, values)
    )


def to_map(sequence, values):
    return "".join(
        f"{n}\t{format_value(value)}\t0\t{b}\n" for n, (b, value) in number_rows(sequence, values)
    )


def to_rdat(sequence, values, name="x", offset=-3):
    positions = " ".join(f"{base}{n + offset}" for n, base in enumerate(sequence, start=1))
    text = "\t".join(map(format_value, values))
    return (
        f"RDAT_VERSION 0.34\nNAME {name}\nSEQUENCE {sequence}\nOFFSET {offset}\n"
        f"SEQPOS {positions}\nREACTIVITY:1\t{text}\n"
    )


def to_xml(sequence, values, name="x"):
    text = ",".join("NaN" if value is None else repr(value) for value in values)
    return (
        f'<data><transcript id="{name}">\n<sequence>{sequence}</sequence>\n'
        f"<reactivity>{text}</reactivity></transcript></data>\n"
    )


def to_json_lines(sequence, values, name="x"):
    return json.dumps({"id": name, "seq": sequence, "reactivity": values}) + "\n"


def to_table(sequence, values, name="x"):
    body = [
        f"{name}\t{n}\t{format_value(value)}\t{b}\n"
        for n, (b, value) in number_rows(sequence, values)
    ]
    return "id\tposition\tvalue\tbase\n" + "".join(body)


WRITERS = {
    "two columns": to_columns,
    "three columns": to_columns_with_bases,
    "map": to_map,
    "rdat": to_rdat,
    "xml": to_xml,
    "jsonl": to_json_lines,
    "tsv": to_table,
}


def values_of(profile):
    """The values of a profile by position, None where there is none."""
    pairs = zip(profile.positions, profile.values, strict=True)
    return {position: None if math.isnan(value) else value for position, value in pairs}
