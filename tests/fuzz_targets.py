"""One trial of each reader: bytes that anybody may give it, and what may come of them.

A trial passes if the reader refuses the bytes with a located error of one line, or gives
records that come back the same after they were written. It fails with anything else.
Used by the tests of found cases and by benches/fuzz.py.
"""

import json
from collections.abc import Callable
from pathlib import Path

from rnaformer_cli.cli.formats.text import escape_controls
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
FuzzTarget = Callable[[Path], None]  # of a file, in a folder of its own
SMALL = RNAformer(ModelConfig(dim=4, depth=1, heads=1, ff_factor=1.0))
EXPECTED = tensor_shapes(SMALL.state_dict())


def fuzz_fasta(path):
    for found in read_fasta_file(path):
        if isinstance(found, RnaformerError):
            check_message(found)
            continue
        [again] = scan_fasta([f">{found.id} {found.description}", found.sequence])
        assert (again.id, again.sequence) == (found.id, found.sequence)


def structures_target(source_format):
    def try_structures(path):
        for record in read_structures(path, source_format):
            for kind, write in WRITERS.items():
                check_round_trip(record, kind, write)

    return try_structures


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


def try_predictions(path):
    for one in read_prediction_files(path):
        assert set(one.pair_scores) == set(one.structure_record.structure.pairs)


def try_dataset(path):
    for record in read_dataset(path):
        line = record_to_json(record)
        line.encode()
        assert record_from_json(line) == record


def probing_target(name):
    def try_reactivities(path):
        read = READERS[name] if name else None
        for found in read(read_lines(path)) if read else read_reactivities(path):
            if isinstance(found, RnaformerError):
                check_message(found)
            else:
                check_profile(found)

    return try_reactivities


def check_profile(profile):
    """Written as columns and as a table it is the same, and a record takes its values."""
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


def try_training(path):
    config = read_config(path)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def try_config(path):
    path.rename(path.with_name("config.json"))
    checkpoint = read_checkpoint(path.parent)
    assert ModelConfig.from_dict(checkpoint.model.to_dict()) == checkpoint.model


def try_weights(path):
    tensors = read_tensors(path, EXPECTED)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == EXPECTED
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def try_published_weights(path):
    read_state_dict(path)


def try_published_config(path):
    published_config(read_yaml(path))


FUZZ_TARGETS: dict[str, FuzzTarget] = {
    "fasta": fuzz_fasta,
    **{name: structures_target(name) for name in READ_FORMATS},
    "any": structures_target(None),
    "predictions": try_predictions,
    "dataset": try_dataset,
    **{f"probing-{name}": probing_target(name) for name in READERS},
    "probing": probing_target(None),
    "training": try_training,
    "config": try_config,
    "weights": try_weights,
    "pth": try_published_weights,
    "yml": try_published_config,
}


def check_message(error):
    """One line that says where and what."""
    assert error.message
    assert str(error.location) or str(error)
    assert "\n" not in escape_controls(str(error))


def attempt(name, folder, data):
    """Give the bytes to a reader, in an empty folder; whether it took them."""
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
    """The bytes of a tensor file that fits the trial."""
    save_checkpoint(folder, "x", SMALL.config, SMALL.state_dict(), {}, "")
    return (folder / "model.safetensors").read_bytes()
