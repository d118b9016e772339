"""Learn a library of family profiles from records with structures.

The record most similar to the others of its family becomes the seed of a profile. Records join if
the pairs transferred by an alignment with the seed agree with their own. Bases and pairs of all
members are then counted twice, the second time from alignments with the first profile. The
remaining records of the family start a new profile in the next round. Records without a family are
clustered in the same way, by the similarity of their k-mer counts.
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
from rnaformer_cli.families.alignment import N_SYMBOLS, Floats, align, log_odds
from rnaformer_cli.families.profiles import (
    N_KMERS,
    Library,
    Profile,
    add_pseudocounts,
    count_kmers,
    normalise,
)
from rnaformer_cli.families.recognition import ProfileSearch, Region, project_pairs
from rnaformer_cli.scoring.counts import count_pair_sets
from rnaformer_cli.sequence.encode import ALPHABET, encode
from rnaformer_cli.structure.structure import BasePair

_MAX_COMPARED = 120  # members that are aligned with a seed
_MAX_SEEDS = 200  # of one family in a round
_BATCH = 100  # seeds whose candidates are aligned in one call
_MIN_SIMILARITY = 0.12  # cosine of k-mer vectors, for records without a family
_MIN_LOG_ODDS = 5.0  # nats; records below it do not join a profile
_ITERATIONS = 2  # of alignment and counting
_PSEUDO_CLUSTERS = 0.5  # clusters without any pair, added to those observed
_NAMING_LOG_ODDS = 25.0  # nats; above it an unnamed profile may take the name of a match
_COMMON_PAIR = 0.3  # pairs of higher frequency are compared for naming
_MIN_PAIR_FREQUENCY = 0.05  # a profile omits pairs of lower frequency


@dataclass(frozen=True, slots=True)
class ProfileTrainingConfig:
    """Settings of `learn_library`."""

    records_per_cluster: int = 3  # records of a cluster that are used; together they have weight 1
    min_f1: float = 0.65  # of transferred pairs; records with a lower F1 do not join
    min_records: int = 2  # of each profile
    max_rounds: int = 15  # records without a profile after these rounds are ignored
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RoundReport:
    """Progress after a round."""

    round: int
    profiles: int
    unassigned: int  # records without a profile


MembersByFamily = dict[str, "list[_Member]"]


@dataclass(frozen=True, eq=False, slots=True)
class _Member:
    """A record of a family, with what its comparison with others needs."""

    codes: NDArray[np.int64]
    pairs: tuple[BasePair, ...]
    weight: float
    kmer_vector: Floats  # (N_KMERS,) of unit length


def learn_library(
    records: Iterable[LabelledRecord],
    config: ProfileTrainingConfig,
    report: Callable[[RoundReport], None] = lambda _: None,
) -> Library:
    """Profiles of all families with enough similar records; computed labels are ignored.

    Raises:
        TrainingError: no two records are similar enough to form a profile.
    """
    idf, groups = _sample_members(records, config)
    profiles: list[Profile] = []
    for number in range(1, config.max_rounds + 1):
        seeded = [
            (name, candidates)
            for name, members in groups.items()
            for candidates in _seeds(members, 0.0 if name else _MIN_SIMILARITY)
        ]
        joined = _grow([candidates for _, candidates in seeded], config.min_f1)
        assigned = {id(member) for members in joined for member in members}
        groups = {
            name: remaining
            for name, members in groups.items()
            if (remaining := [member for member in members if id(member) not in assigned])
        }
        named = [(name, members) for (name, _), members in zip(seeded, joined, strict=True)]
        large = [(name, members) for name, members in named if len(members) >= config.min_records]
        profiles += [
            _shrunk(profile, members)
            for profile, (_, members) in zip(_refine(large), large, strict=True)
        ]
        report(RoundReport(number, len(profiles), sum(map(len, groups.values()))))
        if not groups:
            break
    if not profiles:
        raise TrainingError("no two records are similar enough to form a family")
    return _named(Library(tuple(profiles), idf), config.min_f1)


def _named(library: Library, min_f1: float) -> Library:
    """Name the profiles without a family that are similar to a named profile."""
    named = tuple(profile for profile in library.profiles if profile.name)
    unnamed = [profile for profile in library.profiles if not profile.name]
    if not named or not unnamed:
        return library
    search = ProfileSearch(Library(named, library.idf))
    matched = search.find_regions([_consensus(profile) for profile in unnamed])
    names = iter(
        [
            _matching_name(profile, regions, min_f1)
            for profile, regions in zip(unnamed, matched, strict=True)
        ]
    )
    profiles = [
        profile if profile.name else replace(profile, name=next(names))
        for profile in library.profiles
    ]
    return Library(tuple(profiles), library.idf)


def _consensus(profile: Profile) -> str:
    """The consensus sequence of a profile."""
    return "".join(ALPHABET[letter] for letter in profile.emissions.argmax(axis=1))


def _matching_name(profile: Profile, regions: Sequence[Region], min_f1: float) -> str:
    """The name of a strong hit with similar pairs; empty if there is none."""
    common = profile.pair_frequency > _COMMON_PAIR
    pairs = set(zip(profile.left[common].tolist(), profile.right[common].tolist(), strict=True))
    for hit in (hit for region in regions for hit in region.hits):
        ends = hit.start + np.argwhere(np.triu(hit.pair_probabilities) > _COMMON_PAIR)
        transferred = {(int(left), int(right)) for left, right in ends}
        f1 = count_pair_sets(transferred, pairs, len(profile.emissions)).f1
        if hit.log_odds > _NAMING_LOG_ODDS and f1 >= min_f1:
            return hit.profile.name
    return ""


def _sample_members(
    records: Iterable[LabelledRecord], config: ProfileTrainingConfig
) -> tuple[Floats, MembersByFamily]:
    """The inverse document frequency of each k-mer, and sampled records by family."""
    clusters: dict[tuple[str, int | str], list[LabelledRecord]] = defaultdict(list)
    for record in records:
        if record.source not in COMPUTED_SOURCES:
            cluster = record.id if record.cluster is None else record.cluster
            clusters[record.family_name or "", cluster].append(record)
    generator = random.Random(config.seed)
    samples = [
        (name, generator.sample(cluster, min(len(cluster), config.records_per_cluster)))
        for (name, _), cluster in clusters.items()
    ]
    counts = [[count_kmers(encode(record.sequence)) for record in sample] for _, sample in samples]
    pooled = [vector for vectors in counts for vector in vectors]
    frequency = sum(((vector > 0).astype(np.float64) for vector in pooled), np.zeros(N_KMERS))
    idf: Floats = np.log(max(len(pooled), 1) / (1.0 + frequency)).clip(0.0).astype(np.float32)
    groups: MembersByFamily = defaultdict(list)
    for (name, sample), vectors in zip(samples, counts, strict=True):
        for record, vector in zip(sample, vectors, strict=True):
            weight, tf_idf = 1.0 / len(sample), normalise(vector * idf)
            groups[name].append(_Member(encode(record.sequence), record.pairs, weight, tf_idf))
    return idf, groups


def _seeds(members: Sequence[_Member], min_similarity: float) -> Iterator[list[_Member]]:
    """Repeatedly yield the record that is most similar to all unused ones, and its neighbours.

    The seed is the first of each list; neighbours have at least `min_similarity` to it. Each record
    is used once.
    """
    vectors = np.stack([member.kmer_vector for member in members])
    weights = np.array([member.weight for member in members], np.float32)
    is_free = np.ones(len(members), dtype=np.bool_)
    for _ in range(_MAX_SEEDS):
        if not is_free.any():
            break
        centrality = vectors @ (weights * is_free @ vectors)
        seed = int(np.where(is_free, centrality, -1.0).argmax())
        similarity = vectors @ vectors[seed]
        is_free[seed] = False
        nearest = [
            int(index)
            for index in np.argsort(-similarity, kind="stable")
            if is_free[index] and similarity[index] >= min_similarity
        ]
        neighbours = nearest[:_MAX_COMPARED]
        is_free[neighbours] = False
        yield [members[seed], *(members[index] for index in neighbours)]


def _grow(seeded: Sequence[list[_Member]], min_f1: float) -> list[list[_Member]]:
    """For each list of a seed and candidates, the seed and the candidates that agree with it."""
    joined = []
    for start in range(0, len(seeded), _BATCH):
        batch = seeded[start : start + _BATCH]
        profiles = [
            _count_profile("", members[:1], [_identity_alignment(members[0])]) for members in batch
        ]
        candidates = [
            (group, other) for group, members in enumerate(batch) for other in members[1:]
        ]
        jobs = [(other.codes, profiles[group].odds) for group, other in candidates]
        likely = [job for job, score in enumerate(log_odds(jobs)) if score > _MIN_LOG_ODDS]
        groups = [members[:1] for members in batch]
        for job, posteriors in zip(likely, align([jobs[job] for job in likely]), strict=True):
            group, other = candidates[job]
            if _pair_f1(project_pairs(posteriors, profiles[group]), other) >= min_f1:
                groups[group].append(other)
        joined += groups
    return joined


def _refine(groups: Sequence[tuple[str, list[_Member]]]) -> list[Profile]:
    """The profile of each group of records, whose first record is the seed."""
    profiles = [
        _count_profile(name, members[:1], [_identity_alignment(members[0])])
        for name, members in groups
    ]
    for _ in range(_ITERATIONS):
        jobs = [
            (member.codes, profile.odds)
            for (_, members), profile in zip(groups, profiles, strict=True)
            for member in members
        ]
        posteriors = iter(align(jobs))
        profiles = [
            _count_profile(name, members, [next(posteriors) for _ in members])
            for name, members in groups
        ]
    return profiles


def _identity_alignment(member: _Member) -> Floats:
    """A sequence aligned with itself, (L, L)."""
    return np.eye(len(member.codes), dtype=np.float32)


def _count_profile(name: str, members: Sequence[_Member], alignments: Sequence[Floats]) -> Profile:
    """Count bases and pairs in each column, weighted by alignment posteriors (L, C)."""
    columns = alignments[0].shape[1]
    letters, pairs = np.zeros((columns, N_SYMBOLS)), np.zeros((columns, columns), np.float32)
    one_hot = np.eye(N_SYMBOLS, dtype=np.float32)
    for member, posteriors in zip(members, alignments, strict=True):
        letters += member.weight * (posteriors.T @ one_hot[member.codes])
        ends = np.array(member.pairs, np.int64).reshape(-1, 2)
        pairs += np.float32(member.weight) * (posteriors[ends[:, 0]].T @ posteriors[ends[:, 1]])
    pairs = np.triu(pairs, k=1) / np.float32(sum(member.weight for member in members))
    left, right = np.nonzero(pairs > _MIN_PAIR_FREQUENCY)
    frequencies = np.minimum(pairs[left, right], 1.0)
    vectors = (member.weight * member.kmer_vector for member in members)
    kmer_vector = normalise(sum(vectors, np.zeros(N_KMERS, np.float32)))
    return Profile(name, add_pseudocounts(letters[:, :4]), left, right, frequencies, kmer_vector)


def _shrunk(profile: Profile, members: Sequence[_Member]) -> Profile:
    """The profile with pair frequencies shrunk towards 0; more members shrink less."""
    weight = sum(member.weight for member in members)
    factor = np.float32(weight / (weight + _PSEUDO_CLUSTERS))
    return replace(profile, pair_frequency=profile.pair_frequency * factor)


def _pair_f1(probabilities: Floats, member: _Member) -> float:
    """F1 of the transferred pairs (L, L) above 0.5 against the record's own."""
    transferred = {
        (int(left), int(right)) for left, right in np.argwhere(np.triu(probabilities > 0.5))
    }
    return count_pair_sets(transferred, set(member.pairs), len(member.codes)).f1
