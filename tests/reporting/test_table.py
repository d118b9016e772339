"""The page in a real browser: sorting, filtering, opening, on a small screen, and what it loads."""

import io
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from factories.predictions import make_prediction
from PIL import Image
from playwright.sync_api import sync_playwright

from rnaformer_cli.reporting.entries import ReportEntry, add_pictures, compare_entries
from rnaformer_cli.reporting.page import ReportPage, render
from rnaformer_cli.scoring.summary import summarise
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure, StructureRecord

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
TIMEOUT_MS = 5000  # milliseconds to wait for an element
EVIL = "<script>alert(1)</script>"
LONG = "a" * 80

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: `apt-get install chromium`"
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page with every kind of record; only `b10` and `b9` have references."""
    predictions = [
        make_prediction(
            *("b10", "((....))", "GGAAAACC", "of yeast"),
            confidence=0.5,
            families=[{"family": "RF00005", "name": "tRNA", "first": 1, "last": 8}],
        ),
        make_prediction(
            "b9", "....", "GGAA", confidence=0.9, warnings=["1 ambiguous letter read as N"]
        ),
        make_prediction(EVIL, "((....))..", "GGAAAACCUU", EVIL, confidence=0.7),
        make_prediction(LONG, "." * 300, "ACGU" * 75, "b" * 90, confidence=0.1),
    ]
    references = [
        StructureRecord("b9", "GGAA", parse_dot_bracket("(..)")),
        StructureRecord("b10", "GGAAAACC", parse_dot_bracket("((....))")),
    ]
    entries, scores = compare_entries(predictions, references)
    page = render(ReportPage("A run", add_pictures(entries, 10), summarise(scores)))
    file = tmp_path_factory.mktemp("page") / "x.html"
    file.write_text(page, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


@pytest.fixture(scope="module")
def tab(browser):
    """One tab for all tests; its requests, messages and errors are collected in `tab.seen`."""
    tab = browser.new_page()
    tab.set_default_timeout(TIMEOUT_MS)
    tab.seen = []
    tab.on("request", lambda request: tab.seen.append(request.url))
    tab.on("console", lambda message: tab.seen.append(message.text))
    tab.on("pageerror", lambda error: tab.seen.append(str(error)))
    tab.on("dialog", lambda dialog: (tab.seen.append(dialog.message), dialog.dismiss()))
    return tab


@pytest.fixture
def page(tab, path):
    """The page, opened anew."""
    tab.set_viewport_size({"width": 1200, "height": 800})
    tab.emulate_media(media="screen")
    tab.seen.clear()
    tab.goto(path.as_uri())
    return tab


def order(page):
    """The ids of the rows that are seen, from top to bottom."""
    return page.locator(".record:visible th button").all_inner_texts()


def order_by(page, heading, clicks=1):
    for _ in range(clicks):
        page.get_by_role("button", name=heading, exact=True).click()
    return order(page)


def sorted_as(page, heading):
    return page.get_by_role("columnheader", name=heading, exact=True).get_attribute("aria-sort")


def test_a_click_on_a_heading_sorts_up_then_down_then_as_in_the_input(page):
    given = ["b10", "b9", EVIL, LONG]
    assert order(page) == given
    assert order_by(page, "Length") == ["b9", "b10", EVIL, LONG]
    assert sorted_as(page, "Length") == "ascending"
    assert order_by(page, "Length") == [LONG, EVIL, "b10", "b9"]
    assert sorted_as(page, "Length") == "descending"
    assert order_by(page, "Length") == given
    assert sorted_as(page, "Length") == "none"


@pytest.mark.parametrize(
    ("heading", "up"),
    [
        ("Record", [EVIL, LONG, "b9", "b10"]),  # numbers in names count as numbers
        ("Pairs", ["b10", EVIL, "b9", LONG]),  # records without pairs stay last
        ("Confidence", ["b10", EVIL, "b9", LONG]),
        ("Family", ["b10", "b9", EVIL, LONG]),
        ("F1", ["b9", "b10", EVIL, LONG]),
        ("Warnings", ["b9", "b10", EVIL, LONG]),
    ],
)
def test_every_column_sorts_by_its_kind(page, heading, up):
    assert order_by(page, heading) == up


def test_what_has_no_value_stays_at_the_end(page):
    assert order_by(page, "F1", clicks=2) == ["b10", "b9", EVIL, LONG]


def test_one_column_at_a_time_is_sorted_also_by_the_keyboard(page):
    order_by(page, "Length")
    page.get_by_role("button", name="Confidence", exact=True).press("Enter")
    assert (sorted_as(page, "Length"), sorted_as(page, "Confidence")) == ("none", "ascending")
    assert order(page) == ["b10", EVIL, "b9", LONG]


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("b9", ["b9"]),
        ("YEAST", ["b10"]),
        ("trna", ["b10"]),
        ("RF00005", ["b10"]),
        ("ccuu", [EVIL]),
        ("ambiguous", ["b9"]),
        ("((....))", ["b10", EVIL]),
        ("nothing like it", []),
    ],
)
def test_a_filter_hides_rows_that_hold_no_such_text(page, words, rows):
    page.get_by_label("Filter").fill(words)
    assert order(page) == rows
    assert page.locator("#shown").inner_text() == f"{len(rows)} of 4"
    page.get_by_label("Filter").fill("")
    assert (len(order(page)), page.locator("#shown").inner_text()) == (4, "")


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("confidence < 0.6", ["b10", LONG]),
        ("confidence >= 0.5 length<10", ["b10", "b9"]),
        ("f1 > 0", ["b10"]),
        ("pairs = 2 yeast", ["b10"]),
        ("Length > 1e", []),  # no number: text
        ("unknown < 3", []),
    ],
)
def test_a_filter_compares_numbers(page, words, rows):
    page.get_by_label("Filter").fill(words)
    assert order(page) == rows
    assert page.locator("#shown").inner_text() == f"{len(rows)} of 4"


def opened(page, view="Structure"):
    """A picture of the open record b10."""
    page.get_by_role("button", name="b10", exact=True).click()
    return page.get_by_role("img", name=f"{view} of b10")


def saved(page, button):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).first.click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_pictures_are_saved_as_svg_with_layers(page):
    opened(page)
    name, content = saved(page, "Save as SVG")
    assert name == "b10-plane.svg"
    root = ElementTree.fromstring(content)
    label = "{http://www.inkscape.org/namespaces/inkscape}label"
    labels = [node.get(label) for node in root.iter() if node.get(label)]
    assert {"bases", "letters", "pairs", "numbers"} <= set(labels)
    assert (root.get("viewBox"), "DejaVu" in root.get("font-family")) == (
        f"0 0 {root.get('width')} {root.get('height')}",
        True,
    )


def test_pictures_are_saved_as_png_with_all_that_they_show(page, path):
    picture = opened(page)
    name, content = saved(page, "Save as PNG")
    assert name == "b10-plane.png"
    image = Image.open(io.BytesIO(content))
    _, _, width, height = map(float, picture.get_attribute("viewBox").split())
    assert image.size == pytest.approx((3 * width, 3 * height), abs=3)
    assert len(image.getcolors(1_000_000)) > 20
    assert [url for url in page.seen if not url.startswith("blob:")] == [path.as_uri()]


def test_the_table_is_saved_as_the_filter_leaves_it(page):
    page.get_by_label("Filter").fill("b9")
    name, content = saved(page, "Save table (TSV)")
    header, row, end = content.decode().split("\n")
    assert (name, end) == ("records.tsv", "")
    assert header.split("\t")[:4] == ["Record", "Length", "Pairs", "Confidence"]
    assert row.split("\t")[:4] == ["b9", "4", "0", "0.9"]


def test_the_dot_bracket_is_copied(page):
    opened(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy dot-bracket").first.click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == ">b10\nGGAAAACC\n((....))\n"


def test_the_pointer_reads_bases_and_pairs(page):
    picture = opened(page)
    tip = page.get_by_role("status").last
    picture.locator('[data-layer="bases"] use').nth(1).hover(force=True)
    assert tip.inner_text() == "G2: pairs with C7, probability 0.900"
    picture.locator('[data-layer="bases"] use').nth(3).hover(force=True)
    assert tip.inner_text() == "A4: unpaired"
    picture.locator('[data-pair="1-8"] path').hover(force=True)
    assert tip.inner_text() == "G1-C8: probability 0.900"
    page.get_by_label("Filter").hover()
    assert not tip.is_visible()


def test_the_pointer_reads_reactivities(page, tmp_path):
    data = {"reagent": "1M7", "used": 2, "missing": 6, "relative": [None, 0.25, *(5 * [None]), 1]}
    entries = add_pictures([ReportEntry(make_prediction(reactivities=data))], 1)
    (tmp_path / "data.html").write_text(render(ReportPage("Data", entries)), encoding="utf-8")
    page.goto((tmp_path / "data.html").as_uri())
    page.get_by_role("button", name="x", exact=True).click()
    picture = page.get_by_role("img", name="Structure of x")
    picture.locator('[data-layer="bases"] use').nth(1).hover(force=True)
    tip = page.get_by_role("status").last
    assert tip.inner_text() == "G2: pairs with C7, probability 0.900, relative reactivity 0.25"


def test_the_pointer_reads_a_dot_plot(page):
    picture = opened(page, "Dot plot")
    picture.scroll_into_view_if_needed()
    box = picture.locator('[data-layer="frame"]').bounding_box()
    x, y = (
        box[axis] + (base - 0.5) / 8 * box[size]
        for axis, size, base in (("x", "width", 8), ("y", "height", 1))
    )
    page.mouse.move(x, y)
    assert page.get_by_role("status").last.inner_text() == "G1-C8: probability 0.900"


def test_the_keyboard_reads_zooms_and_moves(page):
    picture = opened(page)
    whole = picture.get_attribute("viewBox")
    picture.focus()
    picture.press("ArrowRight")
    picture.press("ArrowRight")
    tip = page.get_by_role("status").last
    assert tip.inner_text() == "G2: pairs with C7, probability 0.900"
    picture.press("Escape")
    assert not tip.is_visible()
    picture.press("+")
    zoomed = picture.get_attribute("viewBox")
    assert float(zoomed.split()[2]) == pytest.approx(0.8 * float(whole.split()[2]))
    picture.press("Shift+ArrowRight")
    assert float(picture.get_attribute("viewBox").split()[0]) > float(zoomed.split()[0])
    picture.press("0")
    assert picture.get_attribute("viewBox") == whole


def test_buttons_zoom_and_the_pointer_moves(page):
    picture = opened(page)
    whole = picture.get_attribute("viewBox")
    page.get_by_role("button", name="Zoom in").first.click()
    zoomed = picture.get_attribute("viewBox")
    assert zoomed != whole
    box = picture.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 60)
    page.mouse.up()
    assert float(picture.get_attribute("viewBox").split()[0]) > float(zoomed.split()[0])
    page.get_by_role("button", name="Show the whole picture").first.click()
    assert picture.get_attribute("viewBox") == whole


@pytest.mark.parametrize("key", ["click", "Enter", "Space"])
def test_a_record_opens_with_its_picture_and_closes(page, key):
    button = page.get_by_role("button", name="b10", exact=True)
    press = button.click if key == "click" else lambda: button.press(key)
    picture = page.get_by_role("img", name="Structure of b10")
    assert (picture.is_visible(), button.get_attribute("aria-expanded")) == (False, "false")
    press()
    assert (picture.is_visible(), button.get_attribute("aria-expanded")) == (True, "true")
    assert picture.bounding_box()["width"] > 100
    assert page.get_by_text("GGAAAACC\n((....))").is_visible()
    press()
    assert not picture.is_visible()


def test_all_that_the_filter_leaves_open_and_close_together(page):
    page.get_by_label("Filter").fill("((....))")
    page.get_by_role("button", name="Open all").click()
    page.get_by_label("Filter").fill("")
    states = [one.get_attribute("aria-expanded") for one in page.locator(".record th button").all()]
    assert states == ["true", "false", "true", "false"]
    page.locator("#all").click()  # now those that were filtered out
    assert page.locator(".details:visible").count() == 4
    page.get_by_role("button", name="Close all").click()
    assert page.locator(".details:visible").count() == 0


@pytest.mark.parametrize("width", [375, 1200])
def test_the_page_never_scrolls_sideways(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("button", name="Open all").click()
    assert page.locator(".details:visible").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") == width
    boxes = [page.locator(part).bounding_box() for part in ("h1", ".counts", "#records", ".tools")]
    assert max(box["x"] + box["width"] for box in boxes) <= width


def test_names_are_shown_as_text_and_nothing_is_run_or_loaded(page, path):
    page.get_by_role("button", name="Open all").click()
    order_by(page, "Record")
    page.get_by_label("Filter").fill("script")
    assert order(page) == [EVIL]
    assert page.get_by_role("img", name=f"Structure of {EVIL}").is_visible()
    assert page.seen == [path.as_uri()]


def test_an_element_from_elsewhere_would_be_refused(page):
    refused = page.evaluate("""() => new Promise(resolve => {
        document.addEventListener("securitypolicyviolation", e => resolve(e.effectiveDirective));
        document.body.append(Object.assign(new Image(), { src: "http://localhost/x.png" }));
    })""")
    assert refused == "img-src"


def test_the_time_of_a_page_is_linear_in_its_records(monkeypatch):
    calls = []
    find = Structure.crossing_pairs
    monkeypatch.setattr(Structure, "crossing_pairs", lambda one: calls.append(one) or find(one))
    predictions = [make_prediction(f"r{number}", "((....))") for number in range(50)]
    render(ReportPage("A run", [ReportEntry(one) for one in predictions]))
    assert len(calls) <= 5 * 50


def test_a_thousand_records_are_filtered_and_opened_at_once(browser, tmp_path):
    predictions = [
        make_prediction(f"r{number}", "((....))" * 9, "GGAAAACC" * 9, confidence=number / 1000)
        for number in range(1000)
    ]
    entries = add_pictures([ReportEntry(one) for one in predictions], 3)
    file = tmp_path / "x.html"
    file.write_text(render(ReportPage("A run", entries)), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    milliseconds = page.evaluate("""() => {
        const start = performance.now();
        filter.value = "confidence < 0.5";
        filter.dispatchEvent(new Event("input"));
        all.click();
        document.body.getBoundingClientRect();
        return performance.now() - start;
    }""")
    assert page.locator("#shown").inner_text() == "500 of 1000"
    assert milliseconds < 4000
    page.close()


def test_without_scripts_everything_is_open(browser, path):
    page = browser.new_page(java_script_enabled=False)
    page.goto(path.as_uri())
    assert page.locator(".details:visible").count() == 4


def test_print_shows_what_is_open_without_the_controls(page):
    page.get_by_role("button", name="b10", exact=True).click()
    page.emulate_media(media="print")
    assert not page.get_by_label("Filter").is_visible()
    assert page.locator(".details:visible").count() == 1
