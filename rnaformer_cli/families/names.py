"""Names of Rfam families by their accessions.

`rfam_names.tsv` holds the accession and the name of each family that the shipped profiles know. It
is an excerpt of `family.txt` of Rfam 15.1 (https://rfam.org, CC0), without families that Rfam has
withdrawn.
"""

from __future__ import annotations

from functools import cache
from importlib import resources


def family_name(accession: str | None) -> str | None:
    """The name of an Rfam family, such as `tRNA` of `RF00005`; None if it is not known."""
    return None if accession is None else _names().get(accession)


@cache
def _names() -> dict[str, str]:
    text = (resources.files(__package__) / "rfam_names.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: row[1] for row in rows}
