"""Learning a library of families: records with structures in, profiles out.

A record that is most like the others of its family becomes a profile. Those whose own pairs are
those that an alignment with it tells join it, and the letters and pairs of all are counted, twice:
the second time by alignments with what was counted first. What is left begins again. Records
without a family are brought together in the same way by the words that they share.
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
from rnaformer_cli.families.profiles import WORDS, Library, Profile, smoothed, unit, word_counts
from rnaformer_cli.families.recognition import ProfileSearch, Region, pair_probabilities
from rnaformer_cli.scoring.counts import count_pair_sets
from rnaformer_cli.sequence.encode import ALPHABET, encode
from rnaformer_cli.structure.structure import BasePair

_NEAREST = 120  # members that are compared with the beginning of a profile
_BEGUN = 200  # profiles of one group that are begun in a round
_AT_ONCE = 100  # of these that are held in memory
_RELATED = 0.12  # similarity of words from which records without a family are compared
_EVIDENCE = 5.0  # with which a record may join
_COUNTED = 2  # times that letters and pairs are counted
_DOUBT = 0.5  # clusters without a pair that are added to those seen
_LIKE = 25.0  # log_odds with which a profile gets the name of another
_USUAL = 0.3  # chance of the pairs that are then compared
_SHARE = 0.05  # of the members that have a pair which is worth keeping


@dataclass(frozen=True, slots=True)
class Plan:
    """How profiles are made."""

    per_cluster: int = 3  # records of a cluster that are looked at; together they count as one
    alike: float = 0.65  # F1 of the pairs that an alignment tells, from which a record joins
    least: int = 2  # records that a profile stands for
    rounds: int = 15  # after which what is left is left out
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """How far it is."""

    round: int
    profiles: int
    left: int  # records without a profile


Groups = dict[str, "list[_Member]"]


@dataclass(frozen=True, eq=False, slots=True)
class _Member:
    codes: NDArray[np.int64]
    pairs: tuple[BasePair, ...]
    weight: float
    words: Floats  # of length 1


def learn_library(
    records: Iterable[LabelledRecord], plan: Plan, tell: Callable[[Told], None] = lambda _: None
) -> Library:
    """Profiles of all families of which enough records are alike. Computed labels are left out.

    Raises:
        TrainingError: no two records are alike.
    """
    rarity, groups = _members(records, plan)
    profiles: list[Profile] = []
    for number in range(1, plan.rounds + 1):
        begun = [
            (name, beginning)
            for name, members in groups.items()
            for beginning in _beginnings(members, 0.0 if name else _RELATED)
        ]
        joined = _joined([beginning for _, beginning in begun], plan.alike)
        gone = {id(member) for members in joined for member in members}
        groups = {
            name: left
            for name, members in groups.items()
            if (left := [one for one in members if id(one) not in gone])
        }
        each = zip(begun, joined, strict=True)
        enough = [(name, members) for (name, _), members in each if len(members) >= plan.least]
        profiles += [
            _doubted(profile, members)
            for profile, (_, members) in zip(_refined(enough), enough, strict=True)
        ]
        tell(Told(number, len(profiles), sum(map(len, groups.values()))))
        if not groups:
            break
    if not profiles:
        raise TrainingError("no two records are alike, so there is no family to learn")
    return _named(Library(tuple(profiles), rarity), plan.alike)


def _named(library: Library, alike: float) -> Library:
    """The library with names for profiles of records without a family that are like a named one."""
    known = tuple(profile for profile in library.profiles if profile.name)
    unknown = [profile for profile in library.profiles if not profile.name]
    if not known or not unknown:
        return library
    search = ProfileSearch(Library(known, library.rarity))
    found = search.recognise([_usual(profile) for profile in unknown])
    names = iter([_name(*both, alike) for both in zip(unknown, found, strict=True)])
    profiles = [
        profile if profile.name else replace(profile, name=next(names))
        for profile in library.profiles
    ]
    return Library(tuple(profiles), library.rarity)


def _usual(profile: Profile) -> str:
    """The most frequent letter of each column."""
    return "".join(ALPHABET[letter] for letter in profile.letters.argmax(axis=1))


def _name(profile: Profile, regions: Sequence[Region], alike: float) -> str:
    """The name of a hit with much log_odds and the same pairs; empty if there is none."""
    usual = profile.pair_frequency > _USUAL
    own = set(zip(profile.left[usual].tolist(), profile.right[usual].tolist(), strict=True))
    for hit in (hit for region in regions for hit in region.hits):
        ends = hit.start + np.argwhere(np.triu(hit.pairs) > _USUAL)
        combined = {(int(left), int(right)) for left, right in ends}
        similarity = count_pair_sets(combined, own, len(profile.letters)).f1
        if hit.log_odds > _LIKE and similarity >= alike:
            return hit.profile.name
    return ""


def _members(records: Iterable[LabelledRecord], plan: Plan) -> tuple[Floats, Groups]:
    """How much each word tells, and some records of each cluster by family."""
    clusters: dict[tuple[str, int | str], list[LabelledRecord]] = defaultdict(list)
    for record in records:
        if record.source not in COMPUTED_SOURCES:
            cluster = record.id if record.cluster is None else record.cluster
            clusters[record.family or "", cluster].append(record)
    draw = random.Random(plan.seed)
    chosen = [
        (name, draw.sample(found, min(len(found), plan.per_cluster)))
        for (name, _), found in clusters.items()
    ]
    counts = [[word_counts(encode(record.sequence)) for record in found] for _, found in chosen]
    every = [one for some in counts for one in some]
    having = sum(((one > 0).astype(np.float64) for one in every), np.zeros(WORDS))
    rarity: Floats = np.log(max(len(every), 1) / (1.0 + having)).clip(0.0).astype(np.float32)
    groups: Groups = defaultdict(list)
    for (name, found), some in zip(chosen, counts, strict=True):
        for record, one in zip(found, some, strict=True):
            weight, words = 1.0 / len(found), unit(one * rarity)
            groups[name].append(_Member(encode(record.sequence), record.pairs, weight, words))
    return rarity, groups


def _beginnings(members: Sequence[_Member], related: float) -> Iterator[list[_Member]]:
    """Each time the record most like all that are left, and those most like it."""
    words = np.stack([one.words for one in members])
    weights = np.array([one.weight for one in members], np.float32)
    free = np.ones(len(members), dtype=np.bool_)
    for _ in range(_BEGUN):
        if not free.any():
            break
        similarity = words @ (weights * free @ words)
        first = int(np.where(free, similarity, -1.0).argmax())
        near = words @ words[first]
        free[first] = False
        order = np.argsort(-near, kind="stable")
        others = [int(one) for one in order if free[one] and near[one] >= related][:_NEAREST]
        free[others] = False
        yield [members[first], *(members[one] for one in others)]


def _joined(beginnings: Sequence[list[_Member]], alike: float) -> list[list[_Member]]:
    """Of each beginning the first record, and the others that fold like it."""
    joined = []
    for start in range(0, len(beginnings), _AT_ONCE):
        some = beginnings[start : start + _AT_ONCE]
        profiles = [_counted("", members[:1], [_itself(members[0])]) for members in some]
        tried = [(place, other) for place, members in enumerate(some) for other in members[1:]]
        jobs = [(other.codes, profiles[place].odds) for place, other in tried]
        found = log_odds(jobs)
        close = [number for number, odds in enumerate(found) if odds > _EVIDENCE]
        own = [members[:1] for members in some]
        for number, aligned in zip(close, align([jobs[number] for number in close]), strict=True):
            place, other = tried[number]
            if _agreement(pair_probabilities(aligned, profiles[place]), other) >= alike:
                own[place].append(other)
        joined += own
    return joined


def _refined(found: Sequence[tuple[str, list[_Member]]]) -> list[Profile]:
    """The profile of each group of records, whose first is where all begin."""
    profiles = [_counted(name, members[:1], [_itself(members[0])]) for name, members in found]
    for _ in range(_COUNTED):
        jobs = [
            (one.codes, profile.odds)
            for (_, members), profile in zip(found, profiles, strict=True)
            for one in members
        ]
        aligned = iter(align(jobs))
        profiles = [
            _counted(name, members, [next(aligned) for _ in members]) for name, members in found
        ]
    return profiles


def _itself(member: _Member) -> Floats:
    """A sequence aligned with itself, (L, L)."""
    return np.eye(len(member.codes), dtype=np.float32)


def _counted(name: str, members: Sequence[_Member], aligned: Sequence[Floats]) -> Profile:
    """What records hold in each column, by how likely each base (L, C) belongs there."""
    columns = aligned[0].shape[1]
    letters, pairs = np.zeros((columns, CODES)), np.zeros((columns, columns), np.float32)
    for one, where in zip(members, aligned, strict=True):
        letters += one.weight * (where.T @ np.eye(CODES, dtype=np.float32)[one.codes])
        ends = np.array(one.pairs, np.int64).reshape(-1, 2)
        pairs += np.float32(one.weight) * (where[ends[:, 0]].T @ where[ends[:, 1]])
    pairs = np.triu(pairs, k=1) / np.float32(sum(one.weight for one in members))
    left, right = np.nonzero(pairs > _SHARE)
    words = unit(sum((one.weight * one.words for one in members), np.zeros(WORDS, np.float32)))
    chance = np.minimum(pairs[left, right], 1.0)
    return Profile(name, smoothed(letters[:, :4]), left, right, chance, words)


def _doubted(profile: Profile, members: Sequence[_Member]) -> Profile:
    """The profile with family_probabilities as they are to be expected after few records."""
    weight = sum(one.weight for one in members)
    return replace(
        profile, pair_frequency=profile.pair_frequency * np.float32(weight / (weight + _DOUBT))
    )


def _agreement(family_probabilities: Floats, member: _Member) -> float:
    """F1 of the pairs that are more likely than not."""
    combined = {
        (int(left), int(right)) for left, right in np.argwhere(np.triu(family_probabilities > 0.5))
    }
    return count_pair_sets(combined, set(member.pairs), len(member.codes)).f1
