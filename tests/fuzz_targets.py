"""One fuzz target for each reader: it reads a file of any bytes and checks the result.

A target passes if the reader refuses the bytes with a located error of one line, or returns
records that are unchanged when they are written and read again. Anything else is a failure.
Used by test_regression_inputs.py and benches/fuzz.py.
"""

import json
from collections.abc import Callable
from pathlib import Path

from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.constraints.formats import read_constraints
from rnaformer_cli.constraints.matching import ConstraintIndex
from rnaformer_cli.dataset.records import read_dataset, record_from_json, record_to_json
from rnaformer_cli.errors import RnaformerError, StructureError
from rnaformer_cli.files import read_lines
from rnaformer_cli.model.checkpoint import (
    read_checkpoint,
    read_tensors,
    save_checkpoint,
    tensor_shapes,
)
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.probing.columns import read_columns
from rnaformer_cli.probing.formats import READERS, read_reactivities
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.probing.table import read_table
from rnaformer_cli.sequence.fasta import read_fasta_file, scan_fasta
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.formats import (
    READ_FORMATS,
    WRITERS,
    parse_structures,
    read_prediction_files,
    read_structures,
)
from rnaformer_cli.training.network.config import TrainConfig, read_config
from rnaformer_cli.weight_store.published import published_config, read_state_dict, read_yaml

MAX_MATCHED = 10_000  # bases of the record that a profile is tried on
FuzzTarget = Callable[[Path], None]  # takes the path of a file in a folder of its own
SMALL_NETWORK = RNAformer(ModelConfig(dim=4, depth=1, heads=1, ff_factor=1.0))
EXPECTED_SHAPES = tensor_shapes(SMALL_NETWORK.state_dict())


def fuzz_fasta(path):
    for found in read_fasta_file(path):
        if isinstance(found, RnaformerError):
            check_message(found)
            continue
        [again] = scan_fasta([f">{found.id} {found.description}", found.sequence])
        assert (again.id, again.sequence) == (found.id, found.sequence)


def make_structures_target(source_format):
    def fuzz_structures(path):
        for record in read_structures(path, source_format):
            for kind, write in WRITERS.items():
                check_round_trip(record, kind, write)

    return fuzz_structures


def check_round_trip(record, kind, write):
    try:
        text = write(record)
    except StructureError:
        return  # brackets or a table of partners cannot hold it
    text.encode()
    [again] = parse_structures(text.splitlines(), kind, record.id)
    assert (again.id, again.sequence, again.structure) == (
        record.id,
        record.sequence,
        record.structure,
    ), kind


def fuzz_predictions(path):
    for one in read_prediction_files(path):
        assert set(one.pair_scores) == set(one.structure_record.structure.pairs)


def fuzz_dataset(path):
    for record in read_dataset(path):
        line = record_to_json(record)
        line.encode()
        assert record_from_json(line) == record


def make_probing_target(name):
    def fuzz_reactivities(path):
        read = READERS[name] if name else None
        for found in read(read_lines(path)) if read else read_reactivities(path):
            if isinstance(found, RnaformerError):
                check_message(found)
            else:
                check_profile(found)

    return fuzz_reactivities


def check_profile(profile):
    """Check that a profile is unchanged when it is written and read, and that it fits a record."""
    letters = profile.letters or "N" * len(profile.positions)
    rows = list(zip(profile.positions, map(repr, profile.values), letters, strict=True))
    [columns] = read_columns([f"{position} {value} {base}" for position, value, base in rows])
    body = [f"{profile.id or 'x'}\t{position}\t{value}" for position, value, _ in rows]
    [table] = read_table(["id\tposition\tvalue", *body])
    for again in (columns, table):
        assert again.positions == profile.positions
        assert repr(again.values) == repr(profile.values)  # NaN is not itself
    assert table.id == (profile.id or "x")
    size = profile.n_bases or max(profile.positions)
    if size <= MAX_MATCHED and profile.reagent is None:
        index = ProfileIndex()
        index.add(profile)
        record = index.attach(RnaRecord("x", profile.sequence or "N" * size), is_only=True)
        if record.reactivities is not None:  # another id
            assert len(record.reactivities) == size


def fuzz_constraints(path):
    for found in read_constraints(path):
        if isinstance(found, RnaformerError):
            check_message(found)
            continue
        try:
            constraints = found.resolve(found.sequence or "GU" * 20)
        except RnaformerError as error:
            check_message(error)
            continue
        index = ConstraintIndex()
        index.add(found)
        record = RnaRecord(found.id or "input", found.sequence or "GU" * 20)
        assert index.attach(record, is_only=True).constraints == constraints


def fuzz_training(path):
    config = read_config(path)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def fuzz_config(path):
    path.rename(path.with_name("config.json"))
    checkpoint = read_checkpoint(path.parent)
    assert ModelConfig.from_dict(checkpoint.model.to_dict()) == checkpoint.model


def fuzz_weights(path):
    tensors = read_tensors(path, EXPECTED_SHAPES)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == EXPECTED_SHAPES
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def fuzz_published_weights(path):
    read_state_dict(path)


def fuzz_published_config(path):
    published_config(read_yaml(path))


FUZZ_TARGETS: dict[str, FuzzTarget] = {
    "fasta": fuzz_fasta,
    **{name: make_structures_target(name) for name in READ_FORMATS},
    "any": make_structures_target(None),
    "predictions": fuzz_predictions,
    "dataset": fuzz_dataset,
    **{f"probing-{name}": make_probing_target(name) for name in READERS},
    "probing": make_probing_target(None),
    "constraints": fuzz_constraints,
    "training": fuzz_training,
    "config": fuzz_config,
    "weights": fuzz_weights,
    "pth": fuzz_published_weights,
    "yml": fuzz_published_config,
}


def check_message(error):
    """Check that an error is one line with a message and a location."""
    assert error.message
    assert str(error.location) or str(error)
    assert "\n" not in escape_controls(str(error))


def run_target(name, folder, data):
    """Give the bytes to a reader, in an empty folder, and return whether it accepted them."""
    path = folder / "input"
    path.write_bytes(data)
    try:
        FUZZ_TARGETS[name](path)
    except RnaformerError as error:
        check_message(error)
        return False
    finally:
        for file in folder.iterdir():
            file.unlink()
    return True


def seed_weights(folder):
    """The bytes of a tensor file that the target `weights` accepts."""
    save_checkpoint(folder, "x", SMALL_NETWORK.config, SMALL_NETWORK.state_dict(), {}, "")
    return (folder / "model.safetensors").read_bytes()
