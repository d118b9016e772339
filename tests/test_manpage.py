"""docs/man/rnaformer.1 describes every command, and formatters of manual pages accept it.

It is rewritten with REWRITE_GOLDEN=1, or by scripts/manpage.
"""

import os
import re
import runpy
import shutil
import subprocess

import pytest
from conftest import ROOT
from program_commands import CONTEXTS
from setup_metadata import read_setup

PAGE = ROOT / "docs" / "man" / "rnaformer.1"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "manpage"))
FORMATTERS = {
    "groff": ["groff", "-man", "-ww", "-Tutf8"],
    "man": ["man", "--warnings", "-E", "UTF-8", "-l"],
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
}


def test_the_page_is_current():
    if os.environ.get("REWRITE_GOLDEN"):
        PAGE.write_text(SCRIPT["manpage"](), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == SCRIPT["manpage"]()


@pytest.mark.parametrize("name", FORMATTERS)
def test_formatters_have_no_warnings(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([*FORMATTERS[name], PAGE], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_every_command_has_its_section():
    headings = re.findall(r"^\.SS (.*?)(?: \[OPTIONS\].*)?$", PAGE.read_text(), re.MULTILINE)
    calls = [heading.replace("\\-", "-").split()[1:] for heading in headings]
    assert calls == [list(words) for words in CONTEXTS if words]


@pytest.mark.parametrize(
    ("text", "roff"),
    [
        ("a - b", "a \\- b"),
        (".dot\n'quote", "\\&.dot\n\\&'quote"),
        ("in a C:\\folder", "in a C:\\efolder"),
    ],
)
def test_what_roff_would_take_for_its_own_is_escaped(text, roff):
    assert SCRIPT["escape"](text) == roff


def test_lines_marked_by_click_are_kept_as_they_are():
    text = "First.\n\n\b\nExamples:\n  rnaformer x"
    assert list(SCRIPT["paragraphs"](text)) == [
        "First.\n",
        ".PP\n.nf\nExamples:\n  rnaformer x\n.fi\n",
    ]


def test_it_is_installed_where_man_looks():
    assert ("share/man/man1", ["docs/man/rnaformer.1"]) in read_setup().data_files
