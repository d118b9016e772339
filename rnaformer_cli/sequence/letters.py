"""The letters of sequences: accepted letters, normalisation, messages for other letters."""

from __future__ import annotations

from rnaformer_cli.sequence.encode import ALPHABET, AMBIGUOUS, UNKNOWN

UNAMBIGUOUS = frozenset(ALPHABET + "T" + ALPHABET.lower() + "t")
READABLE = UNAMBIGUOUS | frozenset(AMBIGUOUS + AMBIGUOUS.lower()) | frozenset(" \t")
_TO_RNA = str.maketrans("Tt" + AMBIGUOUS + AMBIGUOUS.lower(), "UU" + UNKNOWN * 2 * len(AMBIGUOUS))
_AMINO_ACIDS = frozenset("EFILPQZJOefilpqzjo*")
_BRACKETS = frozenset("()[]{}<>")
_STRANDS = "separates two strands; write each strand as a separate record"
_AMBIGUITY = "stands for more than one base; --strict takes only A C G U (T) and N"


def normalise(text: str) -> tuple[str, int]:
    """The sequence as upper-case RNA with N for ambiguous letters, and how many were ambiguous."""
    upper = text.upper()
    return upper.translate(_TO_RNA), sum(upper.count(letter) for letter in AMBIGUOUS)


def letter_error(letter: str, line: str) -> str:
    """The message for a letter that is not accepted; `line` is the text around it."""
    expected = "expected the bases A C G U (T)"
    is_bracket = letter in _BRACKETS or (letter == "." and bool(_BRACKETS & set(line)))
    reasons = (
        (letter == "&", f"'&' {_STRANDS}"),
        (is_bracket, f"{letter!r}: this looks like dot-bracket; {expected}"),
        (letter in "-.~", f"{letter!r} is a gap; {expected} without gaps: remove the gaps first"),
        (letter.isdigit(), f"{letter!r} is a digit; {expected}"),
        (letter in _AMINO_ACIDS, f"{letter!r} is an amino acid letter; {expected}, not protein"),
        (letter in READABLE, f"{letter!r} {_AMBIGUITY}"),
    )
    other = f"{letter!r} is not an RNA base; {expected}, N or another IUPAC code"
    return next((message for applies, message in reasons if applies), other)
