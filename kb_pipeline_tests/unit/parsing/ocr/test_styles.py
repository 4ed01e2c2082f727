from __future__ import annotations

import pytest

from kb_pipeline.parsing.ocr.styles import Measure, styles

LETTERS = 40  # of a full line
ASCENDING, SMALL = (0.715, 0.21), (0.49, 0.0)  # reaches of words


def line(
    top: float, em: float, *, letters: int = LETTERS, stroke: float = 0.1, x0: float = 72.0, cjk: bool = True
) -> Measure:
    return Measure(letters, x0, x0 + letters * em, top, em, stroke, cjk)


def body(count: int = 20, top: float = 200.0) -> list[Measure]:
    """Paragraphs of two lines in 10 points, measured with some scatter."""
    scatter = (1.0, 1.01, 1.0, 1.02)
    return [line(top + 14 * number + 20 * (number // 2), 10 * scatter[number % 4]) for number in range(count)]


def test_the_lines_of_a_heading_have_one_style_whatever_was_measured() -> None:
    heading = [line(100, 11.2, stroke=0.13), line(114, 10.8, letters=9, stroke=0.122)]
    found = styles([[*heading, *body()]])[0]
    assert found[0] == found[1]
    assert found[0] == pytest.approx((11.2, True))
    assert set(found[2:]) == {(10.0, False)}


def test_bold_lines_slightly_larger_than_the_text_have_a_size_of_their_own() -> None:
    headings = [line(100 + 40 * number, 10.8 + 0.05 * number, letters=16, stroke=0.13) for number in range(2)]
    found = styles([[*headings, *body()]])[0]
    assert {size for size, _ in found[:2]} == {found[0][0]}
    assert found[0][0] > 10.5
    assert found[0][1]


def test_a_line_of_text_that_was_measured_too_large_is_text() -> None:
    found = styles([[*body(), line(1200, 10.7)]])[0]
    assert found[-1] == (10.0, False)


def test_text_that_was_measured_as_large_as_bold_headings_is_text() -> None:
    headings = [line(40 + 40 * number, 12.0, letters=16, stroke=0.13) for number in range(4)]
    found = styles([[*headings, *body(), line(1200, 12.0, letters=9, stroke=0.085)]])[0]
    assert found[:4] == [(12.0, True)] * 4
    assert found[-1] == (10.0, False)


def test_headings_of_two_sizes_one_below_the_other_are_not_put_together() -> None:
    found = styles([[line(100, 14.0, letters=12, stroke=0.13), line(126, 12.0, letters=12, stroke=0.13), *body()]])[0]
    assert [size for size, _ in found[:2]] == [14.0, 12.0]


def test_words_of_small_letters_alone_are_as_large_as_the_font_makes_them() -> None:
    text = [
        Measure(LETTERS, 72, 472, 200 + 30 * number, 10.0, 0.1, False, ((ASCENDING, 1.0),) * 4 + ((SMALL, 1.2),))
        for number in range(12)
    ]
    alone = Measure(4, 72, 92, 700, 12.0, 0.1, False, ((SMALL, 1.0),))
    assert styles([[*text, alone]])[0][-1][0] == 10.0


def test_a_document_without_text_has_no_styles() -> None:
    assert styles([[], []]) == [[], []]
