"""Checkpoints: round trip through a folder, and refusal of damaged files."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from factories.families import make_library, make_profile
from safetensors.torch import load_file, save_file

from rnaformer_cli.errors import ConfigError, WeightsError
from rnaformer_cli.families.mixture import FamilyMixture
from rnaformer_cli.model.checkpoint import (
    check_tensors,
    config_digest,
    load_families,
    load_network,
    read_checkpoint,
    save_checkpoint,
    to_half_precision,
)
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer


@pytest.fixture
def folder(tmp_path, tiny_network):
    """The tiny network, saved."""
    state = tiny_network.state_dict()
    save_checkpoint(tmp_path, "tiny", tiny_network.config, state, {"hours": 1}, "# tiny\n")
    return tmp_path


def change_config(folder, **changes):
    path = folder / "config.json"
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({**values, "config_sha256": config_digest(values)}))


def change_tensors(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    data = (folder / "model.safetensors").read_bytes()
    change_config(folder, sha256=hashlib.sha256(data).hexdigest())


def test_a_saved_network_is_read_back(folder, tiny_network):
    network, checkpoint = load_network(folder)
    assert (checkpoint.name, checkpoint.model) == ("tiny", tiny_network.config)
    assert checkpoint.about == {"hours": 1}
    for name, tensor in tiny_network.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)


def share_library(folder, **changes):
    """Two checkpoints, of which the second uses the library of the first."""
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1))
    library = make_library(make_profile(["ACGUACGU"] * 2, "RF1", ((0, 7),)))
    for name in ("first", "second"):
        (folder / name).mkdir()
        families = (library, FamilyMixture())
        save_checkpoint(folder / name, name, network.config, network.state_dict(), {}, "", families)
    (folder / "second" / "families.safetensors").unlink()
    values = json.loads((folder / "second" / "config.json").read_text())
    change_config(folder / "second", families=values["families"] | {"of": "first"} | changes)
    return folder / "second"


def test_weights_can_share_the_library_of_others(tmp_path, monkeypatch):
    folder = share_library(tmp_path)
    _, checkpoint = load_network(folder)
    found = load_families(folder, checkpoint)
    [profile] = found.search.library.profiles
    assert (profile.name, found.mixture) == ("RF1", FamilyMixture())
    monkeypatch.chdir(folder)
    assert load_families(".", checkpoint).checksum == found.checksum


def test_a_shared_library_has_the_checksum_of_the_config(tmp_path):
    folder = share_library(tmp_path, sha256="0" * 64)
    with pytest.raises(WeightsError) as caught:
        load_families(folder, read_checkpoint(folder))
    path = tmp_path / "first" / "families.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(caught.value) == f"{path}: sha256 is {digest}, config.json says {'0' * 64}"


def test_a_missing_shared_library_is_reported(tmp_path):
    folder = share_library(tmp_path, of="third")
    with pytest.raises(WeightsError) as caught:
        load_families(folder, read_checkpoint(folder))
    message = "its family profiles are those of 'third', which is no folder beside it"
    assert str(caught.value) == f"{folder}: {message}"
    (tmp_path / "third").mkdir()
    with pytest.raises(WeightsError) as caught:
        load_families(folder, read_checkpoint(folder))
    assert str(caught.value) == f"{tmp_path / 'third'}: no families.safetensors in this folder"


@pytest.mark.parametrize("name", ["../first", "/etc", "a/b", "..", ""])
def test_a_shared_library_is_in_a_folder_beside(tmp_path, name):
    folder = share_library(tmp_path, of=name)
    with pytest.raises(ConfigError) as caught:
        read_checkpoint(folder)
    assert caught.value.message == f"of in families must be a name, not {name!r}"


def test_half_precision_rounds_the_network_and_keeps_the_folding_model(tmp_path):
    torch.manual_seed(0)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, folding=True))
    network.folding.stack.normal_()
    state = network.state_dict()
    save_checkpoint(tmp_path, "half", network.config, to_half_precision(state), {}, "")
    stored = load_file(tmp_path / "model.safetensors")
    loaded = load_network(tmp_path)[0].state_dict()
    assert torch.equal(loaded["folding.stack"], network.folding.stack)
    weight = "blocks.0.row_attention.qkv.weight"
    assert (stored[weight].dtype, loaded[weight].dtype) == (torch.float16, torch.float32)
    assert torch.equal(loaded[weight], state[weight].half().float())
    assert not torch.equal(loaded[weight], state[weight])


def test_half_precision_refuses_values_beyond_its_range():
    with pytest.raises(WeightsError) as caught:
        to_half_precision({"read_out.bias": torch.tensor([1e5])})
    message = "tensor 'read_out.bias' has values beyond the range of float16"
    assert caught.value.message == message


def test_a_loaded_network_is_ready_to_predict(folder):
    network, _ = load_network(folder)
    assert not network.training
    assert (folder / "README.md").read_text() == "# tiny\n"


def test_load_network_returns_the_checkpoint(folder):
    assert load_network(folder)[1] == read_checkpoint(folder)


def test_a_config_that_was_changed_is_refused(folder):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    values["model"]["threshold"] = 0.9
    path.write_text(json.dumps(values))
    assert read_checkpoint(folder).config == "changed"
    with pytest.raises(WeightsError) as caught:
        load_network(folder)
    message = "was changed after it was written: its config_sha256 is another"
    assert str(caught.value) == f"{path}: {message}"


def test_a_config_without_a_checksum_of_its_own_is_read(folder):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    del values["config_sha256"]
    path.write_text(json.dumps(values))
    assert load_network(folder)[1].config == "uncovered"


def test_the_checksum_of_a_config_is_that_of_its_values(folder):
    """White space and the order of keys do not count."""
    path = folder / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(values.items())), indent=7))
    assert load_network(folder)[1].config == "covered"


def test_half_precision_tensors_are_read_as_fp32(folder):
    def halve(tensors):
        tensors.update({name: tensor.half() for name, tensor in tensors.items()})

    change_tensors(folder, halve)
    network, _ = load_network(folder)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("read_out.bias"), "missing tensors: 'read_out.bias'"),
        (
            lambda t: [t.pop(name) for name in list(t) if name.startswith("embedding.")],
            "missing tensors: 'embedding.row.letter.weight', 'embedding.column.letter.weight', "
            "'embedding.offset.weight' and 2 more",
        ),
        (lambda t: t.update(extra=torch.ones(1)), "unknown tensors: 'extra'"),
        (
            lambda t: t.update({"read_out.bias": torch.ones(3)}),
            "tensor 'read_out.bias' has shape (3,), expected (4,)",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(folder, change, message):
    change_tensors(folder, change)
    with pytest.raises(WeightsError) as caught:
        load_network(folder)
    assert str(caught.value).startswith(f"{folder / 'model.safetensors'}: {message}")


def test_many_missing_tensors_are_counted():
    with pytest.raises(WeightsError, match=r"^missing tensors: 'a', 'b', 'c' and 2 more$"):
        check_tensors(dict.fromkeys("abcde", (1,)), {})


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_damaged_tensor_file_is_refused(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        load_network(folder)
    path = folder / "model.safetensors"
    assert str(caught.value) == f"{path}: a damaged or incomplete safetensors file"


def test_a_missing_tensor_file_is_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError) as caught:
        load_network(folder)
    assert str(caught.value) == f"{folder}: no model.safetensors in this folder"


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(tmp_path)
    assert str(caught.value) == f"{tmp_path}: no config.json in this folder"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '"text"', "\udcff"])
def test_json_that_is_not_a_checkpoint_config_is_refused(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(tmp_path)
    expected = "expected a JSON object with format, name, model and sha256"
    assert str(caught.value) == f"{path}: {expected}"


def test_a_newer_format_is_refused(folder):
    change_config(folder, format=2)
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(folder)
    assert str(caught.value) == f"{folder / 'config.json'}: format must be 1, not 2"


def test_an_unknown_setting_is_refused_with_its_file(folder):
    change_config(folder, model={"wide": True})
    with pytest.raises(ConfigError) as caught:
        read_checkpoint(folder)
    assert str(caught.value).startswith(f"{folder / 'config.json'}: unknown setting 'wide'")


def test_tensors_with_another_checksum_are_not_loaded(folder):
    change_config(folder, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"sha256 is [0-9a-f]{64}, config.json says 0{64}$"):
        load_network(folder)


def test_tensors_of_another_network_are_not_saved(tmp_path, tiny_network):
    with pytest.raises(WeightsError, match=r"^missing tensors: "):
        save_checkpoint(tmp_path, "tiny", tiny_network.config, {}, {}, "")
    assert list(tmp_path.iterdir()) == []


def test_loading_does_not_wait_for_pytorchs_compiler(folder):
    code = (
        "import sys; from rnaformer_cli.model.checkpoint import load_network; "
        "load_network(sys.argv[1]); print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True False\n", "")


# Weights that contradict their config


def write_config(folder, text):
    (folder / "config.json").write_text(text)


def model_text(text):
    return f'{{"format": 1, "name": "x", "sha256": "", "model": {text}}}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (model_text('{"dim": 1000000000}'), "dim must be at most 16384, not 1000000000"),
        (model_text('{"depth": 1000000000}'), "depth must be at most 1000, not 1000000000"),
        (model_text('{"ff_factor": 1e6}'), "ff_factor must be at most 64, not 1000000.0"),
        (model_text('{"ff_factor": NaN}'), "ff_factor must be above -2^63 and below 2^63, not nan"),
        (model_text('{"dim": 1e999}'), "dim must be int, not inf"),
        (model_text('{"dim": [[[[1]]]]}'), "dim must be int, not [[[...]]]"),
        (
            model_text('{}, "extra": 1'),
            "unknown key 'extra'; known: about, config_sha256, families, format, model, name, "
            "sha256",
        ),
    ],
)
def test_invalid_values_of_a_config_are_refused_by_name(folder, text, message):
    write_config(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_network(folder)
    assert str(caught.value).startswith(f"{folder / 'config.json'}: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        model_text("[]"),
        model_text('{}, "about": []'),
        '{"format": 1, "name": [], "sha256": "", "model": {}}',
        '{"format": 1, "name": "x", "sha256": 5, "model": {}}',
    ],
)
def test_json_with_other_types_is_refused(folder, text):
    write_config(folder, text)
    with pytest.raises(WeightsError, match="expected a JSON object with format, name, model and"):
        load_network(folder)


def test_a_config_of_a_gigabyte_is_refused_before_it_is_read(folder):
    with (folder / "config.json").open("r+b") as file:
        file.truncate(1_000_000_000)  # a sparse file: it uses no disk space
    message = f"{folder / 'config.json'}: more than 10,000,000 bytes (the limit)"
    assert load_with_little_memory(folder) == [message]


def load_with_little_memory(*folders):
    """The errors of load_network in a process limited to 300 MB above PyTorch itself."""
    code = (
        "import resource, sys\n"
        "from rnaformer_cli.errors import RnaformerError\n"
        "from rnaformer_cli.model.checkpoint import load_network\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * resource.getpagesize() + 300_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "for folder in sys.argv[1:]:\n"
        "    try:\n        load_network(folder)\n"
        "    except RnaformerError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def tensor_file(header, size=0, length=None):
    text = json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(size)


TERABYTES = {"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}


LYING_FILES = [
    tensor_file(TERABYTES),
    tensor_file({}, length=2**63),
    tensor_file({}, length=2**40),
    tensor_file({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, size=4),
    tensor_file({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, size=4),
    b"\x80\x04cos\nsystem\n(S'true'\ntR.",
]


def test_huge_declared_sizes_are_refused_without_allocating(folder, tmp_path):
    copies = []
    for number, content in enumerate(LYING_FILES):
        copies.append(tmp_path / f"copy-{number}")
        copies[-1].mkdir()
        shutil.copy(folder / "config.json", copies[-1])
        (copies[-1] / "model.safetensors").write_bytes(content)
    wide = json.dumps({"dim": 16_384, "depth": 20, "heads": 1, "ff_factor": 64})  # 200 TB
    write_config(folder, model_text(wide))
    *lying_files, lying_config = load_with_little_memory(*copies, folder)
    assert lying_files == [
        f"{copy / 'model.safetensors'}: a damaged or incomplete safetensors file" for copy in copies
    ]
    assert lying_config.startswith(f"{folder / 'model.safetensors'}: missing tensors: ")


class Payload:
    """Would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_under_the_name_of_a_tensor_file_is_not_executed(folder):
    torch.save({"read_out.bias": Payload(folder / "executed")}, folder / "model.safetensors")
    with pytest.raises(
        WeightsError, match=r"model\.safetensors: a damaged or incomplete safetensors file$"
    ):
        load_network(folder)
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_tensors_that_are_not_finite_are_not_loaded(folder, value):
    change_tensors(folder, lambda tensors: tensors["read_out.bias"].fill_(value))
    with pytest.raises(WeightsError) as caught:
        load_network(folder)
    message = "tensor 'read_out.bias' has values that are not finite"
    assert str(caught.value) == f"{folder / 'model.safetensors'}: {message}"


def test_tensors_of_another_type_are_not_loaded(folder):
    change_tensors(folder, lambda tensors: tensors.update({"read_out.bias": torch.ones(4).int()}))
    with pytest.raises(WeightsError) as caught:
        load_network(folder)
    message = "tensor 'read_out.bias' holds torch.int32, expected floating point"
    assert str(caught.value) == f"{folder / 'model.safetensors'}: {message}"


def make_folder_of(path):
    path.mkdir()


def link_to_device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [make_folder_of, os.mkfifo, link_to_device])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_pipes_and_devices_are_refused_without_waiting(folder, make, name):
    (folder / name).unlink()
    make(folder / name)
    with pytest.raises(WeightsError) as caught:
        load_network(folder)
    assert str(caught.value) == f"{folder}: no {name} in this folder"


def test_the_keys_of_earlier_weights_are_read(folder):
    values = json.loads((folder / "config.json").read_text())
    model = values["model"]
    model["threshold_share"] = 0.48
    del model["threshold_ratio"]
    model["folding_weight"] = model.pop("folding_logit_weight")
    old = {"trust": 0.2, "needed": 20, "network": 0.4, "families": 0.8, "together": -0.1}
    old |= {"shift": 2.0, "most": 0.9, "length": 5.6, "sha256": "0"}
    change_config(folder, model=model, families=old)
    checkpoint = read_checkpoint(folder)
    assert checkpoint.model.threshold_ratio == 0.48
    assert checkpoint.families is not None
    assert checkpoint.families.mixture == FamilyMixture(0.2, 20, 0.4, 0.8, -0.1, 2.0, 0.9, 5.6)
