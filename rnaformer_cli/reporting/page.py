"""A whole HTML page from a run's entries.

It asks for nothing: style, script and pictures are in it, and its Content-Security-Policy
forbids all else, so that a name in the input could not fetch anything even if it got through
the escaping.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rnaformer_cli.reporting.entries import Entry
from rnaformer_cli.reporting.text import fit
from rnaformer_cli.scoring.summary import Summary

# What HTML cannot hold (control characters, halves of surrogate pairs), and what turns text round.


@dataclass(frozen=True, slots=True)
class Report:
    """A run, and how it compares with references if there are any."""

    title: str
    entries: Sequence[Entry]  # at least one
    summary: Summary | None = None
    missing: Sequence[str] = ()  # references without a prediction
    version: str = ""  # of the program

    @property
    def made_by(self) -> list[tuple[str, str]]:
        """What was run, as names and values; several values where records differ."""
        settings = [entry.prediction.settings for entry in self.entries]
        return [
            ("Weights", _join_distinct(one.model for one in settings)),
            ("Passes", _format_range([one.cycles for one in settings])),
            ("Threshold", _format_range([one.threshold for one in settings])),
            ("Decoding", _join_distinct(one.decoding for one in settings)),
        ]

    @property
    def is_mixed(self) -> bool:
        """Whether records were made differently, so that each has to tell how."""
        return len({entry.prediction.settings for entry in self.entries}) > 1

    @property
    def lengths(self) -> str:
        """From the shortest to the longest RNA."""
        return _format_range([entry.record.structure.length for entry in self.entries])

    @property
    def bases(self) -> int:
        """Of all records."""
        return sum(entry.record.structure.length for entry in self.entries)

    @property
    def pairs(self) -> int:
        """Predicted ones, of all records."""
        return sum(len(entry.record.structure.pairs) for entry in self.entries)

    @property
    def confidence(self) -> float:
        """The median over records."""
        return median(entry.prediction.confidence for entry in self.entries)

    @property
    def warned(self) -> int:
        """Records with a warning."""
        return sum(bool(entry.prediction.warnings) for entry in self.entries)

    @property
    def pictures(self) -> int:
        """Records with a picture."""
        return sum(bool(entry.picture) for entry in self.entries)

    @property
    def without_reference(self) -> int:
        """Records that could not be compared."""
        return sum(entry.reference is None for entry in self.entries) if self.summary else 0


def render(report: Report) -> str:
    """The text of the page, the same for the same report."""
    loader = PackageLoader("rnaformer_cli.reporting", "page")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_sanitise,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _source(loader, environment, "table.js")
    return environment.get_template("page.html").render(
        report=report,
        policy=_policy(script),
        style=Markup(_source(loader, environment, "style.css")),
        script=Markup(script),
        svg=Markup,
    )


def _source(loader: BaseLoader, environment: Environment, name: str) -> str:
    return loader.get_source(environment, name)[0]


def _policy(script: str) -> str:
    """Nothing may be loaded, and no other script than ours may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = [
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",  # attributes of pictures; it could load nothing either
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _sanitise(value: Any) -> Any:
    """A value as the page can hold it."""
    return fit(value) if type(value) is str else value


def _join_distinct(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _format_range(numbers: Sequence[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
