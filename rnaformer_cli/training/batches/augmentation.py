"""Augmentation of curated records by compensatory mutations, which keep the structure.

In related RNAs both letters of a pair change while the pair remains. A network that sees the same
families many times learns to recognise them. Mutated records no longer resemble their families, so
that the network has to learn what is common to all RNAs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnaformer_cli.dataset.records import LabelledRecord

# Approximate frequencies of canonical pairs and of unpaired letters in curated structures.
_PAIRS = {"GC": 0.27, "CG": 0.27, "AU": 0.17, "UA": 0.17, "GU": 0.06, "UG": 0.06}
_LETTERS = {"A": 0.36, "C": 0.18, "G": 0.20, "U": 0.26}


def augment(record: LabelledRecord, random: np.random.Generator, max_rate: float) -> LabelledRecord:
    """The record with a random fraction (up to `max_rate`) of pairs and unpaired letters redrawn.

    Canonical pairs are replaced by canonical pairs. Other pairs, and bases with several partners,
    keep their letters.
    """
    rate = random.uniform(0.0, max_rate)
    letters = np.array(list(record.sequence))
    ends = np.array(record.pairs, dtype=np.int64).reshape(-1, 2)
    n_partners = np.bincount(ends.ravel(), minlength=len(letters))
    pair_letters = np.char.add(letters[ends[:, 0]], letters[ends[:, 1]])
    is_simple = (n_partners[ends] == 1).all(axis=1) & np.isin(pair_letters, list(_PAIRS))
    mutated = ends[is_simple & (random.random(len(ends)) < rate)]
    pairs = random.choice(list(_PAIRS), len(mutated), p=list(_PAIRS.values()))
    letters[mutated[:, 0]] = [pair[0] for pair in pairs]
    letters[mutated[:, 1]] = [pair[1] for pair in pairs]
    unpaired = np.nonzero((n_partners == 0) & (random.random(len(letters)) < rate))[0]
    letters[unpaired] = random.choice(list(_LETTERS), len(unpaired), p=list(_LETTERS.values()))
    return replace(record, sequence="".join(letters))
