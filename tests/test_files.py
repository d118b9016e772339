"""Text in and out: what a line is, and that files appear whole or not at all."""

import gzip
import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import InputError, OutputError
from rnaformer_cli.files import (
    MAX_NAME_BYTES,
    UniqueFileNames,
    make_folder,
    read_bytes,
    read_lines,
    safe_name,
    text_name,
    write_atomically,
    write_text,
)


class FakeStdin:
    """Standard input as a process gets it: text over bytes."""

    def __init__(self, data):
        self.buffer = io.BufferedReader(io.BytesIO(data))


def lines_of(tmp_path, data):
    file = tmp_path / "text"
    file.write_bytes(data)
    return list(read_lines(file))


@pytest.mark.parametrize(
    "data",
    [b"a\nb\n", b"a\nb", b"a\r\nb\r\n", b"a\rb\r", b"\xef\xbb\xbfa\nb\n", gzip.compress(b"a\nb\n")],
    ids=["LF", "no end", "CRLF", "CR", "byte order mark", "gzip"],
)
def test_lines_come_without_their_ends_however_they_are_stored(tmp_path, data):
    assert lines_of(tmp_path, data) == ["a", "b"]


def test_gzip_is_recognised_by_its_bytes_not_by_its_name(tmp_path):
    file = tmp_path / "plain.gz"
    file.write_text("a\n")
    assert list(read_lines(file)) == ["a"]


def test_gzip_may_hold_a_byte_order_mark_and_any_line_ends(tmp_path):
    assert lines_of(tmp_path, gzip.compress(b"\xef\xbb\xbfa\r\nb\r")) == ["a", "b"]


def test_only_real_line_ends_end_a_line(tmp_path):
    assert lines_of(tmp_path, "a\x0bb\u2028c\x85d\n".encode()) == ["a\x0bb\u2028c\x85d"]


def test_letters_beyond_ascii_are_read(tmp_path):
    assert lines_of(tmp_path, "µRNA\n".encode()) == ["µRNA"]


def test_an_empty_file_has_no_lines(tmp_path):
    assert lines_of(tmp_path, b"") == []


@pytest.mark.parametrize("data", [b"a\nb\n", gzip.compress(b"a\nb\n")], ids=["plain", "gzip"])
def test_a_dash_is_standard_input(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", FakeStdin(data))
    assert list(read_lines("-")) == ["a", "b"]


def test_standard_input_cannot_be_read_twice(monkeypatch):
    monkeypatch.setattr(sys, "stdin", FakeStdin(b"a\n"))
    list(read_lines("-"))
    with pytest.raises(InputError) as caught:
        list(read_lines("-"))
    assert str(caught.value) == "stdin: was already read, and can be read only once"


def test_a_closed_standard_input_is_reported(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError) as caught:
        list(read_lines("-"))
    assert str(caught.value) == "stdin: is closed"


def test_a_file_is_read_where_there_is_no_standard_input(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert lines_of(tmp_path, b"a\n") == ["a"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\n\xffc\nd\n", ":3: not UTF-8 text"),
        ("a\n".encode("utf-16"), ":1: not UTF-8 text"),
        (gzip.compress(b"a\nb\n")[:-9], ": damaged gzip file"),
        (b"\x1f\x8bnot gzip", ": damaged gzip file"),
        (gzip.compress(b"a" * 99)[:12] + b"\xff" * 30, ": damaged gzip file"),
        (gzip.compress(b"a\n")[:-8] + bytes(8), ": damaged gzip file"),
    ],
    ids=["Latin-1", "UTF-16", "cut short", "no gzip", "broken inside", "wrong sum"],
)
def test_damaged_text_is_reported_with_its_file(tmp_path, data, message):
    with pytest.raises(InputError) as caught:
        lines_of(tmp_path, data)
    assert str(caught.value) == f"{tmp_path / 'text'}{message}"


def test_a_bad_byte_is_reported_with_its_line_also_far_into_a_file(tmp_path):
    with pytest.raises(InputError) as caught:
        lines_of(tmp_path, b"ACGU\n" * 5000 + b"\xb5\n")
    assert caught.value.location.line == 5001


@pytest.mark.parametrize("read", [lambda path: list(read_lines(path)), read_bytes])
def test_a_missing_file_is_reported(tmp_path, read):
    with pytest.raises(InputError) as caught:
        read(tmp_path / "absent")
    assert str(caught.value) == f"{tmp_path / 'absent'}: no such file or directory"


def test_a_file_truncated_while_it_is_read_is_reported(tmp_path):
    path = tmp_path / "shrinking.fasta"
    path.write_text("line\n" * 100_000)
    lines = read_lines(path)
    next(lines)
    os.truncate(path, 300_003)
    with pytest.raises(InputError) as caught:
        list(lines)
    assert str(caught.value) == f"{path}: was truncated while it was read"


def test_a_file_that_is_removed_while_it_is_read_is_read_to_its_end(tmp_path):
    path = tmp_path / "vanishing.fasta"
    path.write_text("line\n" * 100_000)
    lines = read_lines(path)
    next(lines)
    path.unlink()
    assert sum(1 for _ in lines) == 99_999


def test_a_folder_is_not_read_as_a_file(tmp_path):
    with pytest.raises(InputError) as caught:
        list(read_lines(tmp_path))
    assert str(caught.value) == f"{tmp_path}: is a folder; expected a file"


def test_bytes_are_read_as_they_are(tmp_path):
    (tmp_path / "file").write_bytes(b"\xff\r\n")
    assert read_bytes(tmp_path / "file") == b"\xff\r\n"


def test_text_is_written_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "out", "a\nµ\n")
    assert (tmp_path / "out").read_bytes() == "a\nµ\n".encode()


def test_bytes_are_written_as_they_are(tmp_path):
    with write_atomically(tmp_path / "out", binary=True) as file:
        file.write(b"\xff\r\n")
    assert (tmp_path / "out").read_bytes() == b"\xff\r\n"


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    with write_atomically(tmp_path / "out") as file:
        file.write("half")
        file.flush()
        assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "out", "old")
    with pytest.raises(KeyboardInterrupt), write_atomically(tmp_path / "out") as file:
        file.write("new")
        raise KeyboardInterrupt
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "out", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "real")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "real").read_text() == "text"


@pytest.mark.parametrize("binary", [False, True])
def test_a_pipe_is_written_to_and_not_replaced(tmp_path, binary):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with write_atomically(pipe, binary=binary) as file:
        file.write(b"text" if binary else "text")
    reader.join()
    assert read == [b"text"]
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent/out", "no such file or directory"),
        ("folder", "is a folder; expected a file"),
        ("file/out", "not a directory"),
    ],
)
def test_a_path_that_cannot_hold_the_file_is_reported(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        write_text(tmp_path / name, "text")
    assert str(caught.value) == f"{tmp_path / name}: {message}"


def test_a_full_disk_is_reported():
    with pytest.raises(OutputError) as caught:
        write_text("/dev/full", "text")
    assert str(caught.value) == "/dev/full: no space left on device"


def test_a_closed_pipe_is_left_to_the_command_line(tmp_path):
    with pytest.raises(BrokenPipeError), write_atomically(tmp_path / "out"):
        raise BrokenPipeError


def test_folders_are_made_with_those_above_them(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(
    ("name", "message"),
    [("file", "is a file; expected a folder"), ("file/folder", "not a directory")],
)
def test_a_folder_that_cannot_be_made_is_reported(tmp_path, name, message):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        make_folder(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {message}"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("RF00001", "RF00001"),
        ("µRNA.1", "µRNA.1"),
        ('a/b\\c?d%e*f:g|h"i<j>k l\tm\0n', "a_b_c_d_e_f_g_h_i_j_k_l_m_n"),
        ("", "_"),
        (".", "_"),
        ("..", "_."),
        ("../../etc/passwd", "_._.._etc_passwd"),
        (".hidden", "_hidden"),
        ("-rf", "_rf"),
        ("\ud800x", "_x"),
        ("a" * 300, "a" * 200),
        ("a" + "µ" * 150, "a" + "µ" * 99),
    ],
)
def test_ids_become_harmless_file_names(name, safe):
    assert safe_name(name) == safe


def test_a_name_that_is_taken_grows_a_number():
    names = UniqueFileNames()
    assert [names.add(name) for name in ["x", "x", "x_2", "X", "x"]] == [
        "x",
        "x_2",
        "x_2_2",
        "X_3",
        "x_4",
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["x", "X", "x_2", "x_3", "x_2_2", "ß", "ss", ""]) | st.text()))
def test_no_file_name_comes_twice_or_leaves_the_folder(ids):
    names = UniqueFileNames()
    taken = [names.add(name) for name in ids]
    assert len({name.casefold() for name in taken}) == len(ids)
    for name in taken:
        assert name == os.path.basename(name) not in ("", ".", "..")  # noqa: PTH119  # as the system does
        assert len(name.encode()) <= MAX_NAME_BYTES + 20


def test_a_byte_order_mark_of_a_joined_file_is_dropped(tmp_path):
    """As `cat a.fa b.fa` leaves it where both files begin with one."""
    path = tmp_path / "joined.fa"
    path.write_bytes("\ufeff>a\nACGU\n\ufeff>b\nGGCC\n".encode())
    assert list(read_lines(path)) == [">a", "ACGU", ">b", "GGCC"]


@pytest.mark.parametrize(
    "name",
    ["CON", "con", "nul", "NUL.txt", "Com1", "LPT9.a.b", "AUX", "PRN", "conin$", "CONOUT$.x"],
)
def test_names_that_windows_reserves_get_a_mark(name):
    assert safe_name(name) == f"_{name}"


@pytest.mark.parametrize("name", ["CONS", "COM10", "COM", "xNUL", "tRNA.NUL"])
def test_names_that_only_look_like_devices_stay(name):
    assert safe_name(name) == name


def test_names_that_some_file_systems_take_for_one_are_numbered():
    names = UniqueFileNames()
    found = [names.add(name) for name in ("caf\u00e9", "cafe\u0301", "CAFE\u0301", "_NUL", "NUL")]
    assert found == ["caf\u00e9", "cafe\u0301_2", "CAFE\u0301_3", "_NUL", "_NUL_2"]


@pytest.mark.parametrize(
    ("name", "text"),
    [(b"a.fa", "a.fa"), ("é".encode(), "é"), (b"n\xffx", "n\ufffdx"), (b"\xc3", "\ufffd")],
)
def test_a_file_name_is_text_whatever_its_bytes(name, text):
    assert text_name(Path("folder", os.fsdecode(name))) == text


def test_a_name_that_the_locale_cannot_hold_is_refused(tmp_path):
    script = "import sys; from rnaformer_cli.files import write_text; write_text(chr(228), 'x')"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path)
    message = b": cannot be a file name in this locale (ascii); set LC_ALL=C.UTF-8"
    assert done.stderr.strip().endswith(message)
    assert os.listdir(tmp_path) == []
