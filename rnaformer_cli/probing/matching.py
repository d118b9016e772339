"""Which profile belongs to which record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rnaformer_cli.errors import ProbingError, RnaformerError
from rnaformer_cli.files import safe_name
from rnaformer_cli.probing.profile import ProbingProfile
from rnaformer_cli.sequence.encode import UNKNOWN
from rnaformer_cli.sequence.reactivities import Reactivities, find_reagent
from rnaformer_cli.sequence.record import RnaRecord


class ProfileIndex:
    """Profiles by the id of their record.

    A file without an RNA name belongs to the record whose id (or file name) is the name of the file
    without its suffix, or to the only record. A single profile with another id belongs to the only
    record if the sequences are the same. `reagent` overrides the reagents in the files, and selects
    one of several profiles of a record.
    """

    def __init__(self, reagent: str | None = None) -> None:
        self._reagent = reagent
        self._profiles: dict[str, list[ProbingProfile]] = {}
        self._matched: dict[str, str] = {}  # sequence of the first record, by the profiles' id
        self._refused: set[str] = set()  # ids whose data could not be read

    def add(self, profile: ProbingProfile) -> None:
        """Add a profile."""
        name = _stem(profile.path) if profile.id is None else profile.id
        self._profiles.setdefault(name, []).append(profile)

    def refuse(self, error: RnaformerError) -> None:
        """Record data that could not be read; other data of that id are not used either."""
        if error.location.record is not None:
            self._refused.add(error.location.record)

    def attach(self, record: RnaRecord, is_only: bool = False) -> RnaRecord:
        """The record with its reactivities, or unchanged if it has none.

        Raises:
            ProbingError: several profiles, or one that does not fit the record.
        """
        name = self.match(record, is_only)
        if name is None or name in self._refused:
            return record
        profile = self._choose(self._profiles[name], record.id)
        try:
            if self._matched[name] != record.sequence:
                raise ProbingError(f"the data of {name!r} belong to a record with another sequence")
            values = _values(profile, record.sequence)
            reagent = self._reagent or profile.reagent
            known = None if reagent is None else find_reagent(reagent)
        except ProbingError as error:
            line = error.location.line or profile.line
            raise ProbingError(
                error.message, path=profile.path, line=line, record=record.id
            ) from None
        return replace(record, reactivities=Reactivities(values, known))

    def match(self, record: RnaRecord, is_only: bool = False) -> str | None:
        """The id under which the record has profiles. The id is marked as matched."""
        file_name = safe_name(record.id)
        names = [record.id, *([file_name] if self._is_unnamed(file_name) else [])]
        if is_only and len(self._profiles) == 1:
            [(name, profiles)] = self._profiles.items()
            has_sequence = all(profile.sequence == record.sequence for profile in profiles)
            names += [name] * (self._is_unnamed(name) or has_sequence)
        found = next((name for name in names if name in self._profiles), None)
        if found is not None:
            self._matched.setdefault(found, record.sequence)
        return found

    def unmatched(self) -> list[ProbingError]:
        """A failure for each id that no record had."""
        return [
            _unmatched(name, profiles[0])
            for name, profiles in self._profiles.items()
            if name not in self._matched
        ]

    def _is_unnamed(self, name: str) -> bool:
        """Whether the profiles under a name come from files that name no RNA."""
        return all(profile.id is None for profile in self._profiles.get(name, ()))

    def _choose(self, profiles: Sequence[ProbingProfile], name: str) -> ProbingProfile:
        if len(profiles) == 1:
            return profiles[0]
        wanted = [
            profile
            for profile in profiles
            if self._reagent and (profile.reagent or "").casefold() == self._reagent.casefold()
        ]
        if len(wanted) == 1:
            return wanted[0]
        second = (wanted or profiles)[1]
        reagents = sorted({profile.reagent or "unknown" for profile in wanted or profiles})
        hint = "; --reagent chooses one" if len(reagents) > 1 else ""
        message = f"{len(wanted or profiles)} profiles ({', '.join(reagents)}){hint}"
        raise ProbingError(message, path=second.path, line=second.line, record=name)


def _values(profile: ProbingProfile, sequence: str) -> tuple[float | None, ...]:
    """A value or None for each base.

    Raises:
        ProbingError: a position beyond the RNA, or a letter that differs from the RNA's.
    """
    size = len(sequence)
    values: list[float | None] = [None] * size
    for row, (position, value) in enumerate(zip(profile.positions, profile.values, strict=True)):
        if position > size:
            message = f"position {position} is beyond the RNA, which has {size} bases"
            raise ProbingError(message, line=profile.lines[row])
        if profile.letters:
            _check_letter(
                profile.letters[row], sequence[position - 1], position, profile.lines[row]
            )
        values[position - 1] = None if math.isnan(value) else value
    if profile.n_bases is not None and profile.n_bases != size:
        message = f"data of {profile.n_bases} bases, where the RNA has {size}"
        raise ProbingError(message)
    for position, letter in enumerate(profile.sequence or "", start=1):
        _check_letter(letter, sequence[position - 1], position, profile.line)
    return tuple(values)


def _check_letter(letter: str, base: str, position: int, line: int) -> None:
    if letter != base and UNKNOWN not in (letter, base):
        message = f"{letter!r} at position {position}, where the RNA has {base!r}"
        raise ProbingError(message, line=line)


def _unmatched(name: str, profile: ProbingProfile) -> ProbingError:
    if profile.id is not None:
        message = f"no record {name!r}"
        return ProbingError(message, path=profile.path, line=profile.line)
    message = f"no record {name!r}; a file of one RNA is named after its record"
    return ProbingError(message, path=profile.path)


def _stem(path: str | None) -> str:
    """The name of a file without its suffix, and that of gzip."""
    file = Path(path or "")
    inner = file.with_suffix("") if file.suffix.lower() == ".gz" else file
    return inner.stem
