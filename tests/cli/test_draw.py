"""`rnaformer draw` and `predict --draw`: pictures from files, and what is refused."""

import io
import json
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from factories.predictions import make_prediction_line

BOTH = ">a\nGGGGAAAACCCC\n((((....))))\n>b/c\nGGGAAAACCC\n(((....)))\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "both.dbn").write_text(BOTH)
    (tmp_path / "one.dbn").write_text("".join(BOTH.splitlines(keepends=True)[:3]))
    scores = {"a": np.zeros((12, 12), np.float32), "b_c": np.zeros((10, 10), np.float32)}
    np.savez(tmp_path / "scores.npz", **scores)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "magic"), [("x.svg", b"<?xml"), ("x.png", b"\x89PNG"), ("x.pdf", b"%PDF")]
)
def test_one_structure_is_one_picture(run_cli, files, name, magic):
    done = run_cli("draw", "one.dbn", "-o", name)
    assert (done.out, done.err, done.code) == ("", "", 0)
    assert (files / name).read_bytes().startswith(magic)


@pytest.mark.parametrize(("options", "name"), [([], "x.svg"), (["-f", "png"], "x.png")])
def test_a_picture_goes_to_standard_output(files, options, name):
    program = [sys.executable, "-m", "rnaformer_cli", "draw", "one.dbn", "-o"]
    subprocess.run([*program, name], check=True)
    done = subprocess.run([*program, "-", *options], check=True, capture_output=True)
    assert (done.stdout, done.stderr) == ((files / name).read_bytes(), b"")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--ref", "both.dbn"],
        ["--colour", "none", "--no-letters", "--title", "x", "--number-every", 5, "--dpi", 50],
        ["--colour", "probability", "--scores", "scores.npz"],
        ["--as", "arcs"],
        ["--as", "arcs", "--ref", "both.dbn"],
        ["--as", "dots", "--scores", "scores.npz"],
        ["--as", "dots", "--scores", "scores.npz", "--ref", "both.dbn"],
    ],
)
def test_several_structures_go_into_a_folder(run_cli, files, options):
    done = run_cli("draw", "both.dbn", "--out-dir", "pictures", "-f", "png", *options)
    assert (done.err, done.code) == ("", 0)
    names = sorted(path.name for path in (files / "pictures").iterdir())
    assert names == ["a.png", "b_c.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["both.dbn", "-o", "x.svg"],
            "both.dbn: holds 2 structures, but a picture shows one; use --out-dir",
        ),
        (
            ["one.dbn", "-o", "x.gif"],
            "x.gif: expected a name that ends in .svg, .png, .pdf or .json",
        ),
        (["none.dbn", "-o", "x.svg"], "none.dbn: no such file or directory"),
        (
            ["both.dbn", "--as", "arcs", "--ref", "one.dbn", "--out-dir", "p"],
            "record 'b/c': no reference with this id",
        ),
        (
            ["both.dbn", "--as", "dots", "--scores", "one.npz", "--out-dir", "p"],
            "record 'b/c': no scores with this id",
        ),
        (
            ["one.dbn", "--as", "dots", "--scores", "short.npz", "-o", "x.svg"],
            "record 'a': 12 bases, but a score matrix of 9",
        ),
        (
            ["one.dbn", "--as", "dots", "--scores", "one.dbn", "-o", "x.svg"],
            "one.dbn: not a NumPy archive of score matrices",
        ),
        (
            ["one.dbn", "--as", "dots", "--scores", "none.npz", "-o", "x.svg"],
            "none.npz: no such file or directory",
        ),
    ],
)
def test_what_cannot_be_drawn_is_one_line(run_cli, files, options, message):
    np.savez(files / "one.npz", a=np.zeros((12, 12), np.float32))
    np.savez(files / "short.npz", a=np.zeros((9, 9), np.float32))
    done = run_cli("draw", *options)
    assert (done.out, done.err, done.code) == ("", f"rnaformer: {message}\n", 1)
    assert not (files / "x.svg").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --output (a file) or --out-dir (a folder)"),
        (["-o", "x.svg", "--out-dir", "p"], "give --output (a file) or --out-dir (a folder)"),
        (["-o", "x.svg", "--as", "dots"], "--as dots needs --scores"),
        (
            ["-o", "x.svg", "--scores", "scores.npz"],
            "--scores needs --as dots or --colour probability",
        ),
        (
            ["-o", "x.svg", "--as", "dots", "--scores", "scores.npz", "--colour", "none"],
            "--as dots and --colour cannot be combined",
        ),
        (
            ["-o", "x.svg", "--from", "dbn", "--colour", "probability"],
            "--from dbn has no base-pair probabilities; "
            "give --scores or a file of predict -f jsonl",
        ),
        (["-o", "x.json", "--as", "arcs"], "RNA 2D JSON needs --as plane"),
        (["--out-dir", "p", "-f", "rna2d", "--as", "arcs"], "RNA 2D JSON needs --as plane"),
        (["-o", "x.json", "--ref", "one.dbn"], "RNA 2D JSON and --ref cannot be combined"),
        (["-o", "x.json", "--no-letters"], "RNA 2D JSON and --no-letters cannot be combined"),
        (
            ["-o", "x.json", "--reactivities", "a.shape"],
            "RNA 2D JSON and --reactivities cannot be combined",
        ),
        (
            ["-o", "x.svg", "--reactivities", "a.shape", "--colour", "base"],
            "--reactivities and --colour cannot be combined",
        ),
    ],
)
def test_wrong_usage_has_exit_code_2(run_cli, files, options, message):
    done = run_cli("draw", "one.dbn", *options)
    assert done.err.splitlines()[-1] == f"Error: {message}"
    assert done.code == 2


@pytest.mark.parametrize(
    ("package", "what"),
    [("RNA", "layouts need ViennaRNA"), ("matplotlib.figure", "pictures need matplotlib")],
)
def test_a_missing_package_is_named_before_any_work(
    run_cli, run_predict, files, monkeypatch, package, what
):
    monkeypatch.setitem(sys.modules, package, None)
    expected = f"rnaformer: {what}: pip install '.[draw]' in a checkout\n"
    assert run_cli("draw", "one.dbn", "-o", "x.svg").err == expected
    done = run_predict("-", "--draw", "pictures", stdin=">a\nGGGGAAAACCCC\n")
    assert (done.out, done.err, done.code) == ("", expected, 1)


def test_predictions_are_drawn(run_predict, files):
    done = run_predict("-", "--draw", "pictures", stdin=">a\nGGGGAAAACCCC\n>b\nACGU\n")
    assert (done.out.count(">"), done.err, done.code) == (2, "", 0)
    names = sorted(path.name for path in (files / "pictures").iterdir())
    assert names == ["a.svg", "b.svg"]


@pytest.mark.parametrize("image", ["png", "pdf"])
def test_predictions_are_drawn_in_every_format(run_predict, files, image):
    run_predict("-", "--draw", "p", "--draw-format", image, stdin=">a\nGGGGAAAACCCC\n")
    assert (files / f"p/a.{image}").read_bytes()[1:4].upper() == image.upper().encode()


def test_predictions_are_coloured_by_their_probabilities(run_cli, files):
    Path("x.jsonl").write_text(make_prediction_line("x", score=0.5))
    done = run_cli("draw", "x.jsonl", "--colour", "probability", "-o", "x.svg")
    assert (done.out, done.err, done.code) == ("", "", 0)
    text = Path("x.svg").read_text()
    assert "probability</text>" in text
    assert text.count("fill: #21918c; stroke: #333333") == 4  # the middle of viridis; two pairs


def test_structures_without_probabilities_are_not_coloured_by_them(run_cli, files):
    done = run_cli("draw", "one.dbn", "--colour", "probability", "-o", "x.svg")
    expected = "one.dbn:1: expected a prediction as `rnaformer predict -f jsonl` writes it"
    assert (done.err, done.code) == (f"rnaformer: {expected}\n", 1)


def test_a_raw_structure_is_not_drawn(run_predict, files):
    done = run_predict("-", "--decode", "raw", "-f", "tsv", "--draw", "p", stdin=">a\nACGU\n")
    message = "--draw needs at most one partner per base; a raw structure may have several"
    assert (done.err.splitlines()[-1], done.code) == (f"Error: {message}", 2)


def drawn_with(monkeypatch):
    """What each dot plot is given: the id, and the first score of its matrix."""
    seen = []
    from rnaformer_cli.drawing import dots

    original = dots.draw_dots

    def spy(record, scores, *others):
        seen.append((record.id, float(scores[0, 1])))
        return original(record, scores, *others)

    monkeypatch.setattr(dots, "draw_dots", spy)
    return seen


SAME_NAMES = "".join(f">{name}\nGGGAAACCC\n.........\n" for name in ("a/b", "a_b", "x", "x"))


def test_each_record_is_drawn_with_its_own_scores(run_cli, files, monkeypatch):
    """Ids that are one file name, and an id twice: `predict --scores` numbers them in order."""
    Path("same.dbn").write_text(SAME_NAMES)
    matrices = {
        name: np.full((9, 9), value, np.float32)
        for name, value in (("a_b", 0.5), ("a_b_2", 0.25), ("x", 0.125), ("x_2", 0.75))
    }
    np.savez("same.npz", **matrices)
    seen = drawn_with(monkeypatch)
    done = run_cli("draw", "same.dbn", "--as", "dots", "--scores", "same.npz", "--out-dir", "p")
    assert (done.err, done.code) == ("", 0)
    assert seen == [("a/b", 0.5), ("a_b", 0.25), ("x", 0.125), ("x", 0.75)]


def test_scores_that_may_be_of_another_record_are_refused(run_cli, files):
    Path("one_x.dbn").write_text(">x\nGGGAAACCC\n.........\n")
    np.savez("two.npz", x=np.zeros((9, 9), np.float32), x_2=np.zeros((9, 9), np.float32))
    done = run_cli("draw", "one_x.dbn", "--as", "dots", "--scores", "two.npz", "-o", "x.svg")
    expected = (
        "record 'x': 'x_2' may belong to this record; draw all structures of that run together"
    )
    assert (done.err, done.code) == (f"rnaformer: {expected}\n", 1)


def test_a_reference_of_another_rna_is_refused(run_cli, files):
    Path("ours.dbn").write_text(">x\nGGGGGAAAACCCCC\n(((((....)))))\n")
    Path("other.dbn").write_text(f">x\n{'A' * 14}\n{'.' * 14}\n")
    done = run_cli("draw", "ours.dbn", "--as", "arcs", "--ref", "other.dbn", "-o", "x.svg")
    expected = "record 'x': base 1 is G in the prediction, A in the reference"
    assert (done.err, done.code) == (f"rnaformer: {expected}\n", 1)


def test_references_of_one_id_are_taken_in_order(run_cli, files):
    """As `score` does it: the second of both belong together."""
    Path("ours.dbn").write_text(">x\nGGGAAACCC\n.........\n>x\nGGGAAACCC\n(((...)))\n")
    Path("refs.dbn").write_text(">x\nGGGAAACCC\n(((...)))\n>x\nGGGAAACCC\n.........\n")
    done = run_cli("draw", "ours.dbn", "--as", "arcs", "--ref", "refs.dbn", "--out-dir", "p")
    assert (done.err, done.code) == ("", 0)
    pictures = [Path("p", name).read_text() for name in ("x.svg", "x_2.svg")]
    assert pictures[0] != pictures[1]


def test_scores_that_are_no_numbers_are_refused(run_cli, files):
    np.savez("text.npz", a=np.full((12, 12), "x"))
    done = run_cli("draw", "one.dbn", "--as", "dots", "--scores", "text.npz", "-o", "x.svg")
    assert done.err == "rnaformer: text.npz: not a NumPy archive of score matrices\n"
    assert done.code == 1


def test_only_the_matrix_that_is_drawn_is_read(run_cli, files):
    """Another one that unpacks to gigabytes, or is broken, is not touched."""
    np.savez_compressed("many.npz", a=np.zeros((12, 12), np.float32))
    with zipfile.ZipFile("many.npz", "a") as archive:
        archive.writestr("other.npy", b"no array")
    done = run_cli("draw", "one.dbn", "--as", "dots", "--scores", "many.npz", "-o", "x.svg")
    assert (done.err, done.code) == ("", 0)


def array_with(header, version=1):
    """The bytes of an array file with a header of its own."""
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header


def saved(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def encrypted(data):
    entry = data.index(b"PK\x01\x02")
    return data[:6] + b"\x01" + data[7 : entry + 8] + b"\x01" + data[entry + 9 :]


def compressed_in_a_new_way(data):
    entry = data.index(b"PK\x01\x02")
    return data[:8] + b"\x63" + data[9 : entry + 10] + b"\x63" + data[entry + 11 :]


ZEROS = saved(np.zeros((12, 12), np.float32))


@pytest.mark.parametrize(
    ("member", "method", "change"),
    [
        (ZEROS, zipfile.ZIP_STORED, encrypted),
        (ZEROS, zipfile.ZIP_STORED, compressed_in_a_new_way),
        (ZEROS, zipfile.ZIP_LZMA, bytes),
        (array_with(b"(" * 200), zipfile.ZIP_STORED, bytes),
        (array_with(b"-" * 9000 + b"1"), zipfile.ZIP_STORED, bytes),
        (saved(np.full((12, 12), np.nan)), zipfile.ZIP_STORED, bytes),
        (saved(np.zeros((12, 12), np.longdouble)), zipfile.ZIP_STORED, bytes),
    ],
    ids=["encrypted", "unknown", "lzma", "deep", "minus", "nan", "longdouble"],
)
def test_an_array_that_no_prediction_has_is_refused(run_cli, files, member, method, change):
    with zipfile.ZipFile("odd.npz", "w", method) as archive:
        archive.writestr("a.npy", member)
    Path("odd.npz").write_bytes(change(Path("odd.npz").read_bytes()))
    done = run_cli("draw", "one.dbn", "--as", "dots", "--scores", "odd.npz", "-o", "x.svg")
    assert done.err == "rnaformer: odd.npz: not a NumPy archive of score matrices\n"
    assert done.code == 1


def test_a_header_that_claims_much_is_not_read(run_cli, files):
    with (
        zipfile.ZipFile("odd.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as member,
    ):
        member.write(array_with(b"", version=2)[:8] + struct.pack("<I", 300_000_000))
        for _ in range(300):
            member.write(b" " * 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = run_cli("draw", "one.dbn", "--as", "dots", "--scores", "odd.npz", "-o", "x.svg")
    assert done.err == "rnaformer: odd.npz: not a NumPy archive of score matrices\n"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize(
    "matrix",
    [
        np.full((12, 12), -0.1),
        np.full((12, 12), 1.1),
        np.triu(np.full((12, 12), 0.5)),
        np.full((12, 12), np.nan),
    ],
    ids=["below", "above", "triangle", "nan"],
)
def test_arrays_that_hold_no_scores_are_refused(files, run_cli, matrix):
    np.savez("odd.npz", a=matrix.astype(np.float32))
    done = run_cli("draw", "one.dbn", "--as", "dots", "--scores", "odd.npz", "-o", "x.svg")
    assert done.err == "rnaformer: odd.npz: not a NumPy archive of score matrices\n"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_a_matrix_twice_is_refused(files, run_cli):
    np.savez("odd.npz", a=np.zeros((12, 12), np.float32))
    with zipfile.ZipFile("odd.npz") as archive:
        content = archive.read("a.npy")
    with zipfile.ZipFile("odd.npz", "a") as archive:
        archive.writestr("a.npy", content)
    done = run_cli("draw", "one.dbn", "--as", "dots", "--scores", "odd.npz", "-o", "x.svg")
    assert done.err == "rnaformer: odd.npz: 'a.npy' is in this archive twice\n"
    assert not Path("x.svg").exists()


def test_a_json_file_has_the_coordinates(run_cli, files):
    done = run_cli("draw", "one.dbn", "-o", "x.json")
    assert (done.out, done.err, done.code) == ("", "", 0)
    run_cli("draw", "one.dbn", "-o", "y.txt", "-f", "rna2d")
    assert Path("x.json").read_text() == Path("y.txt").read_text()
    [molecule] = json.loads(Path("x.json").read_text())["rnaComplexes"][0]["rnaMolecules"]
    assert (molecule["name"], len(molecule["basePairs"])) == ("a", 4)


def test_each_record_of_a_folder_is_a_json_file(run_cli, files):
    done = run_cli("draw", "both.dbn", "--out-dir", "p", "-f", "rna2d")
    assert (done.err, done.code) == ("", 0)
    assert sorted(path.name for path in Path("p").iterdir()) == ["a.json", "b_c.json"]


def test_reactivities_colour_the_bases(run_cli, files):
    rows = "".join(f"{base} {0.1 * base}\n" for base in range(1, 11))
    (files / "a.shape").write_text(rows)
    assert run_cli("draw", "one.dbn", "-o", "plain.svg").code == 0
    done = run_cli("draw", "one.dbn", "--reactivities", "a.shape", "-o", "probed.svg")
    assert (done.out, done.err, done.code) == ("", "", 0)
    plain, probed = ((files / name).read_text() for name in ("plain.svg", "probed.svg"))
    assert "#d55e00" in probed
    assert "#d55e00" not in plain


def test_records_without_reactivities_are_coloured_by_letter(run_cli, files):
    (files / "a.shape").write_text("1 0.5\n")
    options = ("--out-dir", "pictures", "--reactivities", "a.shape")
    assert run_cli("draw", "both.dbn", *options).code == 0
    assert run_cli("draw", "both.dbn", "--out-dir", "plain").code == 0
    same = [
        (files / "pictures" / name).read_bytes() == (files / "plain" / name).read_bytes()
        for name in ("a.svg", "b_c.svg")
    ]
    assert same == [False, True]


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (
            ["--reactivities", "z.shape"],
            "rnaformer: z.shape: no record 'z'; a file without ids is named after its record",
            1,
        ),
        (
            ["--reactivities", "a.shape"],
            "rnaformer: a.shape:1: record 'a': position 99 is beyond the RNA, which has 12 bases",
            1,
        ),
        (
            ["--reactivities", "a.shape", "--as", "arcs"],
            "Error: --reactivities needs --as plane",
            2,
        ),
        (["--reagent", "DMS"], "Error: --reagent needs --reactivities", 2),
    ],
)
def test_reactivities_that_cannot_be_drawn_are_one_line(run_cli, files, options, message, code):
    for name in ("a", "z"):
        (files / f"{name}.shape").write_text("99 0.5\n")
    done = run_cli("draw", "both.dbn", "--out-dir", "pictures", *options)
    assert (done.err.splitlines()[-1], done.code) == (message, code)
    assert not list(files.glob("pictures/*"))
