"""Drawn images: the same from the same seed, and what they promise of texts, fonts and colours."""

import string

import cv2
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font
from synthesis_side import FOLDER, few_fonts, make_font

from aocr_plugin.errors import ConfigError, FontError
from aocr_plugin.synthesis import colours, geometry, styles
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.fonts import find_fonts
from aocr_plugin.synthesis.glyphs import Glyph, GlyphStore, set_line
from aocr_plugin.synthesis.styles import scene
from aocr_plugin.synthesis.synthesizer import Synthesizer
from aocr_plugin.synthesis.texts import TextSettings


@pytest.fixture(scope="module")
def fonts():
    return few_fonts()


def solid(width, height):
    return Glyph(np.full((height, width), 255, np.uint8), 0, -height, width + 4)


def samples(synthesizer, count, seed=0):
    return [synthesizer.sample(seed, index) for index in range(count)]


# ------------------------------------------------------------------ from seed and index alone
@pytest.mark.parametrize("style", styles.NAMES)
def test_an_image_does_not_depend_on_what_was_drawn_before(fonts, style):
    forwards = samples(Synthesizer(style, fonts=fonts), 20)
    other = Synthesizer(style, fonts=fonts)
    other.sample(77, 5)
    backwards = [other.sample(0, index) for index in reversed(range(20))][::-1]
    for first, second in zip(forwards, backwards, strict=True):
        assert first.text == second.text
        np.testing.assert_array_equal(first.image, second.image)


def test_seeds_indices_and_parts_give_other_images(fonts):
    synthesizer = Synthesizer(fonts=fonts)
    found = {
        synthesizer.sample(seed, index, part).image.tobytes()
        for seed in (0, 1)
        for index in (0, 1, 10**12)
        for part in ("training", "validation")
    }
    assert len(found) == 12


def test_no_global_generator_is_used_or_moved(fonts):
    import random

    random.seed(1)
    np.random.seed(1)
    states = random.getstate(), np.random.get_state()[1].tolist()
    for style in styles.NAMES:
        samples(Synthesizer(style, fonts=fonts), 5)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states


def test_dice_are_fair():
    dice = Dice(0, 0)
    drawn = [dice.near(5.0, 2.0) for _ in range(20_000)]
    assert np.mean(drawn) == pytest.approx(5.0, abs=0.05)
    assert np.std(drawn) == pytest.approx(2.0, abs=0.05)
    counts = np.bincount([dice.whole(1, 4) for _ in range(20_000)])
    assert np.abs(counts[1:] - 5000).max() < 250
    shares = Shares({"a": 3, "b": 0, "c": 1})
    assert [shares.draw(dice) for _ in range(8000)].count("a") == pytest.approx(6000, abs=150)


# ------------------------------------------------------------------ styles
@pytest.mark.parametrize("style", styles.NAMES)
def test_every_style_keeps_height_width_and_channels(fonts, style):
    gray = Synthesizer(style, fonts=fonts, height=32, max_width=120, color=False)
    for sample in samples(gray, 25):
        assert sample.image.dtype == np.uint8
        assert sample.image.ndim == 2
        assert sample.image.shape[0] == 32
        assert 4 <= sample.image.shape[1] <= 120
        assert sample.style == style
    for sample in samples(Synthesizer(style, fonts=fonts), 25):
        assert sample.image.ndim == 3
        assert 10 <= sample.image.shape[0] <= 128


def test_styles_are_mixed_by_their_shares(fonts):
    drawn = [
        sample.style
        for sample in samples(
            Synthesizer({"meter": 3, "captcha": 1}, fonts=fonts, height=16, max_width=64), 300
        )
    ]
    assert drawn.count("meter") == pytest.approx(225, abs=30)


@pytest.mark.parametrize("style", ["scene", "receipt", "captcha", "plate"])
def test_the_label_is_what_is_drawn(fonts, style, monkeypatch):
    drawn = []
    get = GlyphStore.get

    def noted(self, file, size, text):
        glyphs = get(self, file, size, text)
        drawn.append(text)
        if text.strip():
            assert all(g.mask is not None for g, c in zip(glyphs, text, strict=True) if c != " ")
        return glyphs

    monkeypatch.setattr(GlyphStore, "get", noted)
    synthesizer = Synthesizer(style, fonts=fonts)
    for index in range(60):
        drawn.clear()
        text = synthesizer.sample(1, index).text
        if style == "plate":  # its groups come first, one after the other
            assert any("".join(drawn[:count]) == text for count in (1, 2, 3))
        else:
            assert drawn[0] == text


@pytest.mark.parametrize("character", ["H", "g", "4"])
def test_a_character_is_as_pillow_draws_it(fonts, character):
    from PIL import Image, ImageDraw, ImageFont

    file = next(f for f in fonts.files if f.path.endswith("DejaVuSansMono.ttf"))
    line = set_line(GlyphStore().get(file, 34, character))
    page = Image.new("L", (60, 60))
    font = ImageFont.truetype(file.path, 34, layout_engine=ImageFont.Layout.BASIC)
    ImageDraw.Draw(page).text((20, 40), character, 255, font=font, anchor="ls")
    left, top, right, bottom = page.getbbox()
    np.testing.assert_array_equal(line.mask, np.asarray(page)[top:bottom, left:right])
    assert line.baseline == 40 - top


def test_characters_stand_one_advance_and_the_spacing_apart(fonts):
    file = next(f for f in fonts.files if f.path.endswith("DejaVuSansMono.ttf"))
    line = set_line(GlyphStore().get(file, 34, "Hotel 24"), spacing=5.0)
    np.testing.assert_array_equal(np.diff(line.pens)[:-1], round(34 * 0.602) + 5)


def test_seven_segments_are_those_of_the_digits():
    from aocr_plugin.synthesis.styles.meter import _SEGMENTS

    lit = {digit: len(set(segments)) for digit, segments in _SEGMENTS.items()}
    assert [lit[d] for d in string.digits] == [6, 2, 5, 5, 4, 5, 6, 3, 7, 6]
    assert len({frozenset(segments) for segments in _SEGMENTS.values()}) == len(_SEGMENTS)


def test_the_text_stays_in_the_picture():
    plane = np.full((40, 100), 255, np.uint8)
    box = (0.0, 0.0, 100.0, 40.0)
    view = geometry.View(turn=0.2, slant=0.3, left_right=0.2, up_down=0.1)
    mask, matrix = geometry.seen(plane, box, view, 64, (0.1, 0.1, 0.1, 0.1), 640)
    corners = cv2.perspectiveTransform(
        np.array([[[0, 0], [100, 0], [0, 40], [100, 40]]], float), np.array(matrix)
    )[0]
    assert corners.min() > 0
    assert (corners.max(0) < (mask.shape[1], 64)).all()
    assert mask[[0, -1]].max() == 0
    assert mask[:, [0, -1]].max() == 0


def test_of_other_text_a_crop_shows_a_part():
    from aocr_plugin.synthesis import surroundings

    line, other = set_line([solid(20, 30)] * 3), set_line([solid(20, 30)] * 2)
    sides = surroundings.Sides(True, True, True, True)
    for index in range(200):
        plane, box, margins = surroundings.add(
            line, (0.1, 0.1, 0.1, 0.1), sides, lambda _: other, Dice(0, index)
        )
        left, top, right, bottom = (round(edge) for edge in box)
        np.testing.assert_array_equal(plane[top:bottom, left:right], line.mask)
        for margin in margins:
            assert 0.1 < margin <= 1
        above = plane[top - round(margins[1] * 30) : top]
        rows = above.any(1).sum()
        assert 0 < rows <= 16  # not much more than half of a line of 30
        beside = plane[top:bottom, right : right + round(margins[2] * 30)]
        assert 0 < beside.any(0).sum() <= 10  # half of a character of 20


# ------------------------------------------------------------------ colours
def test_ink_differs_from_its_ground():
    for index in range(3000):
        ground, ink = colours.pair(Dice(1, index), 40.0)
        gray = cv2.cvtColor(np.uint8([[ground, ink]]), cv2.COLOR_BGR2GRAY)[0].astype(int)
        assert abs(gray[0] - gray[1]) >= 38, (ground, ink)


def test_the_contrast_holds_on_the_grounds_that_are_drawn(fonts, monkeypatch):
    lettered, seen = scene.lettered, []

    def noted(ground, mask, ink, around, tall, dice):
        under = cv2.cvtColor(ground, cv2.COLOR_BGR2GRAY)[mask > 200]
        if under.size:
            seen.append(abs(under.astype(float) - colours.luma(ink)))
        return lettered(ground, mask, ink, around, tall, dice)

    monkeypatch.setattr(scene, "lettered", noted)
    samples(Synthesizer(fonts=fonts, contrast=50.0), 200)
    assert np.mean([difference.mean() >= 50 for difference in seen]) > 0.97
    assert np.mean([np.median(difference) for difference in seen]) > 90


def test_digits_on_wheels_differ_from_their_drum(fonts, monkeypatch):
    from aocr_plugin.synthesis.styles import meter
    from aocr_plugin.synthesis.styles.base import Studio

    seen = []

    def noted(ground, ink, mask):
        seen.append(abs(colours.luma(ink) - colours.luma(tuple(map(int, ground[0, 0])))))
        return ground

    monkeypatch.setattr(meter.pictures, "laid", noted)
    style = meter.Meter(Studio(fonts))
    for index in range(100):
        style._wheels("12.345", 40, Dice(0, index))
    assert len(seen) == 500
    assert min(seen) > 100


# ------------------------------------------------------------------ fonts
def test_no_font_is_used_for_what_it_lacks(fonts):
    tables = {file.path: set(FT2Font(file.path).get_charmap()) for file in fonts.files}
    used = set()
    for index, text in enumerate(["Hello", "Straße", "5 €", "Жук", "Ωmega"] * 40):
        file = fonts.choose(text, Dice(0, index))
        assert {ord(c) for c in text if c != " "} <= tables[file.path], (text, file.path)
        used.add(file.path)
    assert len(used) > 8


def test_symbol_fonts_are_left_out(fonts):
    names = {file.path.rsplit("/", 1)[1] for file in fonts.files}
    assert {"DejaVuSans.ttf", "DejaVuSerif-Bold.ttf", "STIXGeneral.ttf"} <= names
    there = {path.name for path in FOLDER.glob("*.ttf")}
    symbols = {"cmex10.ttf", "cmsy10.ttf", "STIXSizOneSymReg.ttf", "STIXNonUni.ttf"}
    assert symbols <= there
    assert not symbols & names


def test_forms_of_fonts(fonts):
    form = {file.path.rsplit("/", 1)[1]: file.form for file in fonts.files}
    assert form["DejaVuSans.ttf"] == form["DejaVuSans-Bold.ttf"] == "plain"
    assert form["DejaVuSerif.ttf"] == form["cmr10.ttf"] == "serif"
    assert form["DejaVuSans-Oblique.ttf"] == "free"
    mono = {file.family for file in fonts.files if file.mono}
    assert mono == {"DejaVu Sans Mono"}


def test_a_font_of_digits_is_used_for_digits_alone(tmp_path):
    make_font(tmp_path / "digits.ttf", string.digits, "Digits")
    make_font(tmp_path / "letters.ttf", string.ascii_letters, "Letters")
    found = find_fonts([tmp_path])
    assert {found.choose("2024", Dice(0, i)).family for i in range(20)} == {"Digits"}
    assert {found.choose("Hotel", Dice(0, i)).family for i in range(20)} == {"Letters"}
    with pytest.raises(FontError, match="no font draws all of 'Hotel24'"):
        found.choose("Hotel24", Dice(0, 0))


def test_a_font_of_capitals_is_not_used_for_small_letters(tmp_path):
    make_font(tmp_path / "caps.ttf", string.ascii_letters, "Caps", same_case=True)
    make_font(tmp_path / "both.ttf", string.ascii_letters, "Both")
    found = find_fonts([tmp_path])
    assert {f.family: f.caps_only for f in found.files} == {"Caps": True, "Both": False}
    assert {found.choose("HOTEL", Dice(0, i)).family for i in range(30)} == {"Caps", "Both"}
    assert {found.choose("Hotel", Dice(0, i)).family for i in range(30)} == {"Both"}


def test_equal_fonts_count_once_and_places_do_not_matter(tmp_path, fonts):
    for place in ("b", "a"):
        (tmp_path / place).mkdir()
        make_font(tmp_path / place / "same.ttf", string.ascii_letters, "Same")
        (tmp_path / place / "broken.ttf").write_bytes(b"no font")
    both = find_fonts([tmp_path])
    assert len(both) == 1
    assert both.fingerprint == find_fonts([tmp_path / "b"]).fingerprint != fonts.fingerprint


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(style="poster"), ConfigError, "no style 'poster'; there are scene, plate"),
        (dict(style={"scene": 0}), ConfigError, "one of them above 0"),
        (dict(height=5), ConfigError, "height is 5; it must be 8 or more"),
        (dict(max_width=5), ConfigError, "max_width is 5"),
        (dict(contrast=300), ConfigError, "contrast is 300"),
        (dict(fonts=["/nowhere"]), FontError, "/nowhere: no such folder or font"),
        (dict(texts=TextSettings(charset="ab中")), FontError, r"no font of \d+ draws .*U\+4E2D"),
        (
            dict(style="meter", texts=TextSettings(charset="abc")),
            ConfigError,
            "style meter draws none of the charset's characters",
        ),
    ],
)
def test_wrong_settings_are_named(fonts, arguments, error, message):
    with pytest.raises(error, match=message):
        Synthesizer(**({"fonts": fonts} | arguments))


def test_no_font_at_all_says_where_to_get_some(tmp_path):
    with pytest.raises(FontError, match=r"no usable font: run tools/fetch_fonts\.py"):
        find_fonts([tmp_path])
