"""Predict the structures of RNA records, in input order."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnaformer_cli.errors import (
    ConfigError,
    ConstraintError,
    DeviceError,
    StructureError,
    shorten_repr,
)
from rnaformer_cli.families.mixture import FamilyMatch, FamilyModel
from rnaformer_cli.families.names import family_name
from rnaformer_cli.families.recognition import Region
from rnaformer_cli.folding.model import MIN_PROBABILITY, FoldingModel
from rnaformer_cli.folding.pairs import NO_LETTER
from rnaformer_cli.folding.pseudoknots import MAX_LENGTH as MAX_PSEUDOKNOT_LENGTH
from rnaformer_cli.folding.pseudoknots import MIN_LENGTH as MIN_PSEUDOKNOT_LENGTH
from rnaformer_cli.folding.pseudoknots import (
    Pseudoknot,
    add_pseudoknots,
    needed_memory,
    pseudoknot_probabilities,
)
from rnaformer_cli.model.checkpoint import (
    Checkpoint,
    config_digest,
    load_families,
    load_network,
)
from rnaformer_cli.model.config import MAX_VALUES
from rnaformer_cli.model.engine import STRIP_BYTES, Engine, estimate_memory
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.alternatives import (
    Alternative,
    find_alternatives,
    sample_structures,
)
from rnaformer_cli.prediction.banded import BandedScores, PairScores
from rnaformer_cli.prediction.banded_constraints import BandedConstraints
from rnaformer_cli.prediction.batching import make_batches, read_windows, to_tensors
from rnaformer_cli.prediction.constraints import PairConstraints, constrained_probabilities
from rnaformer_cli.prediction.decoding import (
    Decoding,
    candidate_pairs,
    decode,
    decode_adaptively,
    expected_f1,
    unpaired_probabilities,
)
from rnaformer_cli.prediction.device import (
    Precision,
    choose_device,
    choose_dtype,
    use_one_thread_after_fork,
)
from rnaformer_cli.prediction.ensemble import Ensemble, place_in_ensemble
from rnaformer_cli.prediction.memory import format_size, free_bytes
from rnaformer_cli.prediction.windows import (
    WindowMean,
    WindowRecord,
    check_windows,
    cut_windows,
    merge_matches,
    window_starts,
)
from rnaformer_cli.probing.likelihood import log_likelihood_ratios
from rnaformer_cli.sequence.inputs import ONE_RNA, Rna, Rnas, to_record, to_records
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.brackets import format_dot_bracket
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

Labels = Literal["curated", "computed"]
Scores = NDArray[np.float32]  # symmetric (L, L), 0 to 1, zero on the diagonal

_NOT_FINITE = (
    "scores are not finite numbers: the weights are damaged, or overflow in this precision"
)
_LABEL_TYPE_VALUES: dict[Labels, float] = {"curated": 1.0, "computed": 0.0}
_EPSILON = 1e-7  # scores are clipped to [this, 1 - this] before a change of their logits
_RECOGNISED = 0.5  # posterior from which a sequence is taken to belong to a family
MAX_CELLS = 60_000  # per batch; larger batches are not faster on a CPU
FOLDING_MAX_CELLS = 300_000  # the folding model is faster with larger batches
_STRIP_BYTES = {"cpu": STRIP_BYTES, "mps": 2**26, "cuda": 2**28}  # GPUs need larger strips


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a prediction; None means the value in the weights' config.

    Raises:
        ConfigError: a value of another type or out of range.
    """

    decoding: Decoding = "mea"  # how pairs are chosen, see `predict --decode`
    threshold: float | None = None  # one threshold for all records
    cycles: int | Literal["auto"] | None = None  # auto: until the scores have converged
    min_score: float | None = None  # pairs below it are not reported; None: the threshold
    like: Labels | None = None  # which kind of labels to imitate, for weights with a label flag
    families: bool = True  # use the family profiles, if the weights have some
    pseudoknots: bool = True  # add pseudoknots to the folding model, where no family matches
    keep_scores: bool = False  # keep the score matrix in each prediction
    alternatives: int | None = None  # number of structures of a record; None: no sample is drawn
    seed: int = 0  # of the sample of alternative structures
    ensemble: bool = False  # score the structure in the ensemble of the folding model
    # Bases of the windows of longer RNAs, and between their starts; see `predict --window`.
    window: int | None = None
    step: int | None = None  # None: a quarter of the window
    max_cells: int = MAX_CELLS  # of the matrices of one batch
    max_memory: int | None = None  # bytes for one record; None: the free memory

    def __post_init__(self) -> None:
        _check_choice("decoding", self.decoding, get_args(Decoding))
        _check_choice("like", self.like, (None, *get_args(Labels)))
        for name in ("threshold", "min_score"):
            _check_fraction(name, getattr(self, name))
        if self.cycles != "auto":
            _check_whole_number("cycles", self.cycles, is_optional=True)
        _check_whole_number("alternatives", self.alternatives, minimum=1, is_optional=True)
        _check_whole_number("max_memory", self.max_memory, minimum=0, is_optional=True)
        _check_whole_number("seed", self.seed, minimum=0)
        _check_whole_number("max_cells", self.max_cells, minimum=1)

    @property
    def adds_pseudoknots(self) -> bool:
        """Whether pseudoknots are added. Folding programs and `nested` do not predict any."""
        return self.pseudoknots and self.like != "computed" and self.decoding != "nested"

    @property
    def uses_families(self) -> bool:
        """Whether family profiles are used. A folding program's output ignores families."""
        return self.families and self.like != "computed"


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        expected = ", ".join(map(repr, allowed))
        raise ConfigError(f"{name} must be one of {expected}, not {shorten_repr(value)}")


def _check_fraction(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, Real) or isinstance(value, bool) or not 0.0 <= float(value) <= 1.0:
        raise ConfigError(f"{name} must be a number from 0 to 1, not {shorten_repr(value)}")


def _check_whole_number(
    name: str, value: object, minimum: int | None = None, is_optional: bool = False
) -> None:
    if value is None and is_optional:
        return
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ConfigError(f"{name} must be a whole number, not {shorten_repr(value)}")
    if minimum is not None and int(value) < minimum:
        raise ConfigError(f"{name} must be at least {minimum}, not {shorten_repr(value)}")


@dataclass(frozen=True, slots=True)
class Prediction:
    """One RNA with its predicted structure and the scores of its pairs."""

    record: RnaRecord
    structure: Structure
    # The scores of the pairs of the structure, and of all pairs above Options.min_score.
    pair_scores: Mapping[BasePair, float]
    confidence: float  # the expected F1
    threshold: float  # pairs below it were not candidates
    seconds: float  # its part of the time of its batch, in proportion to L²
    cycles: int  # recycling passes
    matches: tuple[FamilyMatch, ...] = ()  # matches to families, by decreasing posterior
    scores: Scores | None = None  # with Options.keep_scores
    # The structure and alternatives to it, if Options.alternatives is set.
    alternatives: tuple[Alternative, ...] = ()
    # The probability of each base of being unpaired (L,).
    unpaired: NDArray[np.float32] | None = None
    unmet: tuple[int, ...] = ()  # bases that must pair, for which the decoding found no partner
    ensemble: Ensemble | None = None  # scores of the folding model, with Options.ensemble

    @property
    def recognised(self) -> float:
        """The posterior probability that a part of the sequence belongs to a known family."""
        return self.matches[0].recognised if self.matches else 0.0

    @property
    def family(self) -> str | None:
        """The family of the best match that has a name."""
        return next((match.family for match in self.matches if match.family), None)

    @property
    def family_name(self) -> str | None:
        """The Rfam name of this family, such as `tRNA`; None if it is not known."""
        return family_name(self.family)

    @property
    def structure_record(self) -> StructureRecord:
        """The prediction as a record for structure files."""
        record = self.record
        return StructureRecord(record.id, record.sequence, self.structure, record.description)

    @property
    def dot_bracket(self) -> str:
        """The structure in dot-bracket notation.

        Raises:
            StructureError: a structure that it cannot hold, such as one of `raw` decoding.
        """
        return format_dot_bracket(self.structure)

    def to_row(self) -> dict[str, str | int | float | None]:
        """One row of a table, for `pandas.DataFrame(p.to_row() for p in predictions)`."""
        return {
            "id": self.record.id,
            "description": self.record.description,
            "length": len(self.record),
            "sequence": self.record.sequence,
            "structure": self._dot_bracket_or_none(),
            "pairs": len(self.structure.pairs),
            "confidence": self.confidence,
            "threshold": self.threshold,
            "family": self.family,
            "recognised": self.recognised,
            "cycles": self.cycles,
            "seconds": self.seconds,
            **({} if self.ensemble is None else asdict(self.ensemble)),
        }

    def to_pair_rows(self) -> list[dict[str, str | int | float]]:
        """One row for each pair of `pair_scores`, with the columns of TSV; `i`, `j` are 1-based."""
        name = self.record.id
        return [
            {"id": name, "i": left + 1, "j": right + 1, "score": score}
            for (left, right), score in sorted(self.pair_scores.items())
        ]

    def _dot_bracket_or_none(self) -> str | None:
        try:
            return self.dot_bracket
        except StructureError:
            return None

    def __repr__(self) -> str:
        structure = self._dot_bracket_or_none()
        shown = f"{len(self.structure.pairs)} pairs" if structure is None else structure
        name, shown = shorten_repr(self.record.id), shorten_repr(shown)
        return f"Prediction({name}, {shown}, confidence={self.confidence:.2f})"

    def _repr_html_(self) -> str:
        """The picture, sequence and structure, as notebooks show them."""
        from rnaformer_cli.drawing.notebook import structure_html

        return structure_html(self.structure_record, f"confidence {self.confidence:.2f}")


class Predictor:
    """A network on a device, ready to predict.

    Raises:
        ConfigError: a number of cycles or a kind of labels that the network does not support.
    """

    def __init__(
        self,
        network: RNAformer,
        name: str,
        options: Options | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        families: FamilyModel | None = None,
    ) -> None:
        use_one_thread_after_fork()
        self.options = options or Options()
        self.name = name
        self.device = device or torch.device("cpu")
        self.dtype = dtype
        self.engine = Engine(network.to(self.device).eval(), _STRIP_BYTES[self.device.type])
        config = network.config
        requested = self.options.cycles
        self.cycles = requested if isinstance(requested, int) else config.cycles  # upper limit
        self.stops_early = requested == "auto"
        threshold = self.options.threshold
        self.threshold = config.threshold if threshold is None else threshold
        # A threshold given by the user, and that of `raw`, is the same for all records.
        uses_config = threshold is None and self.options.decoding != "raw"
        self.threshold_ratio = config.threshold_ratio if uses_config else 0.0
        if self.cycles < 1 or (self.cycles > 1 and not config.recycling):
            allowed = "at least 1" if config.recycling else "1, these weights do not recycle"
            raise ConfigError(f"cycles must be {allowed}, not {self.cycles}")
        if self.cycles > MAX_VALUES["cycles"]:
            message = (
                f"cycles must be at most {MAX_VALUES['cycles']:,}, not {shorten_repr(self.cycles)}"
            )
            raise ConfigError(message)
        self.flag = (
            config.flag if self.options.like is None else _LABEL_TYPE_VALUES[self.options.like]
        )
        if self.options.like == "computed" and not config.label_flag:
            raise ConfigError(
                "these weights have no label flag: they were trained on one kind of labels"
            )
        self.families = families if self.options.uses_families else None
        gate = self.families.mixture.by_evidence if self.families else None
        if gate is not None and not config.folding:
            raise ConfigError("by_evidence of families needs a network with a folding model")
        self._needs_folding = gate is not None
        check_windows(self.options.window, self.options.step)
        if self.options.window is not None:
            self._refuse_with_windows()
        if self.options.alternatives is not None and network.folding is None:
            raise ConfigError("these weights have no folding model, which alternatives need")
        if self.options.ensemble and network.folding is None:
            raise ConfigError("these weights have no folding model, which the ensemble needs")

    def _refuse_with_windows(self) -> None:
        """Refuse options that need the whole matrix.

        Raises:
            ConfigError: naming the option.
        """
        for name in ("keep_scores", "alternatives", "ensemble"):
            if getattr(self.options, name) not in (None, False):
                raise ConfigError(f"{name} and window cannot be combined")

    @property
    def config_digest(self) -> str:
        """A checksum of the settings that affect predictions, without the tensors."""
        values: dict[str, Any] = {"model": self.engine.config.to_dict(), "families": None}
        if self.families is not None:
            values["families"] = [self.families.mixture.to_dict(), self.families.checksum]
        return config_digest(values)[:16]

    def __repr__(self) -> str:
        return f"Predictor({self.name!r}, device={str(self.device)!r})"

    @overload
    def predict(self, rnas: Rna) -> Prediction: ...  # type: ignore[overload-overlap]  # a str is also an iterable of str

    @overload
    def predict(self, rnas: Rnas) -> Iterator[Prediction | DeviceError]: ...

    def predict(self, rnas: Rna | Rnas) -> Prediction | Iterator[Prediction | DeviceError]:
        """The prediction of one RNA, or an iterator over those of several, in input order.

        An RNA is text, a `Seq`, `SeqRecord` or `RnaRecord`. Several are an iterable of
        these, or the `Path` of a FASTA file or of a folder of FASTA files. They are read ahead in
        windows and predicted in batches of similar lengths. A prediction does not depend on the
        other records. An RNA of several that cannot be predicted gives an error in its place.

        Raises:
            SequenceError: a letter that is not a base.
            DeviceError: a single RNA that does not fit into the memory.
            TypeError: a dict, a set, bytes, or a tuple of two texts.
        """
        if not isinstance(rnas, ONE_RNA):
            return self._predict_records(to_records(rnas))
        [result] = self._predict_records([to_record(rnas)])
        if isinstance(result, DeviceError):
            raise result
        return result

    def _predict_records(self, records: Iterable[RnaRecord]) -> Iterator[Prediction | DeviceError]:
        """Yield a prediction or an error for each record, in input order."""
        return reorder(self.predict_as_done(records))

    def predict_as_done(
        self, records: Iterable[RnaRecord]
    ) -> Iterator[tuple[int, Prediction | DeviceError]]:
        """Yield the index of each record with its result, as soon as its batch is done."""
        begin = 0
        for window in read_windows(records):
            for group in self.groups(window):
                results = self.predict_group([window[index] for index in group])
                for index, result in zip(group, results, strict=True):
                    yield begin + index, result
            begin += len(window)

    def groups(self, window: Sequence[RnaRecord]) -> list[list[int]]:
        """Indices into a window, longest first, in groups that the folding model takes at once."""
        order = sorted(range(len(window)), key=lambda index: (-len(window[index]), index))
        long = [index for index in order if self._needs_windows(window[index])]
        short = [index for index in order if not self._needs_windows(window[index])]
        batches = make_batches([len(window[index]) for index in short], self._folding_cells)
        return [[index] for index in long] + [[short[place] for place in one] for one in batches]

    @property
    def _folding_cells(self) -> int:
        """The cells of the matrices that the folding model takes at once."""
        return max(self.options.max_cells, FOLDING_MAX_CELLS if self.engine.config.folding else 0)

    def _needs_windows(self, record: RnaRecord) -> bool:
        return self.options.window is not None and len(record) > self.options.window

    def predict_group(self, records: list[RnaRecord]) -> Iterator[Prediction | DeviceError]:
        """Yield the predictions of a group of records, longest first."""
        if self._needs_windows(records[0]):
            for record in records:
                yield self._predict_in_windows(record)
            return
        features = self._folding_features(records) if len(records) > 1 else None
        posteriors = self._posteriors(records) if len(records) > 1 else [None] * len(records)
        regions = self._scan_families([record.sequence for record in records])
        pseudoknots = self._group_pseudoknots(records, regions)
        begin = 0
        for batch in make_batches([len(record) for record in records], self.options.max_cells):
            assert batch == list(range(begin, begin + len(batch)))  # records are sorted by length
            size = len(records[begin])
            rows = slice(begin, begin + len(batch))
            part = None if features is None else features[rows, :size, :size]
            yield from self._predict_batch(
                records[rows], regions[rows], part, posteriors[rows], pseudoknots[rows]
            )
            begin += len(batch)

    def _folding_features(self, records: list[RnaRecord]) -> Tensor | None:
        """The folding model's features of all records, (B, L, L, 2): large batches are fastest.

        None without a folding model, or if memory is short: each batch is then folded by itself.
        """
        if not self.engine.config.folding:
            return None
        bases, is_base = to_tensors([record.sequence for record in records])
        try:
            with torch.inference_mode():
                return self.engine.network.folding_features(
                    bases.to(self.device), is_base.to(self.device)
                )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _posteriors(self, records: list[RnaRecord]) -> list[Tensor | None]:
        """The folding model's probabilities (L, L) given the reactivities of each record.

        None for records without reactivities or with constraints, or if memory is short: they are
        computed later.
        """
        rows = [
            row
            for row, record in enumerate(records)
            if record.reactivities is not None and not _is_constrained(record)
        ]
        posteriors: list[Tensor | None] = [None] * len(records)
        if not rows or self.engine.network.folding is None:
            return posteriors
        bases, is_base = to_tensors([records[row].sequence for row in rows])
        scores = torch.zeros(bases.shape, dtype=torch.float64)
        for score, row in zip(scores, rows, strict=True):
            score[: len(records[row])] = torch.from_numpy(_unpaired_scores(records[row]))
        bases = bases.masked_fill(~is_base, NO_LETTER).to(self.device)
        try:
            with torch.inference_mode():
                probabilities = self.engine.network.folding(bases, scores).cpu()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return posteriors
        for row, matrix in zip(rows, probabilities, strict=True):
            posteriors[row] = matrix[: len(records[row]), : len(records[row])]
        return posteriors

    def _scan_families(self, sequences: list[str]) -> list[list[Region]]:
        """The regions of each sequence that match family profiles; none without a library."""
        if self.families is None:
            return [[] for _ in sequences]
        return self.families.search.find_regions(sequences)

    @overload
    def score(self, rnas: Rna) -> Scores: ...  # type: ignore[overload-overlap]  # a str is also an iterable of str

    @overload
    def score(self, rnas: Rnas) -> list[Scores]: ...

    def score(self, rnas: Rna | Rnas) -> Scores | list[Scores]:
        """The matrix (L, L) of base-pair probabilities of one RNA, or a list of those of several.

        RNAs are given as in `predict`; several are computed in one batch. A probability is the
        sigmoid of the mean of both triangles' logits, combined with those of the matching families.

        Raises:
            SequenceError: a letter that is not a base.
        """
        if isinstance(rnas, ONE_RNA):
            return self.score([rnas])[0]
        sequences = [record.sequence for record in to_records(rnas)]
        return self._score(sequences, self._scan_families(sequences))[0]

    def _score(
        self,
        sequences: Sequence[str],
        regions: Sequence[Sequence[Region]],
        features: Tensor | None = None,
        pseudoknots: Sequence[list[Pseudoknot]] | None = None,
    ) -> tuple[list[Scores], list[int]]:
        """The score matrix (L, L) of each sequence, and its number of passes.

        `pseudoknots` are those of each sequence; they are computed if there are none given.
        """
        bases, is_base = to_tensors(sequences)
        bases, is_base = bases.to(self.device), is_base.to(self.device)
        flag = torch.full((len(bases),), self.flag, device=self.device)
        if features is None and self._needs_folding:
            with torch.inference_mode():
                features = self.engine.network.folding_features(bases, is_base)
        with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
            if self.stops_early:
                logits, n_passes = self.engine.converged_logits(
                    bases, is_base, self.cycles, flag, features
                )
                passes = n_passes.tolist()
            else:
                logits = self.engine.logits(bases, is_base, self.cycles, flag, features)
                passes = [self.cycles] * len(bases)
        scores = torch.sigmoid(logits.float())
        scores.diagonal(dim1=1, dim2=2).zero_()
        matrices = scores.cpu().numpy()
        sizes = [len(sequence) for sequence in sequences]
        trimmed = [
            _symmetrise(matrix[:size, :size]) for matrix, size in zip(matrices, sizes, strict=True)
        ]
        if pseudoknots is None:
            pseudoknots = self._find_pseudoknots(sequences, regions)
        trimmed = list(map(add_pseudoknots, trimmed, pseudoknots))
        if self.families is not None:
            trimmed = list(
                map(self.families.mixture.apply, trimmed, regions, _folding(features, sizes))
            )
        return trimmed, passes

    def _find_pseudoknots(
        self, sequences: Sequence[str], regions: Sequence[Sequence[Region]]
    ) -> list[list[Pseudoknot]]:
        """The pseudoknots of each sequence; none of sequences that probably belong to a family."""
        found: list[list[Pseudoknot]] = [[] for _ in sequences]
        folding = self.engine.network.folding
        if folding is None or not self.options.adds_pseudoknots:
            return found
        rows = [
            row
            for row, (sequence, of_row) in enumerate(zip(sequences, regions, strict=True))
            if MIN_PSEUDOKNOT_LENGTH <= len(sequence) <= MAX_PSEUDOKNOT_LENGTH
            and not self._is_recognised(of_row)
        ]
        if not rows:
            return found
        chosen = [sequences[row] for row in rows]
        bases, is_base = to_tensors(chosen)
        bases = bases.masked_fill(~is_base, NO_LETTER).to(self.device)
        with torch.inference_mode():
            candidates = folding.pseudoknot_candidates(bases, list(map(len, chosen)))
        for row, of_row in zip(rows, candidates, strict=True):
            found[row] = pseudoknot_probabilities(of_row)
        return found

    def _group_pseudoknots(
        self, records: list[RnaRecord], regions: list[list[Region]]
    ) -> list[list[Pseudoknot] | None]:
        """The pseudoknots of all records; None if memory is short: they are computed later."""
        later: list[list[Pseudoknot] | None] = [None] * len(records)
        if len(records) == 1:
            return later
        try:
            return [*self._find_pseudoknots([record.sequence for record in records], regions)]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return later

    def _is_recognised(self, regions: Sequence[Region]) -> bool:
        """Whether the sequence more likely than not belongs to a family."""
        matches = self._matches(regions)
        return bool(matches) and matches[0].recognised >= _RECOGNISED

    def _condition(
        self,
        record: RnaRecord,
        scores: Scores,
        features: Tensor | None = None,
        posterior: Tensor | None = None,
    ) -> Scores:
        """The scores (L, L) conditioned on the reactivities and constraints of a record, if any.

        Reactivities are soft constraints of the folding model. The change of its logits is added to
        those of the scores, so that the data count once. `features` are those of the folding model
        without the data, and `posterior` its probabilities with them, if known. At the end, forced
        pairs get the score 1 and excluded pairs the score 0.

        Raises:
            ConfigError: reactivities, and weights without a folding model.
        """
        folding = self.engine.network.folding
        if record.reactivities is not None and folding is None:
            raise ConfigError("these weights have no folding model, which reactivities need")
        constraints = _pair_constraints(record)
        if folding is not None and (record.reactivities is not None or constraints is not None):
            scores = self._shift_logits(folding, record, scores, features, posterior, constraints)
        if constraints is not None:
            scores = np.asarray(constraints.apply(scores))
        return scores

    def _shift_logits(
        self,
        folding: FoldingModel,
        record: RnaRecord,
        scores: Scores,
        features: Tensor | None,
        posterior: Tensor | None,
        constraints: PairConstraints | None,
    ) -> Scores:
        """The scores (L, L) with the change of the folding model's logits added; see _condition."""
        bases, size = to_tensors([record.sequence])[0].to(self.device), len(record)
        with torch.inference_mode():
            if posterior is None:
                unpaired = None
                if record.reactivities is not None:
                    unpaired = torch.from_numpy(_unpaired_scores(record))[None]
                if constraints is None:
                    posterior = folding(bases, unpaired)[0]
                else:
                    posterior, _ = constrained_probabilities(folding, bases, unpaired, constraints)
            known = folding(bases)[0] if features is None else features[:size, :size, 0]
        prior, posterior = known.cpu(), posterior.cpu()
        change = torch.logit(posterior, MIN_PROBABILITY) - torch.logit(prior, MIN_PROBABILITY)
        conditioned = torch.sigmoid(
            torch.logit(torch.from_numpy(scores), _EPSILON) + change
        ).numpy()
        np.fill_diagonal(conditioned, 0.0)
        return _symmetrise(conditioned)

    def _predict_batch(
        self,
        records: list[RnaRecord],
        regions: list[list[Region]],
        features: Tensor | None = None,
        posteriors: Sequence[Tensor | None] = (),
        pseudoknots: Sequence[list[Pseudoknot] | None] = (),
    ) -> list[Prediction | DeviceError]:
        start = time.perf_counter()
        if len(records) == 1 or self.options.max_memory is not None:
            errors = [self._memory_error(record) for record in records]
            if any(errors):  # a batch of one record may be larger than max_cells
                return self._predict_fitting(records, regions, errors)
        try:
            matrices, passes = self._record_scores(
                records, regions, features, posteriors, pseudoknots
            )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(records) > 1:  # single records may still fit
                singles = zip(records, regions, strict=True)
                return [
                    result
                    for record, record_regions in singles
                    for result in self._predict_batch([record], [record_regions])
                ]
            message = f"not enough memory for {len(records[0])} bases"
            return [DeviceError(message, record=records[0].id)]
        seconds = (time.perf_counter() - start) / sum(len(record) ** 2 for record in records)
        return [
            self._prediction_or_error(
                record, matrix, seconds * len(record) ** 2, cycles, self._matches(record_regions)
            )
            for record, matrix, cycles, record_regions in zip(
                records, matrices, passes, regions, strict=True
            )
        ]

    def _matches(self, regions: Sequence[Region]) -> tuple[FamilyMatch, ...]:
        return self.families.mixture.matches(regions) if self.families else ()

    def _record_scores(
        self,
        records: list[RnaRecord],
        regions: list[list[Region]],
        features: Tensor | None = None,
        posteriors: Sequence[Tensor | None] = (),
        pseudoknots: Sequence[list[Pseudoknot] | None] = (),
    ) -> tuple[list[Scores], list[int]]:
        """The score matrix (L, L) of each record of a batch, given its data, and its passes.

        Windows have no pseudoknots: whether there is one depends on the length of the sequence.
        """
        sequences = [record.sequence for record in records]
        if features is None and any(map(_is_conditioned, records)):
            features = self._folding_features(records)
        known = [of_row for of_row in pseudoknots if of_row is not None]
        if isinstance(records[0], WindowRecord):
            known = [[] for _ in records]
        all_known = known if len(known) == len(records) else None
        matrices, passes = self._score(sequences, regions, features, all_known)
        conditioned = [
            self._condition(
                record,
                matrix,
                None if features is None else features[row],
                posteriors[row] if posteriors else None,
            )
            for row, (record, matrix) in enumerate(zip(records, matrices, strict=True))
        ]
        return conditioned, passes

    def _predict_in_windows(self, record: RnaRecord) -> Prediction | DeviceError:
        """The prediction of a long record from the mean scores of its windows."""
        begin, window = time.perf_counter(), self.options.window
        assert window is not None
        starts = window_starts(len(record), window, self.options.step)
        ratios = None if record.reactivities is None else _unpaired_scores(record)
        collected = WindowMean(len(record), window)
        matches: list[FamilyMatch] = []
        cycles = 1
        try:
            windows = cut_windows(record, starts, window, ratios)
            too_large = self._memory_error(windows[0])
            if too_large is not None:
                return too_large
            for batch, regions, scores, passes in self._window_scores(windows):
                cycles = max(cycles, *passes)
                for part, of_part, matrix in zip(batch, regions, scores, strict=True):
                    collected.add(part.start, matrix)
                    matches += [
                        replace(one, start=one.start + part.start, stop=one.stop + part.start)
                        for one in self._matches(of_part)
                    ]
        except ConstraintError as error:
            return DeviceError(error.message, record=record.id)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            message = f"not enough memory for a window of {window} bases"
            return DeviceError(message, record=record.id)
        seconds = time.perf_counter() - begin
        return self._prediction_or_error(
            record, collected.mean(), seconds, cycles, merge_matches(matches)
        )

    def _window_scores(
        self, windows: list[WindowRecord]
    ) -> Iterator[tuple[list[WindowRecord], list[list[Region]], list[Scores], list[int]]]:
        """Yield batches of windows with their regions, scores and passes."""
        size = len(windows[0])
        n_folded = max(self._folding_cells // size**2, 1)
        n_batch = max(self.options.max_cells // size**2, 1)
        for first in range(0, len(windows), n_folded):
            group = windows[first : first + n_folded]
            features = self._folding_features(list(group))
            posteriors = self._posteriors(list(group))
            found = self._scan_families([record.sequence for record in group])
            for begin in range(0, len(group), n_batch):
                rows = slice(begin, begin + n_batch)
                part = None if features is None else features[rows]
                batch, regions = group[rows], found[rows]
                scores = self._record_scores(list(batch), regions, part, posteriors[rows])
                yield batch, regions, *scores

    def _predict_fitting(
        self,
        records: list[RnaRecord],
        regions: list[list[Region]],
        errors: list[DeviceError | None],
    ) -> list[Prediction | DeviceError]:
        """Predict the records without an error; the others keep their errors. The order is kept."""
        kept = [index for index, error in enumerate(errors) if error is None]
        batch = [records[index] for index in kept], [regions[index] for index in kept]
        results = iter(self._predict_batch(*batch) if kept else [])
        return [next(results) if error is None else error for error in errors]

    def _memory_error(self, record: RnaRecord) -> DeviceError | None:
        """The error for a record that would need more memory than allowed; None if it fits."""
        needed = estimate_memory(self.engine.config, len(record), self.engine.strip_bytes)
        if self.engine.config.folding and self.options.adds_pseudoknots:
            needed = max(needed, needed_memory(len(record)))
        limit = self.options.max_memory
        if limit is None and len(record) ** 2 > self.options.max_cells:
            limit = free_bytes(self.device)
        if limit is None or needed <= limit:
            return None
        sizes = f"needs about {format_size(needed)} of memory, but may use {format_size(limit)}"
        return DeviceError(f"{len(record)} bases: {sizes}", record=record.id)

    def _prediction_or_error(
        self,
        record: RnaRecord,
        matrix: PairScores,
        seconds: float,
        cycles: int,
        matches: tuple[FamilyMatch, ...],
    ) -> Prediction | DeviceError:
        """The prediction from the scores of a record, or the error that prevents it."""
        if not np.isfinite(matrix.band if isinstance(matrix, BandedScores) else matrix).all():
            return DeviceError(_NOT_FINITE, record=record.id)
        try:
            return self._to_prediction(record, matrix, seconds, cycles, matches)
        except StructureError as error:  # `nested`: too many pairs, or forced pairs that cross
            return DeviceError(error.message, record=record.id)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            message = f"not enough memory to decode {len(record)} bases"
            return DeviceError(message, record=record.id)

    def _to_prediction(
        self,
        record: RnaRecord,
        matrix: PairScores,
        seconds: float,
        cycles: int,
        matches: tuple[FamilyMatch, ...],
    ) -> Prediction:
        start = time.perf_counter()
        constraints = _pair_constraints(record, self.options.window)
        structure, threshold = self._decode(matrix, constraints)
        min_score = self.options.min_score
        lowest = threshold if min_score is None else min(min_score, threshold)
        pair_scores = candidate_pairs(matrix, lowest, min_loop=0)
        pair_scores |= {pair: float(matrix[pair]) for pair in structure.pairs}
        scores: Scores | None = None
        alternatives: tuple[Alternative, ...] = ()
        if not isinstance(matrix, BandedScores):
            scores = matrix.copy() if self.options.keep_scores else None
            alternatives = self._alternatives(record, structure, matrix, constraints)
        ensemble = self._ensemble(record, structure, constraints)
        return Prediction(
            record,
            structure,
            dict(sorted(pair_scores.items())),
            expected_f1(matrix, structure),
            threshold,
            seconds + time.perf_counter() - start,
            cycles,
            matches,
            scores,
            alternatives,
            unpaired_probabilities(matrix),
            () if constraints is None else constraints.unmet(structure.pairs),
            ensemble,
        )

    def _ensemble(
        self, record: RnaRecord, structure: Structure, constraints: PairConstraints | None
    ) -> Ensemble | None:
        """The scores of the structure in the folding model, if they are asked for."""
        folding = self.engine.network.folding
        if not self.options.ensemble or folding is None:
            return None
        bases = to_tensors([record.sequence])[0].to(self.device)
        unpaired = None
        if record.reactivities is not None:
            unpaired = torch.from_numpy(_unpaired_scores(record))[None]
        return place_in_ensemble(folding, record.sequence, bases, structure, unpaired, constraints)

    def _alternatives(
        self,
        record: RnaRecord,
        structure: Structure,
        matrix: Scores,
        constraints: PairConstraints | None,
    ) -> tuple[Alternative, ...]:
        """The structure and alternatives to it, if Options.alternatives is set."""
        limit, folding = self.options.alternatives, self.engine.network.folding
        if limit is None or folding is None:
            return ()
        bases = to_tensors([record.sequence])[0].to(self.device)
        sample = sample_structures(folding, bases, matrix, self.options.seed, constraints)
        if constraints is not None:
            sample = constraints.satisfying(sample, structure)
        return find_alternatives(structure, matrix, sample, limit)

    def _decode(
        self, matrix: PairScores, constraints: PairConstraints | None
    ) -> tuple[Structure, float]:
        """The structure and its threshold."""
        decoding = self.options.decoding
        if self.threshold_ratio:
            return decode_adaptively(matrix, self.threshold_ratio, decoding, constraints)
        return decode(matrix, self.threshold, decoding, constraints), self.threshold


def load(
    weights: str | Path = DEFAULT,
    options: Options | None = None,
    device: str = "auto",
    precision: Precision = "auto",
) -> Predictor:
    """A predictor from weights by name or folder.

    Raises:
        WeightsError: no such weights, or damaged ones.
        DeviceError: a device or precision that this machine does not have.
    """
    folder = find_weights(weights)
    network, checkpoint = load_network(folder)
    options = options or Options()
    families = load_families(folder, checkpoint) if options.uses_families else None
    chosen = choose_device(device)
    dtype = choose_dtype(precision, chosen)
    return Predictor(network, weights_label(checkpoint), options, chosen, dtype, families)


@overload
def predict(rnas: Rna, weights: str | Path = DEFAULT) -> Prediction: ...  # type: ignore[overload-overlap]  # a str is also an iterable of str


@overload
def predict(rnas: Rnas, weights: str | Path = DEFAULT) -> Iterator[Prediction]: ...


def predict(rnas: Rna | Rnas, weights: str | Path = DEFAULT) -> Prediction | Iterator[Prediction]:
    """The prediction of one RNA, or an iterator over those of several, in input order.

    RNAs are given as in `Predictor.predict`. Each call loads the weights; use `load` for several.

    Raises:
        SequenceError: a letter that is not a base.
        DeviceError: an RNA that does not fit into the memory.
    """
    predictor = load(weights)
    if isinstance(rnas, ONE_RNA):
        return predictor.predict(rnas)
    return _raise_errors(predictor.predict(rnas))


def _raise_errors(results: Iterable[Prediction | DeviceError]) -> Iterator[Prediction]:
    for result in results:
        if isinstance(result, DeviceError):
            raise result
        yield result


def _unpaired_scores(record: RnaRecord) -> NDArray[np.float64]:
    """The scores of unpaired bases (L,) in nats, from the reactivities of a record."""
    assert record.reactivities is not None
    if isinstance(record, WindowRecord) and record.unpaired_scores is not None:
        return record.unpaired_scores
    data = record.reactivities
    return log_likelihood_ratios(record.sequence, data.values, data.reagent)


def _folding(features: Tensor | None, sizes: Sequence[int]) -> list[Scores | None]:
    """The folding model's probabilities (L, L) of each record of a batch; None without features."""
    if features is None:
        return [None] * len(sizes)
    matrices = features[..., 0].cpu().numpy()
    return [matrix[:size, :size] for matrix, size in zip(matrices, sizes, strict=True)]


def _is_constrained(record: RnaRecord) -> bool:
    return record.constraints is not None and not record.constraints.is_empty


def _is_conditioned(record: RnaRecord) -> bool:
    """Whether a record has reactivities or constraints, which change its scores."""
    return record.reactivities is not None or _is_constrained(record)


def _pair_constraints(record: RnaRecord, window: int | None = None) -> PairConstraints | None:
    """The constraints of a record, banded if it is longer than a window; None without any."""
    if record.constraints is None or record.constraints.is_empty:
        return None
    if window is not None and len(record) > window:
        return BandedConstraints.of_band(record.sequence, record.constraints, window)
    return PairConstraints.of(record.sequence, record.constraints)


def _symmetrise(matrix: Scores) -> Scores:
    """An exactly symmetric copy: vector units may round the two triangles differently."""
    upper: Scores = np.triu(matrix, k=1)
    upper += upper.T
    return upper


def reorder(
    results: Iterable[tuple[int, Prediction | DeviceError]],
) -> Iterator[Prediction | DeviceError]:
    """Yield results in the order of their indices, each as soon as all before it are complete."""
    pending: dict[int, Prediction | DeviceError] = {}
    next_index = 0
    for index, result in results:
        pending[index] = result
        while next_index in pending:
            yield pending.pop(next_index)
            next_index += 1


def weights_label(checkpoint: Checkpoint) -> str:
    """The name of the weights and the first eight digits of their checksum."""
    return f"{checkpoint.name}@{checkpoint.sha256[:8]}"


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether PyTorch or NumPy failed to allocate memory, on a GPU or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return "allocate memory" in text or text == "could not create a primitive"  # of oneDNN
