"""Numbers as lists show them."""

from __future__ import annotations

import pytest

from kb_pipeline.parsing.office.counting import number_text


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (3, "decimal", "3"),
        (3, "decimalZero", "03"),
        (1994, "upperRoman", "MCMXCIV"),
        (28, "lowerLetter", "bb"),
        (10, "chineseCountingThousand", "十"),
        (12, "japaneseCounting", "十二"),
        (20, "chineseCounting", "二十"),
        (105, "chineseCountingThousand", "一百零五"),
        (110, "chineseCountingThousand", "一百一十"),
        (12, "ideographDigital", "一二"),
        (23, "chineseLegalSimplified", "贰拾叁"),
        (3, "ideographTraditional", "丙"),
        (3, "decimalEnclosedCircleChinese", "③"),
        (12, "decimalFullWidth", "１２"),
        (22, "ordinal", "22nd"),
        (2, "ordinalText", "Second"),
        (2, "none", ""),
        (99, "decimalEnclosedCircle", "99"),
        (7, "a format of another planet", "7"),
    ],
)
def test_a_number_is_written_as_its_format_says(value: int, number_format: str, shown: str) -> None:
    assert number_text(value, number_format) == shown
