"""Destinations of predictions: a stream, or a folder with one file per record."""

from __future__ import annotations

import contextlib
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np

from rnaformer_cli import __version__
from rnaformer_cli.cli.formats.text import escape_for_terminal
from rnaformer_cli.cli.run.lock import locked
from rnaformer_cli.cli.run.log import RunLog
from rnaformer_cli.cli.run.pictures import Drawer
from rnaformer_cli.cli.run.progress import format_count
from rnaformer_cli.drawing.canvas import ImageFormat, save_figure
from rnaformer_cli.errors import OutputError
from rnaformer_cli.families.names import family_name
from rnaformer_cli.files import make_folder, write_atomically, write_text
from rnaformer_cli.probing.agreement import measure_agreement
from rnaformer_cli.probing.likelihood import relative_reactivities
from rnaformer_cli.scoring.compare import f1_of_predictions
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.dbn import format_dbn
from rnaformer_cli.structure.formats import SINGLE_RECORD_FORMATS, WRITERS
from rnaformer_cli.structure.jsonl import dot_bracket_or_none, format_json
from rnaformer_cli.structure.pair_table import HEADER, format_pair_rows, format_unpaired_rows
from rnaformer_cli.structure.structure import StructureRecord, noncanonical_pairs

if TYPE_CHECKING:
    from rnaformer_cli.prediction.alternatives import Alternative
    from rnaformer_cli.prediction.ensemble import Ensemble
    from rnaformer_cli.prediction.predictor import Prediction, Predictor


UnmetReport: TypeAlias = Callable[[RnaRecord, Sequence[int]], None]


class Destination(Protocol):
    """Writes predictions one by one."""

    def write(self, prediction: Prediction, name: str) -> None:
        """Write one prediction, independent of the predictions after it.

        `name` is the unique file name of the record, for destinations that need one.

        Raises:
            StructureError: the format cannot hold the structure.
            OutputError: the disk is full, or the file cannot be written.
        """

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Whether an earlier run has written this record under this name."""


class SingleRecordError(OutputError):
    """A second record for a file of a format that holds one."""

    def __init__(self, name: str, record: str) -> None:
        super().__init__(f"a {name} file holds one record; use --out-dir", record=record)


class Formatter:
    """Formats predictions in any of the output formats."""

    def __init__(
        self,
        predictor: Predictor,
        min_score: float | None,
        plain_headers: bool = False,
        unpaired: bool = False,
    ) -> None:
        self._ensemble = predictor.options.ensemble
        self._window, self._step = predictor.options.window, predictor.options.step
        self._min_score = min_score
        self._unpaired = unpaired
        self._alternatives, self._seed = predictor.options.alternatives, predictor.options.seed
        self._plain_headers = plain_headers
        self._model = predictor.name
        self._config = predictor.config_digest
        self._precision = str(predictor.dtype).removeprefix("torch.")
        self._cycles = "auto" if predictor.stops_early else predictor.cycles
        self._decoding = predictor.options.decoding
        self._threshold = predictor.threshold
        self._threshold_ratio = predictor.threshold_ratio

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the output of a record."""
        return {
            "model": self._model,
            "config": self._config,
            "precision": self._precision,
            "threshold": self._threshold,
            "threshold_ratio": self._threshold_ratio,
            "decoding": self._decoding,
            "cycles": self._cycles,
            "min_score": self._min_score,
            "plain_headers": self._plain_headers,
            **self._optional_settings,
        }

    @property
    def _optional_settings(self) -> dict[str, Any]:
        """The settings of some options, only if they were given."""
        found: dict[str, Any] = {"unpaired": True} if self._unpaired else {}
        if self._alternatives is not None:
            found.update(alternatives=self._alternatives, seed=self._seed)
        if self._ensemble:
            found["ensemble"] = True
        if self._window is not None:
            found.update(window=self._window, step=self._step)
        return found

    def format(self, prediction: Prediction, name: str) -> str:
        """The text of one record, without the header of a table."""
        record = prediction.structure_record
        if name == "tsv":
            scores = prediction.pair_scores
            if self._min_score is not None:
                scores = {pair: score for pair, score in scores.items() if score > self._min_score}
            rows = format_pair_rows(record.id, scores)
            return rows + self._unpaired_rows(prediction)
        if name == "dbn" and prediction.alternatives:
            return self._format_alternatives(prediction)
        if name == "dbn" and not self._plain_headers:
            return format_dbn(record, f"confidence={prediction.confidence:.2f}")
        if name != "jsonl":
            return WRITERS[name](record)  # type: ignore[index]  # the command checked the name
        return self._format_json(prediction)

    def _format_json(self, prediction: Prediction) -> str:
        """One line of JSON."""
        details: dict[str, object] = {
            "confidence": round(prediction.confidence, 4),
            "family": prediction.family,
            "family_name": prediction.family_name,
            "recognised": round(prediction.recognised, 4),
            "families": [
                {
                    "family": match.family,
                    "name": family_name(match.family),
                    "first": match.start + 1,
                    "last": match.stop,
                    "recognised": round(match.recognised, 4),
                }
                for match in sorted(prediction.matches, key=lambda match: match.start)
                if match.family
            ],
            "model": self._model,
            "cycles": prediction.cycles,
            "threshold": prediction.threshold,
            "decoding": self._decoding,
            "seconds": round(prediction.seconds, 4),
            "warnings": _warnings(prediction.record),
            **_reactivities(prediction),
            **_constraints(prediction),
            **({} if prediction.ensemble is None else {"ensemble": _ensemble(prediction.ensemble)}),
        }
        if self._unpaired and prediction.unpaired is not None:
            details["unpaired"] = [round(p, 4) for p in prediction.unpaired.tolist()]
        if prediction.alternatives:
            details["alternatives"] = list(map(_alternative, prediction.alternatives))
        return format_json(prediction.structure_record, prediction.pair_scores, details)

    def _unpaired_rows(self, prediction: Prediction) -> str:
        """The rows of a table with the probabilities of being unpaired, if these are requested."""
        if not self._unpaired or prediction.unpaired is None:
            return ""
        return format_unpaired_rows(prediction.record.id, prediction.unpaired.tolist())

    def _format_alternatives(self, prediction: Prediction) -> str:
        """One dot-bracket record for each structure: `id`, `id/2`, `id/3`."""
        texts = []
        for number, found in enumerate(prediction.alternatives, start=1):
            record = prediction.structure_record
            name = record.id if number == 1 else f"{record.id}/{number}"
            note = f"confidence={found.confidence:.2f} probability={found.probability:.3f}"
            record = replace(record, id=name, structure=found.structure)
            texts.append(format_dbn(record, "" if self._plain_headers else note))
        return "".join(texts)


def _alternative(found: Alternative) -> dict[str, Any]:
    """The object of an alternative structure."""
    return {
        "structure": dot_bracket_or_none(found.structure),
        "probability": round(found.probability, 4),
        "confidence": round(found.confidence, 4),
    }


def _warnings(record: RnaRecord) -> list[str]:
    warnings = []
    if record.n_ambiguous:
        warnings.append(f"{format_count(record.n_ambiguous, 'ambiguous letter')} read as N")
    if record.constraints is not None:
        pairs = noncanonical_pairs(record.sequence, record.constraints.pairs)
        warnings += [f"the forced pair of {pair} is not canonical" for pair in pairs]
    return warnings


def _constraints(prediction: Prediction) -> dict[str, Any]:
    """The JSON field for the constraints of a record; empty without constraints."""
    if prediction.record.constraints is None:
        return {}
    unmet = [base + 1 for base in prediction.unmet]
    return {"constraints": {**prediction.record.constraints.to_dict(), "unmet": unmet}}


def _reactivities(prediction: Prediction) -> dict[str, Any]:
    """The JSON field for the probing data of a record; empty without data."""
    record, structure, unpaired = prediction.record, prediction.structure, prediction.unpaired
    data = record.reactivities
    if data is None or unpaired is None:
        return {}
    paired = {base for pair in structure.pairs for base in pair}
    is_paired = [base in paired for base in range(len(record))]
    found = measure_agreement(record.sequence, data, is_paired, unpaired)
    relative = relative_reactivities(record.sequence, data.values, data.reagent)
    return {
        "reactivities": {
            "reagent": data.reagent,
            "used": found.n_used,
            "missing": data.n_missing,
            "auc": _rounded(found.auc),
            "spearman": _rounded(found.spearman),
            "relative": [_rounded(value) for value in relative],
        }
    }


def _ensemble(found: Ensemble) -> dict[str, float]:
    """The object for the scores of the folding model."""
    return {
        "structure_energy_kt": round(found.structure_energy_kt, 3) + 0.0,  # not -0.0
        "ensemble_energy_kt": round(found.ensemble_energy_kt, 3) + 0.0,
        "structure_probability": float(f"{found.structure_probability:.4g}"),
        "diversity": round(found.diversity, 3),
        "left_out_pairs": found.left_out_pairs,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


class StreamDestination:
    """Writes all records to one stream, which is flushed after each record."""

    def __init__(self, stream: IO[str], formatter: Formatter, name: str) -> None:
        self._stream = stream
        self._formatter = formatter
        self._name = name
        self._count = 0
        if name == "tsv":
            stream.write(HEADER)

    def write(self, prediction: Prediction, name: str) -> None:
        """Write one prediction; see Destination."""
        if self._count and self._name in SINGLE_RECORD_FORMATS:
            raise SingleRecordError(self._name, prediction.record.id)
        self._stream.write(
            escape_for_terminal(self._formatter.format(prediction, self._name), self._stream)
        )
        self._stream.flush()
        self._count += 1

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Always False: a stream is written anew; see Destination."""
        return False


class FolderDestination:
    """Writes one file per record and format, named after the record."""

    def __init__(self, folder: str, formatter: Formatter, names: tuple[str, ...]) -> None:
        self._folder = Path(folder)
        self._formatter = formatter
        self._names = names
        make_folder(folder)

    def write(self, prediction: Prediction, name: str) -> None:
        """Write one prediction; see Destination."""
        for kind in self._names:
            text = self._formatter.format(prediction, kind)
            head = HEADER if kind == "tsv" else ""
            write_text(self._folder / f"{name}.{kind}", head + text, follow=False)

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Always False: only LoggedDestination records this; see Destination."""
        return False


class LoggedDestination:
    """Logs the records that another destination has written.

    `on_unmet` is called with a record of an earlier run and its bases that must pair and have no
    partner.
    """

    def __init__(self, wrapped: Destination, log: RunLog, on_unmet: UnmetReport) -> None:
        self._wrapped = wrapped
        self._log = log
        self._on_unmet = on_unmet

    def write(self, prediction: Prediction, name: str) -> None:
        """Write one prediction; see Destination."""
        self._wrapped.write(prediction, name)
        self._log.add(prediction.record, name, prediction.unmet)

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Whether the log has the record; see Destination."""
        is_done = self._log.is_done(record, name)
        if is_done and (unmet := self._log.unmet(name)):
            self._on_unmet(record, unmet)
        return is_done


class PictureDestination:
    """Draws the structures that another destination has written.

    The bases of a record with reactivities are coloured by them.
    """

    def __init__(self, wrapped: Destination, folder: str, image: ImageFormat) -> None:
        self._wrapped = wrapped
        self._folder = Path(folder)
        self._image = image
        make_folder(folder)

    def write(self, prediction: Prediction, name: str) -> None:
        """Write one prediction; see Destination."""
        self._wrapped.write(prediction, name)
        figure = Drawer("plane", reactivities=[_relative(prediction.record)]).draw(
            prediction.structure_record
        )
        target = self._folder / f"{name}.{self._image}"
        save_figure(figure, target, self._image, follow=False)

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Whether the record is done; see Destination."""
        return self._wrapped.is_done(record, name)


def _relative(record: RnaRecord) -> list[float | None] | None:
    """The reactivities of a record from 0 to 1; None without data."""
    data = record.reactivities
    if data is None:
        return None
    return relative_reactivities(record.sequence, data.values, data.reagent)


class TableDestination:
    """Adds a table with one row per record to another destination.

    With `ensemble` it has the scores of the folding model. With references it has the F1 of each
    With references it has the column f1, which is empty for a record without a reference.
    """

    HEADER = (
        *("id", "length", "pairs", "confidence", "crossing_pairs"),
        *("threshold", "recognised", "family", "family_name"),
    )
    ENSEMBLE = (
        *("structure_energy_kt", "ensemble_energy_kt", "structure_probability"),
        *("diversity", "left_out_pairs"),
    )

    def __init__(
        self,
        wrapped: Destination,
        file: IO[str],
        references: Sequence[StructureRecord] | None = None,
        ensemble: bool = False,
    ) -> None:
        self._wrapped = wrapped
        self._file = file
        added = self.ENSEMBLE if ensemble else ()
        self._references = references
        self._rows: list[str] = []  # with references: all rows, until their F1 is known
        self._predicted: list[StructureRecord] = []
        self._write_row([*self.HEADER, *added, *(["f1"] if references is not None else [])])

    def write(self, prediction: Prediction, name: str) -> None:
        """Write one prediction; see Destination."""
        self._wrapped.write(prediction, name)
        record, structure = prediction.record, prediction.structure
        counts = len(structure.pairs), len(structure.crossing_pairs())
        row = [record.id, str(len(record)), str(counts[0]), f"{prediction.confidence:.4f}"]
        row += [str(counts[1]), f"{prediction.threshold:g}", f"{prediction.recognised:.4f}"]
        row += [prediction.family or "", prediction.family_name or ""]
        if prediction.ensemble is not None:
            row += [f"{value:g}" for value in _ensemble(prediction.ensemble).values()]
        if self._references is None:
            self._write_row(row)
        else:
            self._rows.append("\t".join(row))
            self._predicted.append(prediction.structure_record)

    def close(self) -> None:
        """Write the rows with F1, because references are matched when all records are known."""
        if self._references is not None:
            scores = f1_of_predictions(self._predicted, self._references)
            for row, f1 in zip(self._rows, scores, strict=True):
                self._write_row([row, "" if f1 is None else f"{f1:.4f}"])

    def _write_row(self, cells: Iterable[str]) -> None:
        self._file.write("\t".join(cells) + "\n")

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Always False: the table is written anew; see Destination."""
        return False


class ScoreArchiveWriter:
    """Adds a NumPy archive with one score matrix per record to another destination."""

    def __init__(self, wrapped: Destination, file: IO[bytes]) -> None:
        self._wrapped = wrapped
        self._archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    def write(self, prediction: Prediction, name: str) -> None:
        """Write one prediction; see Destination."""
        self._wrapped.write(prediction, name)
        with self._archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.asarray(prediction.scores), allow_pickle=False)

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Always False: the archive is written anew; see Destination."""
        return False

    def close(self) -> None:
        """Finish the archive."""
        self._archive.close()


@contextlib.contextmanager
def open_destination(
    chosen: dict[str, Any],
    predictor: Predictor,
    on_unmet: UnmetReport,
    references: Sequence[StructureRecord] | None = None,
) -> Iterator[Destination]:
    """The destination that the options select; single files appear after the last record."""
    headers, unpaired = chosen["plain_headers"], chosen["unpaired"]
    formatter = Formatter(predictor, chosen["min_score"], headers, unpaired)
    formats: tuple[str, ...] = chosen["formats"]
    with contextlib.ExitStack() as stack:
        destination: Destination
        if chosen["out_dir"]:
            stack.enter_context(locked(chosen["out_dir"], chosen["shard"]))
            log = _open_log(chosen, formatter, formats)
            stack.callback(log.close)
            destination = FolderDestination(chosen["out_dir"], formatter, formats)
            if chosen["draw"]:
                destination = PictureDestination(destination, chosen["draw"], chosen["draw_format"])
            destination = LoggedDestination(destination, log, on_unmet)
        else:
            stream = sys.stdout
            if chosen["output"]:
                stream = cast("Any", stack.enter_context(write_atomically(chosen["output"])))
            destination = StreamDestination(stream, formatter, formats[0])
            if chosen["draw"]:
                destination = PictureDestination(destination, chosen["draw"], chosen["draw_format"])
        if chosen["scores"]:
            file = stack.enter_context(write_atomically(chosen["scores"], binary=True))
            archive = ScoreArchiveWriter(destination, cast("IO[bytes]", file))
            stack.callback(archive.close)
            destination = archive
        if chosen["table"]:
            table = stack.enter_context(write_atomically(chosen["table"]))
            file_of_rows = cast("IO[str]", table)
            rows = TableDestination(destination, file_of_rows, references, chosen["ensemble"])
            stack.callback(rows.close)
            destination = rows
        yield destination


def _open_log(chosen: dict[str, Any], formatter: Formatter, formats: tuple[str, ...]) -> RunLog:
    settings = {**formatter.settings, "formats": list(formats), "like": chosen["like"]}
    settings["families"] = not chosen["no_families"]
    settings["pseudoknots"] = not chosen["no_pseudoknots"]
    settings["version"] = __version__
    folder, part, resume = chosen["out_dir"], chosen["shard"], chosen["resume"]
    pictures = chosen["draw"], chosen["draw_format"]
    return RunLog(folder, settings, formats, part, resume, *pictures)
