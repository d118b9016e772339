"""The metadata in setup.py."""

from functools import cache

import setuptools  # from here on, distutils is that of setuptools
from conftest import ROOT


@cache
def read_setup():
    """The distribution that setup.py describes; nothing is built."""
    from distutils.core import run_setup

    found = run_setup(ROOT / "setup.py", stop_after="init")
    assert isinstance(found, setuptools.Distribution)
    return found
