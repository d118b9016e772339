"""Published checkpoints give the published logits; inconsistent ones are refused."""

import json
import resource
import shutil
import time
import zipfile

import numpy as np
import pytest
import torch
import yaml
from conftest import DATA

from rnaformer_cli.errors import ConfigError, InputError, WeightsError
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.weight_store.published import (
    published_config,
    read_published,
    read_state_dict,
    read_yaml,
)

PARITY = DATA / "parity"
SEQUENCES = json.loads((PARITY / "sequences.json").read_text())
CASES = [
    "bprna_like",
    "finetuned_like",
    "plain_norms",
    "no_cycling",
    "absolute_sinusoid",
    "linear_ff",
]
TOLERANCE = 1e-4


def read_case(name):
    config, tensors, notes = read_published(PARITY / f"{name}.pth", PARITY / f"{name}.yml")
    network = RNAformer(config).eval()
    network.load_state_dict(tensors, strict=True)
    return network, notes


def expected_logits(name):
    """Yield the sequence, the PDB flag (None: the network has none) and the logits."""
    with np.load(PARITY / f"{name}.npz") as stored:
        for key in stored:
            sequence, _, flag = key.partition("_flag")
            yield SEQUENCES[sequence], float(flag) if flag else None, stored[key]


def logits_of(network, sequences, flag):
    bases, is_base = to_tensors(sequences)
    flags = None if flag is None else torch.full((len(sequences),), flag)
    with torch.no_grad():
        return network.directed_logits(bases, is_base, flag=flags).numpy()


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_the_public_code(name):
    network, _ = read_case(name)
    for sequence, flag, expected in expected_logits(name):
        [found] = logits_of(network, [sequence], flag)
        assert np.abs(found - expected).max() < TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_logits_are_the_same_among_longer_sequences(name):
    network, _ = read_case(name)
    neighbours = [*SEQUENCES.values(), "ACGUN" * 13]
    for sequence, flag, expected in expected_logits(name):
        found = logits_of(network, [sequence, *neighbours], flag)[0]
        side = len(sequence)
        assert np.abs(found[:side, :side] - expected).max() < TOLERANCE


def test_a_network_with_a_pdb_flag_runs_with_the_flag_set():
    network, _ = read_case("plain_norms")
    for sequence, flag, expected in expected_logits("plain_norms"):
        [found] = logits_of(network, [sequence], None)
        assert (np.abs(found - expected).max() < TOLERANCE) == (flag == 1.0)


def test_weights_saved_before_merging_give_the_same_logits(tmp_path):
    """The weights of the parity file are merged; the test subtracts the updates first."""
    state = dict(read_state_dict(PARITY / "finetuned_like.pth"))
    raw = read_yaml(PARITY / "finetuned_like.yml")
    scale = raw["lora_alpha"] / raw["r"]
    for name in [name for name in state if name.endswith(".lora_A")]:
        stem = name.removesuffix(".lora_A")
        weight = f"{stem}.conv.weight" if f"{stem}.conv.weight" in state else f"{stem}.weight"
        down, up = state[name], state[f"{stem}.lora_B"]
        parts = 3 if stem.endswith("Wqkv") else 1
        thirds = zip(up.chunk(parts), down.chunk(parts), strict=True)
        update = torch.cat([b @ a for b, a in thirds]).reshape(state[weight].shape)
        state[weight] = state[weight] - update * scale
    torch.save(state, tmp_path / "unmerged.pth")

    config, tensors, notes = read_published(
        tmp_path / "unmerged.pth", PARITY / "finetuned_like.yml"
    )
    network = RNAformer(config).eval()
    network.load_state_dict(tensors, strict=True)
    assert notes == ["merged the LoRA layers into their weights"]
    for sequence, flag, expected in expected_logits("finetuned_like"):
        [found] = logits_of(network, [sequence], flag)
        assert np.abs(found - expected).max() < TOLERANCE


def test_weights_saved_after_merging_are_not_merged_again():
    _, notes = read_case("finetuned_like")
    assert notes == ["the LoRA layers were merged before saving; dropped them"]


def write_config(tmp_path, name, **changes):
    """A copy of a case with other settings; a value of None removes the setting."""
    raw = yaml.safe_load((PARITY / f"{name}.yml").read_text())
    section = raw["RNAformer"]
    for key, value in changes.items():
        section.pop(key, None)
        if value is not None:
            section[key] = value
    path = tmp_path / "changed.yml"
    path.write_text(yaml.safe_dump(raw))
    return path


def test_recycling_is_taken_from_the_weights_if_the_config_contradicts(tmp_path):
    config_path = write_config(tmp_path, "bprna_like", cycling=False)
    config, _, notes = read_published(PARITY / "bprna_like.pth", config_path)
    assert (config.recycling, config.cycles) == (True, 6)
    assert notes == [
        "the config says 'cycling: false', but the weights have a recycling norm; using 6 cycles"
    ]


def test_recycling_that_the_weights_lack_is_refused(tmp_path):
    config_path = write_config(tmp_path, "no_cycling", cycling=3)
    with pytest.raises(WeightsError) as caught:
        read_published(PARITY / "no_cycling.pth", config_path)
    message = "the config has 3 cycles, but no tensor of a recycling norm"
    assert str(caught.value) == f"{PARITY / 'no_cycling.pth'}: {message}"


def test_settings_that_old_configs_leave_out_have_the_public_defaults(tmp_path):
    config_path = write_config(tmp_path, "plain_norms", pdb_flag=None, binary_output=None)
    config, _, _ = read_published(PARITY / "plain_norms.pth", config_path)
    assert (config.label_flag, config.outputs) == (True, 1)


def test_numbers_written_as_text_are_read(tmp_path):
    config_path = write_config(tmp_path, "plain_norms", ln_eps="1e-05")
    config, _, _ = read_published(PARITY / "plain_norms.pth", config_path)
    assert config.norm_eps == 1e-05


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_glu": True, "ff_kernel": 0}, "use_glu is not supported"),
        ({"seq_vocab_size": 4}, "seq_vocab_size must be 5, not 4"),
        ({"model_dim": None}, "no setting 'model_dim' in section 'RNAformer'"),
        ({"pos_embedding": None}, "no setting 'pos_embedding' in section 'RNAformer'"),
        ({"num_head": 5}, "dim (16) must be divisible by heads (5)"),
        ({"ff_kernel": 5}, "ff_kernel must be one of 0, 1, 3, not 5"),
    ],
)
def test_unsupported_configs_are_refused(tmp_path, changes, message):
    config_path = write_config(tmp_path, "bprna_like", **changes)
    with pytest.raises(ConfigError) as caught:
        read_published(PARITY / "bprna_like.pth", config_path)
    assert str(caught.value) == f"{config_path}: {message}"


def test_a_config_without_its_section_is_refused():
    with pytest.raises(ConfigError, match=r"^no section 'RNAformer'$"):
        published_config({"model": {}})


def test_a_wrong_stored_constant_is_refused(tmp_path):
    state = dict(read_state_dict(PARITY / "finetuned_like.pth"))
    name = "RNAformer.layers.0.attn_pair_row.rotary_emb.freqs"
    state[name] = state[name] + 1
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(WeightsError) as caught:
        read_published(tmp_path / "odd.pth", PARITY / "finetuned_like.yml")
    ours = "blocks.0.row_attention.rotary_emb.freqs"
    message = f"'{ours}' differs from the constant given by the config"
    assert str(caught.value) == f"{tmp_path / 'odd.pth'}: {message}"


class Payload:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_with_code_in_it_is_refused_and_not_executed(tmp_path):
    torch.save({"weight": Payload(tmp_path / "executed")}, tmp_path / "evil.pth")
    with pytest.raises(InputError) as caught:
        read_state_dict(tmp_path / "evil.pth")
    assert caught.value.message == "not a PyTorch state dict of tensors"
    assert not (tmp_path / "executed").exists()


def test_tensors_that_repeat_one_number_a_trillion_times_are_refused(tmp_path):
    path = tmp_path / "state.pth"
    torch.save({"weight": torch.ones(1).expand(2**20, 2**20)}, path)
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    message = "is smaller than the 4,398,046,511,104 bytes of its tensors"
    assert str(caught.value) == f"{path}: {message}"


def test_a_compressed_state_dict_is_refused_unread(tmp_path):
    whole, bomb = tmp_path / "state.pth", tmp_path / "bomb.pth"
    torch.save({"weight": torch.zeros(1_000_000)}, whole)
    with (
        zipfile.ZipFile(whole) as stored,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in stored.infolist():
            packed.writestr(member.filename, stored.read(member))
    assert bomb.stat().st_size < 20_000  # and 4 MB unpacked
    with pytest.raises(InputError) as caught:
        read_state_dict(bomb)
    assert str(caught.value) == f"{bomb}: not a PyTorch state dict of tensors"


def test_tensors_that_hold_no_floating_point_numbers_are_refused(tmp_path):
    path = tmp_path / "state.pth"
    torch.save({"weight": torch.ones(3, dtype=torch.int64)}, path)
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    message = "tensor 'weight' is not a dense floating-point tensor"
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_state_dict_is_refused(tmp_path, content):
    path = tmp_path / "state.pth"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    assert str(caught.value) == f"{path}: not a PyTorch state dict of tensors"


def test_a_truncated_state_dict_is_refused(tmp_path):
    path = tmp_path / "state.pth"
    path.write_bytes((PARITY / "linear_ff.pth").read_bytes()[:30_000])
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    assert str(caught.value) == f"{path}: not a PyTorch state dict of tensors"


def test_an_archive_of_an_unknown_version_is_refused(tmp_path):
    path = tmp_path / "state.pth"
    torch.save({"weight": torch.zeros(2)}, path)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")  # the first member in the central directory
    data[entry + 6] = 99  # the version needed, in tenths
    path.write_bytes(data)
    with pytest.raises(NotImplementedError):
        zipfile.ZipFile(path)
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    assert str(caught.value) == f"{path}: not a PyTorch state dict of tensors"


def test_a_state_dict_of_other_objects_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "state.pth")
    with pytest.raises(InputError) as caught:
        read_state_dict(tmp_path / "state.pth")
    assert caught.value.message == "expected a state dict: tensors by name"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: -\n  - b", "not a plain YAML file"),
        ('a: "\\UFFFFFFFF"', "not a plain YAML file"),
        ("a: 1" + ":1" * 300 + ".0", "not a plain YAML file"),
        ("a: " + "b" * 100_000, "more than 100,000 bytes (the limit)"),
        ("a: [", "not a plain YAML file"),
        ("[" + "[], " * 499 + "]", "expected a YAML mapping"),
        ("a: " + "[" * 250 + "{" * 251, "more than 500 brackets in a config"),
        ("a: \0" + "[" * 501, "not a plain YAML file"),
        ("- a\n- b\n", "expected a YAML mapping"),
    ],
)
def test_yaml_that_is_no_plain_mapping_is_refused(tmp_path, text, message):
    path = tmp_path / "config.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("reader", [read_yaml, read_state_dict])
def test_a_missing_file_is_named(tmp_path, reader):
    with pytest.raises(InputError) as caught:
        reader(tmp_path / "absent")
    assert str(caught.value) == f"{tmp_path / 'absent'}: no such file or directory"


def test_reading_leaves_the_files_as_they_are(tmp_path):
    for suffix in (".pth", ".yml"):
        shutil.copy(PARITY / f"linear_ff{suffix}", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    read_published(tmp_path / "linear_ff.pth", tmp_path / "linear_ff.yml")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ff_factor", "wide", "ff_factor must be a number, not 'wide'"),
        ("ln_eps", [1], "ln_eps must be a number, not [1]"),
        ("resi_dropout", None, "resi_dropout must be a number, not None"),
        ("cycling", "many", "cycling must be a number of passes, not 'many'"),
    ],
)
def test_a_setting_that_is_no_number_is_refused(name, value, message):
    raw = read_yaml(PARITY / "bprna_like.yml")
    with pytest.raises(ConfigError) as caught:
        published_config({"RNAformer": {**raw["RNAformer"], name: value}})
    assert str(caught.value) == message


def test_tensors_without_names_are_refused(tmp_path):
    path = tmp_path / "numbered.pth"
    torch.save({1: torch.zeros(2)}, path)
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    assert str(caught.value) == f"{path}: expected a state dict: tensors by name"


MERGED = "".join(
    [
        "a0: &a0 {b: 1}\n",
        *(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 26)),
    ]
)


@pytest.mark.parametrize(
    ("text", "line"), [(MERGED, 3), ("a: &x [1]\nb: *x\n", 2), ("- &x 1\n- *x\n", 2)]
)
def test_aliases_are_refused_before_anything_is_built(tmp_path, text, line):
    """Twenty-five levels of merge keys, 900 bytes, took a minute and a gigabyte."""
    path = tmp_path / "config.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}:{line}: YAML aliases are not supported"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n!!python/object/apply:os.system ['true']: 2", "2: YAML tags are not supported"),
        ("a: !!bool x", "1: YAML tags are not supported"),
        ("a: !!int ''", "1: YAML tags are not supported"),
        ("a: !!timestamp x", "1: YAML tags are not supported"),
        ("\n" + "- " * 49_000, "2: nested more than 20 levels deep (the limit)"),
        ("? " * 49_000, "1: nested more than 20 levels deep (the limit)"),
        ("dim: 1\nb:\n  - {c: 1, d: 2, c: 3}\n", "3: duplicate key 'c'"),
        ("dim: 1\nb: 2\n'dim': 3\n", "3: duplicate key 'dim'"),
    ],
)
def test_yaml_features_of_no_config_are_refused_with_their_line(tmp_path, text, message):
    path = tmp_path / "config.yml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}:{message}"
    assert time.process_time() - began < 1


def test_lists_of_twenty_levels_are_read(tmp_path):
    (tmp_path / "config.yml").write_text("a: " + "[" * 19 + "]" * 19)
    assert list(read_yaml(tmp_path / "config.yml")) == ["a"]


def make_of(name, count):
    """A pickle of the call name(count)."""
    return b"\x80\x02c" + name + b"\nJ" + count.to_bytes(4, "little") + b"\x85R."


@pytest.mark.parametrize("kind", ["bare", "stored", "compressed"])
@pytest.mark.parametrize(
    "name",
    [b"__builtin__\nbytearray", b"builtins\nbytearray", b"torch\nFloatTensor", b"torch\nTensor"],
)
def test_a_small_pickle_of_large_objects_is_refused(tmp_path, name, kind):
    """weights_only allows it: 36 bytes would take five gigabytes."""
    path = tmp_path / "state.pth"
    content = make_of(name, 10**9)
    if kind == "bare":
        path.write_bytes(content)
    else:
        method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("x/data.pkl", content)
            archive.writestr("x/version", b"3\n")
            archive.writestr("x/byteorder", b"little")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    assert str(caught.value) == f"{path}: not a PyTorch state dict of tensors"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_state_dict_in_the_old_format_is_read(tmp_path):
    state = {"weight": torch.ones(2, 3), "bias": torch.nn.Parameter(torch.zeros(2))}
    torch.save(state, tmp_path / "state.pth", _use_new_zipfile_serialization=False)
    found = read_state_dict(tmp_path / "state.pth")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "weight": [[1.0] * 3] * 2,
        "bias": [0.0] * 2,
    }


def written(path, pickled, **members):
    """An archive as torch.save writes it, around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/version", b"3\n")
        archive.writestr("x/byteorder", b"little")
        for name, content in members.items():
            archive.writestr(f"x/data/{name}", content)


NAME = b"ccollections\nOrderedDict\nq\x00"
FULL = b"](" + b"".join(b"K%c}\x86" % number for number in range(200)) + b"eq\x01"  # [(0, {}), ...]
HALVES = b"K\x01" + b"q\x02h\x02\x86" * 40  # ((((1, 1), (1, 1)), ...
STORAGE = (  # ("storage", FloatStorage, key, "cpu", size)
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00%cX\x03\x00\x00\x00cpuJ%btQ"
)
LARGE = (10**9).to_bytes(4, "little")


@pytest.mark.parametrize(
    "content",
    [
        NAME + b"]" + b"(h\x00" + FULL + b"\x85R" + b"h\x00h\x01\x85R" * 3000 + b"e.",
        NAME + b"h\x00)R" * 90_000 + b".",
        b"}" * 300_000 + b".",
        b"}" + HALVES + b"K\x01s.",
        b"}(" + HALVES + b"K\x02u.",
        b"}" + STORAGE % (b"a", b"\x01\x00\x00\x00") + b".",
        b"}" + STORAGE % (b"0", LARGE) + b".",
        b"}" + STORAGE % (b"0", b"\xff" * 4) + b".",
        b"}}}b.",
        b"\x85.",
        b"s.",
        b"t.",
        b"h\x07.",
        b"}K\x01a.",
        b"\x8f.",
        b"K\x01K\x02R.",
        b"K\x01K\x02K\x03K\x04\x87Q.",
    ],
    ids=range(17),
)
@pytest.mark.parametrize("is_archive", [True, False])
def test_a_pickle_that_no_state_of_tensors_needs_is_refused_at_once(tmp_path, content, is_archive):
    """Repeated lists, recursive dictionaries, keys that are slow to hash, and others."""
    path = tmp_path / "state.pth"
    content = b"\x80\x02" + content
    if is_archive:
        written(path, content, a=b"\x00" * 4)
    else:
        path.write_bytes(content)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(InputError) as caught:
        read_state_dict(path)
    assert str(caught.value) == f"{path}: not a PyTorch state dict of tensors"
    assert time.process_time() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB


def test_a_device_is_no_state_dict():
    with pytest.raises(InputError) as caught:
        read_state_dict("/dev/zero")
    assert str(caught.value) == "/dev/zero: not a PyTorch state dict of tensors"
