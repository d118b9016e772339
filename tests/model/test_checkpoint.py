"""A checkpoint folder: written and read back whole, or refused by name."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from rnaformer_cli.errors import ConfigError, WeightsError
from rnaformer_cli.model.checkpoint import (
    check_tensors,
    load_network,
    read_checkpoint,
    save_checkpoint,
    verify_checkpoint,
)


@pytest.fixture
def folder(tmp_path, tiny_network):
    """The tiny network, saved."""
    state = tiny_network.state_dict()
    save_checkpoint(tmp_path, "tiny", tiny_network.config, state, {"hours": 1}, "# tiny\n")
    return tmp_path


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_tensors(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_a_saved_network_comes_back_the_same(folder, tiny_network):
    network, checkpoint = load_network(folder)
    assert (checkpoint.name, checkpoint.model) == ("tiny", tiny_network.config)
    assert checkpoint.about == {"hours": 1}
    for name, tensor in tiny_network.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)


def test_a_loaded_network_is_ready_to_predict(folder):
    network, _ = load_network(folder)
    assert not network.training
    assert (folder / "README.md").read_text() == "# tiny\n"


def test_a_whole_checkpoint_passes_verification(folder):
    assert verify_checkpoint(folder) == read_checkpoint(folder)


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
    assert str(caught.value) == f"{path}: not a whole safetensors file"


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
def test_a_config_that_is_no_checkpoints_is_refused(tmp_path, text):
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


def test_verification_finds_another_checksum(folder):
    change_config(folder, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"sha256 is [0-9a-f]{64}, config.json says 0{64}$"):
        verify_checkpoint(folder)


def test_verification_finds_values_that_are_not_finite(tmp_path, tiny_network):
    state = dict(tiny_network.state_dict())
    state["read_out.bias"] = torch.full((4,), float("nan"))
    save_checkpoint(tmp_path, "tiny", tiny_network.config, state, {}, "")
    with pytest.raises(WeightsError) as caught:
        verify_checkpoint(tmp_path)
    message = "tensor 'read_out.bias' has values that are not finite"
    assert str(caught.value) == f"{tmp_path / 'model.safetensors'}: {message}"


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
