"""The HTML page of a report.

Style, script and pictures are embedded. The Content-Security-Policy forbids all requests, so that
input text cannot load anything, even if the escaping failed.
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

from rnaformer_cli.reporting.charts import COLOUR, Chart, make_charts
from rnaformer_cli.reporting.entries import ReportEntry
from rnaformer_cli.reporting.failures import FailedRecord
from rnaformer_cli.reporting.text import sanitise
from rnaformer_cli.scoring.summary import Summary


@dataclass(frozen=True, slots=True)
class ReportPage:
    """The content of a report page."""

    title: str
    entries: Sequence[ReportEntry]  # at least one
    summary: Summary | None = None  # of the comparison with references, if there are any
    missing: Sequence[str] = ()  # references without a prediction
    failures: Sequence[FailedRecord] = ()  # records that were not predicted
    version: str = ""  # of the program
    has_links: bool = False  # whether records have links to programs on the internet

    @property
    def run_settings(self) -> list[tuple[str, str]]:
        """Names and values of the run's settings; several values if records differ."""
        settings = [entry.prediction.settings for entry in self.entries]
        return [
            ("Weights", _join_distinct(setting.model for setting in settings)),
            ("Passes", _format_range([setting.cycles for setting in settings])),
            ("Threshold", _format_range([setting.threshold for setting in settings])),
            ("Decoding", _join_distinct(setting.decoding for setting in settings)),
        ]

    @property
    def is_mixed(self) -> bool:
        """Whether the settings differ between records, so that each entry lists its own."""
        return len({entry.prediction.settings for entry in self.entries}) > 1

    @property
    def lengths(self) -> str:
        """The range of lengths, as text."""
        return _format_range([entry.record.structure.length for entry in self.entries])

    @property
    def n_bases(self) -> int:
        """The number of bases of all records."""
        return sum(entry.record.structure.length for entry in self.entries)

    @property
    def n_pairs(self) -> int:
        """The number of predicted pairs of all records."""
        return sum(len(entry.record.structure.pairs) for entry in self.entries)

    @property
    def confidence(self) -> float:
        """The median confidence of the records."""
        return median(entry.prediction.confidence for entry in self.entries)

    @property
    def n_warned(self) -> int:
        """The number of records with a warning."""
        return sum(bool(entry.prediction.warnings) for entry in self.entries)

    @property
    def n_probed(self) -> int:
        """The number of records with chemical probing data."""
        return sum(entry.prediction.agreement is not None for entry in self.entries)

    @property
    def n_crossing(self) -> int:
        """The number of predicted pairs that cross another pair."""
        return sum(entry.n_crossing for entry in self.entries)

    @property
    def has_families(self) -> bool:
        """Whether a record belongs to a named family."""
        return any(entry.prediction.families for entry in self.entries)

    @property
    def n_pictures(self) -> int:
        """The number of records with a picture."""
        return sum(bool(entry.pictures) for entry in self.entries)

    @property
    def charts(self) -> list[Chart]:
        """Charts of all records."""
        return make_charts(self.entries)

    @property
    def n_without_reference(self) -> int:
        """The number of records without a reference; 0 if there are no references at all."""
        return sum(entry.reference is None for entry in self.entries) if self.summary else 0


def render(report: ReportPage) -> str:
    """The HTML text of the page; equal reports give equal text."""
    loader = PackageLoader("rnaformer_cli.reporting", "page")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_sanitise,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("table.js", "pictures.js")
    script = "\n".join(_source(loader, environment, name) for name in names)
    return environment.get_template("page.html").render(
        report=report,
        policy=_policy(script),
        style=Markup(_source(loader, environment, "style.css")),
        script=Markup(script),
        svg=Markup,
        chart_colour=COLOUR,
    )


def _source(loader: BaseLoader, environment: Environment, name: str) -> str:
    return loader.get_source(environment, name)[0]


def _policy(script: str) -> str:
    """The Content-Security-Policy: no requests, and no other script than the embedded one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = [
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",  # for attributes of the pictures; styles cannot load anything
        "img-src blob:",  # made by the script from a picture of the page, to save it as PNG
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _sanitise(value: Any) -> Any:
    """A template value, sanitised if it is text."""
    return sanitise(value) if type(value) is str else value


def _join_distinct(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _format_range(numbers: Sequence[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
