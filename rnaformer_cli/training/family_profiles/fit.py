"""Learn a profile library: records with structures in, profiles out.

The record most similar to the others of its family becomes the seed of a profile. Records join if
the pairs transferred by an alignment with the seed agree with their own. Bases and pairs of all
members are then counted twice, the second time from alignments with the first profile. The rest of
the family starts a new profile. Records without a family are clustered in the same way by shared
words.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.dataset.records import COMPUTED_SOURCES, LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.alignment import CODES, Floats, align, log_odds
from rnaformer_cli.families.profiles import (
    WORDS,
    Library,
    Profile,
    add_pseudocounts,
    count_kmers,
    unit,
)
from rnaformer_cli.families.recognition import ProfileSearch, Region, pair_probabilities
from rnaformer_cli.scoring.counts import count_pair_sets
from rnaformer_cli.sequence.encode import ALPHABET, encode
from rnaformer_cli.structure.structure import BasePair

_MAX_COMPARED = 120  # members that are aligned with a seed
_MAX_SEEDS = 200  # of one family in a round
_BATCH = 100  # seed_inputs that are aligned at once
_MIN_SIMILARITY = 0.12  # of words, for records without a family
_MIN_LOG_ODDS = 5.0  # nats, of a record that joins a profile
_ITERATIONS = 2  # of alignment and counting
_PSEUDO_CLUSTERS = 0.5  # without any pair, added to those observed
_NAMING_LOG_ODDS = 25.0  # nats, from which an unnamed profile takes the name of another
_COMMON_PAIR = 0.3  # frequency of the pairs that are compared for naming
_MIN_PAIR_FREQUENCY = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of the library."""

    records_per_cluster: int = 3  # records of a cluster that are used; together they have weight 1
    alike: float = 0.65  # F1 between transferred and own pairs from which a record joins
    least: int = 2  # records of a profile
    rounds: int = 15  # remaining records are left out
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RoundReport:
    """Progress after a round."""

    round: int
    profiles: int
    left: int  # records without a profile


MembersByFamily = dict[str, "list[_Member]"]


@dataclass(frozen=True, eq=False, slots=True)
class _Member:
    codes: NDArray[np.int64]
    pairs: tuple[BasePair, ...]
    weight: float
    words: Floats  # of length 1


def learn_library(
    records: Iterable[LabelledRecord],
    plan: Plan,
    report: Callable[[RoundReport], None] = lambda _: None,
) -> Library:
    """Profiles of all families with enough similar records; computed labels are left out.

    Raises:
        TrainingError: no two records are alike.
    """
    rarity, groups = _sample_members(records, plan)
    profiles: list[Profile] = []
    for number in range(1, plan.rounds + 1):
        begun = [
            (name, seed)
            for name, members in groups.items()
            for seed in _seeds(members, 0.0 if name else _MIN_SIMILARITY)
        ]
        joined = _grow([seed for _, seed in begun], plan.alike)
        gone = {id(member) for members in joined for member in members}
        groups = {
            name: left
            for name, members in groups.items()
            if (left := [one for one in members if id(one) not in gone])
        }
        each = zip(begun, joined, strict=True)
        enough = [(name, members) for (name, _), members in each if len(members) >= plan.least]
        profiles += [
            _shrunk(profile, members)
            for profile, (_, members) in zip(_refine(enough), enough, strict=True)
        ]
        report(RoundReport(number, len(profiles), sum(map(len, groups.values()))))
        if not groups:
            break
    if not profiles:
        raise TrainingError("no two records are alike, so there is no family to learn")
    return _named(Library(tuple(profiles), rarity), plan.alike)


def _named(library: Library, alike: float) -> Library:
    """Name the profiles without a family that are similar to a named profile."""
    known = tuple(profile for profile in library.profiles if profile.name)
    unknown = [profile for profile in library.profiles if not profile.name]
    if not known or not unknown:
        return library
    search = ProfileSearch(Library(known, library.rarity))
    found = search.recognise([_consensus(profile) for profile in unknown])
    names = iter([_name(*both, alike) for both in zip(unknown, found, strict=True)])
    profiles = [
        profile if profile.name else replace(profile, name=next(names))
        for profile in library.profiles
    ]
    return Library(tuple(profiles), library.rarity)


def _consensus(profile: Profile) -> str:
    """The consensus sequence of a profile."""
    return "".join(ALPHABET[letter] for letter in profile.letters.argmax(axis=1))


def _name(profile: Profile, regions: Sequence[Region], alike: float) -> str:
    """The name of a strong hit with similar pairs; empty if there is none."""
    common = profile.pair_frequency > _COMMON_PAIR
    own = set(zip(profile.left[common].tolist(), profile.right[common].tolist(), strict=True))
    for hit in (hit for region in regions for hit in region.hits):
        ends = hit.start + np.argwhere(np.triu(hit.pairs) > _COMMON_PAIR)
        transferred = {(int(left), int(right)) for left, right in ends}
        similarity = count_pair_sets(transferred, own, len(profile.letters)).f1
        if hit.log_odds > _NAMING_LOG_ODDS and similarity >= alike:
            return hit.profile.name
    return ""


def _sample_members(
    records: Iterable[LabelledRecord], plan: Plan
) -> tuple[Floats, MembersByFamily]:
    """The inverse document frequency of each word, and sampled records by family."""
    clusters: dict[tuple[str, int | str], list[LabelledRecord]] = defaultdict(list)
    for record in records:
        if record.source not in COMPUTED_SOURCES:
            cluster = record.id if record.cluster is None else record.cluster
            clusters[record.family or "", cluster].append(record)
    draw = random.Random(plan.seed)
    chosen = [
        (name, draw.sample(found, min(len(found), plan.records_per_cluster)))
        for (name, _), found in clusters.items()
    ]
    counts = [[count_kmers(encode(record.sequence)) for record in found] for _, found in chosen]
    every = [one for some in counts for one in some]
    having = sum(((one > 0).astype(np.float64) for one in every), np.zeros(WORDS))
    rarity: Floats = np.log(max(len(every), 1) / (1.0 + having)).clip(0.0).astype(np.float32)
    groups: MembersByFamily = defaultdict(list)
    for (name, found), some in zip(chosen, counts, strict=True):
        for record, one in zip(found, some, strict=True):
            weight, words = 1.0 / len(found), unit(one * rarity)
            groups[name].append(_Member(encode(record.sequence), record.pairs, weight, words))
    return rarity, groups


def _seeds(members: Sequence[_Member], related: float) -> Iterator[list[_Member]]:
    """Yield the record most similar to all remaining ones with its nearest records, repeatedly."""
    words = np.stack([one.words for one in members])
    weights = np.array([one.weight for one in members], np.float32)
    free = np.ones(len(members), dtype=np.bool_)
    for _ in range(_MAX_SEEDS):
        if not free.any():
            break
        similarity = words @ (weights * free @ words)
        first = int(np.where(free, similarity, -1.0).argmax())
        near = words @ words[first]
        free[first] = False
        order = np.argsort(-near, kind="stable")
        others = [int(one) for one in order if free[one] and near[one] >= related][:_MAX_COMPARED]
        free[others] = False
        yield [members[first], *(members[one] for one in others)]


def _grow(seeded: Sequence[list[_Member]], alike: float) -> list[list[_Member]]:
    """The seed of each group and the records whose pairs agree with it."""
    joined = []
    for start in range(0, len(seeded), _BATCH):
        some = seeded[start : start + _BATCH]
        profiles = [
            _count_profile("", members[:1], [_identity_alignment(members[0])]) for members in some
        ]
        tried = [(place, other) for place, members in enumerate(some) for other in members[1:]]
        jobs = [(other.codes, profiles[place].odds) for place, other in tried]
        found = log_odds(jobs)
        close = [number for number, odds in enumerate(found) if odds > _MIN_LOG_ODDS]
        own = [members[:1] for members in some]
        for number, aligned in zip(close, align([jobs[number] for number in close]), strict=True):
            place, other = tried[number]
            if _pair_f1(pair_probabilities(aligned, profiles[place]), other) >= alike:
                own[place].append(other)
        joined += own
    return joined


def _refine(found: Sequence[tuple[str, list[_Member]]]) -> list[Profile]:
    """The profile of each group of records, whose first record is the seed."""
    profiles = [
        _count_profile(name, members[:1], [_identity_alignment(members[0])])
        for name, members in found
    ]
    for _ in range(_ITERATIONS):
        jobs = [
            (one.codes, profile.odds)
            for (_, members), profile in zip(found, profiles, strict=True)
            for one in members
        ]
        aligned = iter(align(jobs))
        profiles = [
            _count_profile(name, members, [next(aligned) for _ in members])
            for name, members in found
        ]
    return profiles


def _identity_alignment(member: _Member) -> Floats:
    """A sequence aligned with itself, (L, L)."""
    return np.eye(len(member.codes), dtype=np.float32)


def _count_profile(name: str, members: Sequence[_Member], aligned: Sequence[Floats]) -> Profile:
    """Count bases and pairs in each column, weighted by alignment decode_posteriors (L, C)."""
    columns = aligned[0].shape[1]
    letters, pairs = np.zeros((columns, CODES)), np.zeros((columns, columns), np.float32)
    for one, where in zip(members, aligned, strict=True):
        letters += one.weight * (where.T @ np.eye(CODES, dtype=np.float32)[one.codes])
        ends = np.array(one.pairs, np.int64).reshape(-1, 2)
        pairs += np.float32(one.weight) * (where[ends[:, 0]].T @ where[ends[:, 1]])
    pairs = np.triu(pairs, k=1) / np.float32(sum(one.weight for one in members))
    left, right = np.nonzero(pairs > _MIN_PAIR_FREQUENCY)
    words = unit(sum((one.weight * one.words for one in members), np.zeros(WORDS, np.float32)))
    frequencies = np.minimum(pairs[left, right], 1.0)
    return Profile(name, add_pseudocounts(letters[:, :4]), left, right, frequencies, words)


def _shrunk(profile: Profile, members: Sequence[_Member]) -> Profile:
    """The profile with pair frequencies shrunk by the number of records."""
    weight = sum(one.weight for one in members)
    return replace(
        profile,
        pair_frequency=profile.pair_frequency * np.float32(weight / (weight + _PSEUDO_CLUSTERS)),
    )


def _pair_f1(pair_frequencies: Floats, member: _Member) -> float:
    """F1 of the transferred pairs above 0.5 against the record's own."""
    transferred = {
        (int(left), int(right)) for left, right in np.argwhere(np.triu(pair_frequencies > 0.5))
    }
    return count_pair_sets(transferred, set(member.pairs), len(member.codes)).f1
