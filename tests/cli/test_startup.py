"""Imports without garbage collection."""

import gc
import subprocess
import sys

import pytest

from rnaformer_cli.cli.run.startup import without_garbage_collection


def test_nothing_is_collected_inside():
    before = gc.get_freeze_count()
    with without_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before


def test_collection_that_was_off_stays_off():
    gc.disable()
    try:
        with without_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_collection_starts_again_after_an_error():
    with pytest.raises(ValueError, match="failed"), without_garbage_collection():
        raise ValueError("failed")
    assert gc.isenabled()


def test_the_module_of_predict_does_not_import_torch():
    script = "import sys\nfrom rnaformer_cli.cli import predict\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False"]
