"""Records of decisions are complete, and every link within the documentation leads somewhere."""

import re

import pytest
from conftest import ROOT

DECISIONS = ROOT / "docs" / "decisions"
INDEX = DECISIONS / "README.md"
TOPICS = sorted(set(DECISIONS.glob("*.md")) - {INDEX})
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s:]+)\)")
HEADINGS = ["**Context.**", "**Decision.**", "**Consequence.**"]
MOST_LINES = 25
WIDTH = 120


def records(topic):
    """The records of a file by their titles."""
    _, *parts = re.split(r"^## ", topic.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: text.rstrip() for title, _, text in (part.partition("\n") for part in parts)}


RECORDS = [(topic, title, text) for topic in TOPICS for title, text in records(topic).items()]


def anchor(heading):
    """The fragment by which a heading of a Markdown file is known."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(page):
    """The text and the target of each link of a page, however its lines are broken."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    return [(" ".join(shown.split()), target) for shown, target in LINK.findall(text)]


def leads_somewhere(page, target):
    file, _, fragment = target.partition("#")
    found = page.parent / file if file else page
    if not found.exists() or not fragment:
        return found.exists()
    headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
    return fragment in map(anchor, headings)


@pytest.mark.parametrize(
    ("title", "text"), [pytest.param(title, text, id=title) for _, title, text in RECORDS]
)
def test_a_record_has_a_date_and_its_three_headings_in_order(title, text):
    assert re.match(r"\n\d{4}-\d\d-\d\d\n\n", text)
    assert re.findall(r"^\*\*\w+\.\*\*", text, re.MULTILINE) == HEADINGS
    assert 1 + len(text.splitlines()) <= MOST_LINES


def test_the_index_lists_every_record_and_nothing_else():
    listed = [link for link in links(INDEX) if link[1].partition("#")[2]]
    assert listed
    assert sorted(listed) == sorted(
        (title, f"{topic.name}#{anchor(title)}") for topic, title, _ in RECORDS
    )


def test_the_index_has_the_date_of_every_record():
    index = " ".join(INDEX.read_text(encoding="utf-8").split())
    missing = [title for topic, title, text in RECORDS if _entry(topic, title, text) not in index]
    assert missing == []


def _entry(topic, title, text):
    return f"- [{title}]({topic.name}#{anchor(title)}) ({text.split()[0]})"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page):
    missing = [target for _, target in links(page) if not leads_somewhere(page, target)]
    assert missing == []


@pytest.mark.parametrize(
    "page", [*TOPICS, INDEX, ROOT / "docs" / "experiments-log.md"], ids=lambda page: page.name
)
def test_lines_have_a_width_that_can_be_read(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []
