"""Positions of numbers: next to their bases, clear of everything else."""

import numpy as np
from factories.pictures import KNOT

from rnaformer_cli.drawing.labels import place_labels
from rnaformer_cli.drawing.layout import layout_plane
from rnaformer_cli.structure.brackets import parse_dot_bracket

TRNA = "(((((((..((((........)))).(((((.......))))).....(((((.......))))))))))))...."


def test_numbers_are_clear_of_bases_and_of_each_other():
    coordinates, _ = layout_plane(parse_dot_bracket(TRNA))
    labels, taken = place_labels(
        coordinates, coordinates, {base: str(base + 1) for base in range(0, 76, 5)}
    )
    places = np.array([label.text for label in labels.values()])
    assert np.linalg.norm(places[:, None] - coordinates[None], axis=2).min() > 0.8
    between = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(len(places))
    assert between.min() > 0.8
    assert len(taken) == len(coordinates) + 3 * len(labels)


def test_a_tick_line_leads_from_the_base_to_its_number():
    coordinates, _ = layout_plane(KNOT.structure)
    labels, _ = place_labels(coordinates, coordinates, {9: "10"})
    start, end, text = (
        np.linalg.norm(part - coordinates[9])
        for part in (labels[9].start, labels[9].end, labels[9].text)
    )
    assert 0.4 < start < end < text < 3


def test_a_single_base_has_its_label_above():
    labels, _ = place_labels(np.zeros((1, 2)), np.zeros((1, 2)), {0: "5'"})
    assert labels[0].text[1] > 1
