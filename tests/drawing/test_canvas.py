"""Files of pictures: formats, resolution, the same bytes every time."""

import struct

import pytest
from factories.pictures import KNOT, written

from rnaformer_cli.drawing.canvas import drawing_format
from rnaformer_cli.drawing.plane import draw_plane
from rnaformer_cli.errors import OutputError


@pytest.mark.parametrize(
    ("image", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_pictures_have_the_same_bytes_every_time(image, magic):
    one, other = (written(draw_plane(KNOT), image) for _ in range(2))
    assert one == other
    assert one.startswith(magic)


def test_the_resolution_scales_a_png():
    width, double = (
        struct.unpack(">I", written(draw_plane(KNOT), "png", dpi=dpi)[16:20])[0]
        for dpi in (100, 200)
    )
    assert double == pytest.approx(2 * width, abs=1)


def test_the_suffix_decides_the_format_of_a_picture():
    assert drawing_format("a/b.SVG") == "svg"
    assert drawing_format("a/b.json") == "rna2d"
    with pytest.raises(OutputError) as caught:
        drawing_format("picture.gif")
    expected = "picture.gif: expected a name that ends in .svg, .png, .pdf or .json"
    assert str(caught.value) == expected
