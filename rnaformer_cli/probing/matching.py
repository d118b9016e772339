"""Match probing profiles to records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.probing.profile import ProbingProfile
from rnaformer_cli.sequence.encode import UNKNOWN
from rnaformer_cli.sequence.matching import DataIndex
from rnaformer_cli.sequence.reactivities import Reactivities, find_reagent
from rnaformer_cli.sequence.record import RnaRecord


class ProfileIndex(DataIndex[ProbingProfile]):
    """Profiles by the id of their record; see DataIndex.

    `reagent` overrides the reagents in the files, and selects one of several profiles of a record.
    """

    def __init__(self, reagent: str | None = None) -> None:
        super().__init__(ProbingError)
        self._reagent = reagent

    def attach(self, record: RnaRecord, is_only: bool = False) -> RnaRecord:
        """The record with its reactivities, or unchanged if it has none.

        Raises:
            ProbingError: several profiles, or one that does not fit the record.
        """
        name = self.match(record, is_only)
        if name is None or name in self._unreadable:
            return record
        profile = self._choose(self._data[name], record.id)
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

    def _choose(self, found: Sequence[ProbingProfile], name: str) -> ProbingProfile:
        profiles = list({_content(profile): profile for profile in found}.values())
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


def _content(profile: ProbingProfile) -> tuple[object, ...]:
    """What a profile says; that of a file that is given twice is equal."""
    columns = profile.positions.tobytes(), profile.values.tobytes(), profile.letters
    return *columns, profile.sequence, profile.n_bases, profile.reagent


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
        message = f"data for {profile.n_bases} bases, but the RNA has {size}"
        raise ProbingError(message)
    for position, letter in enumerate(profile.sequence or "", start=1):
        _check_letter(letter, sequence[position - 1], position, profile.line)
    return tuple(values)


def _check_letter(letter: str, base: str, position: int, line: int) -> None:
    if letter != base and UNKNOWN not in (letter, base):
        message = f"{letter!r} at position {position}, but the RNA has {base!r}"
        raise ProbingError(message, line=line)
