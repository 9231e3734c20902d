import io
import re
import sys

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.reports import render


def test_numbers_read_well():
    assert render.decimal(0.83172) == "0.832"
    assert render.percent(0.1234) == "12.3 %"
    assert render.with_interval(0.832, (0.815, 0.8494)) == "0.832 [0.815, 0.849]"
    assert (
        render.percent_with_interval(0.1234, (0.1042, 0.145)) == "12.3 % [10.4, 14.5]"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01, "< 0.1 s"),
        (0.42, "0.4 s"),
        (9.97, "10 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
    ],
)
def test_times_read_well(value, text):
    assert render.seconds(value) == text


def test_settings_read_well():
    settings = {"num_blends": 16, "weights": [0.5, 0.7], "same_class": False}
    text = "num_blends = 16; weights = 0.5, 0.7; same_class = False"
    assert render.settings_in_words(settings) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b\n<i>*c*_d_", r"a\|b &lt;i&gt;\*c\*\_d\_"),
        ("say `num_shadows=16` *or* more", r"say `num_shadows=16` \*or\* more"),
        ("a ` b_", r"a \` b\_"),
        ("`a|b` or `<b>`", r"\`a\|b\` or \`&lt;b&gt;\`"),
    ],
)
def test_markdown_shows_any_text_as_it_is_and_code_as_code(text, shown):
    assert render.escape_markdown(text) == shown


def test_intervals_and_ranges_stay_on_a_line():
    shown = render.unbroken("-0.1 [-0.2, 0.3]; 10 (9 to 11); not judged (few seeds)")
    spaces = ["-0.1", "[-0.2,\xa00.3];", "10", "(9\xa0to\xa011);"]
    assert shown.split(" ") == [*spaces, "not", "judged", "(few", "seeds)"]


@pytest.mark.parametrize(
    ("module", "use"),
    [
        ("jinja2", lambda: render.render_template("audit.md.j2")),
        ("matplotlib", lambda: render.figure_style().__enter__()),
    ],
)
def test_a_missing_extra_is_named(monkeypatch, module, use):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"keras-mixup-gan\[report\]"):
        use()


def test_figures_scale_carry_a_label_and_are_repeatable():
    from matplotlib.figure import Figure

    def draw():
        with render.figure_style():
            figure = Figure()
            figure.add_subplot().plot([0, 1], [1, 0])
        return str(render.figure_to_svg(figure, 'falls & "ends" <here>'))

    svg = draw()
    assert svg.startswith('<svg role="img" aria-label="falls &amp; &#34;ends&#34;')
    assert 'width="100%"' in svg
    assert "viewBox" in svg
    assert svg == draw()


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_side_by_side_with_white_between(channels):
    images = np.arange(5 * 2 * 3 * channels, dtype="uint8").reshape(5, 2, 3, channels)
    sheet = render.tile(images, columns=2).reshape(3 * 2 + 2, 3 + 1 + 3, channels)
    for number, image in enumerate(images):
        top, left = 3 * (number // 2), 4 * (number % 2)
        np.testing.assert_array_equal(sheet[top : top + 2, left : left + 3], image)
    assert (sheet[[2, 5]] == 255).all() and (sheet[:, 3] == 255).all()
    assert (sheet[6:, 4:] == 255).all()  # no sixth image


def test_a_png_holds_the_picture_enlarged_by_whole_pixels():
    picture = np.random.default_rng(0).integers(256, size=(3, 5)).astype("uint8")
    for side, factor in ((1, 1), (9, 1), (10, 2), (16, 3)):
        found = np.asarray(Image.open(io.BytesIO(render.png(picture, side))))
        expected = picture.repeat(factor, axis=0).repeat(factor, axis=1)
        np.testing.assert_array_equal(found, expected)


def test_pages_load_and_run_nothing():
    for path in render.TEMPLATES.glob("*.html.j2"):
        text = path.read_text("utf-8")
        assert not re.search(r"<script|javascript:|<[^>]* on\w+=|@import|url\(", text)
        if path.name == "base.html.j2":
            assert """content="default-src 'none'; style-src""" in text
        else:
            assert text.startswith('{% extends "base.html.j2" %}')
