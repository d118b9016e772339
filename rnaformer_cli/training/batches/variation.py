"""Curated records with other letters: the structure stays, the family can no longer be told.

Related RNAs keep their pairs while both letters of a pair change. A network that has seen some
families many times learns to recognise them; on records varied like this there is nothing to
recognise, and only what holds for every RNA helps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnaformer_cli.dataset.records import LabelledRecord

# How often canonical pairs and unpaired letters stand in curated structures, roughly.
_PAIRS = {"GC": 0.27, "CG": 0.27, "AU": 0.17, "UA": 0.17, "GU": 0.06, "UG": 0.06}
_LETTERS = {"A": 0.36, "C": 0.18, "G": 0.20, "U": 0.26}


def vary(record: LabelledRecord, random: np.random.Generator, most: float) -> LabelledRecord:
    """The record with a random share (up to `most`) of its pairs and unpaired letters redrawn.

    Canonical pairs become canonical pairs. Other pairs, and bases with several partners, keep
    their letters.
    """
    rate = random.uniform(0.0, most)
    letters = np.array(list(record.sequence))
    ends = np.array(record.pairs, dtype=np.int64).reshape(-1, 2)
    partners = np.bincount(ends.ravel(), minlength=len(letters))
    found = np.char.add(letters[ends[:, 0]], letters[ends[:, 1]])
    simple = (partners[ends] == 1).all(axis=1) & np.isin(found, list(_PAIRS))
    chosen = ends[simple & (random.random(len(ends)) < rate)]
    drawn = random.choice(list(_PAIRS), len(chosen), p=list(_PAIRS.values()))
    letters[chosen[:, 0]] = [pair[0] for pair in drawn]
    letters[chosen[:, 1]] = [pair[1] for pair in drawn]
    free = np.nonzero((partners == 0) & (random.random(len(letters)) < rate))[0]
    letters[free] = random.choice(list(_LETTERS), len(free), p=list(_LETTERS.values()))
    return replace(record, sequence="".join(letters))
