"""Two runs into one folder: the second is refused, and a killed run leaves no lock."""

import signal
import subprocess
import sys

import pytest

from rnaformer_cli.cli.run.lock import LOCK_FILE, locked
from rnaformer_cli.errors import OutputError

HOLD = """
import sys
from rnaformer_cli.cli.run.lock import locked
with locked(sys.argv[1], eval(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Call `holder(part)` for a process that holds the lock of tmp_path/out."""
    begun = []

    def call(part=None):
        words = [sys.executable, "-c", HOLD, tmp_path / "out", repr(part)]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        begun.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield call
    for process in begun:
        with process:
            process.kill()


@pytest.mark.parametrize(
    ("held", "wanted"), [(None, None), (None, (2, 3)), ((2, 3), None), ((2, 3), (2, 3))]
)
def test_a_second_run_is_refused_and_the_first_continues(holder, tmp_path, held, wanted):
    first = holder(held)
    with pytest.raises(OutputError) as caught, locked(tmp_path / "out", wanted):
        pass
    message = "is in use by another run; wait until it ends or choose another folder"
    assert str(caught.value) == f"{tmp_path / 'out'}: {message}"
    assert first.poll() is None


def test_parts_work_side_by_side(holder, tmp_path):
    holder((1, 3))
    with locked(tmp_path / "out", (2, 3)):
        holder((3, 3))


def test_the_lock_of_a_killed_run_is_gone(holder, tmp_path):
    first = holder()
    first.send_signal(signal.SIGKILL)
    first.wait()
    with locked(tmp_path / "out"):
        assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK_FILE]


def test_a_lock_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / LOCK_FILE).mkdir()
    with pytest.raises(OutputError) as caught, locked(tmp_path):
        pass
    assert str(caught.value) == f"{tmp_path / LOCK_FILE}: is a directory"
