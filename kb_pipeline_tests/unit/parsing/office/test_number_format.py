"""Numbers and dates as a spreadsheet shows them. The expected texts are what Excel shows for the codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.parsing.office.built_in_formats import BUILT_IN_FORMATS
from kb_pipeline.parsing.office.number_format import format_number, format_text

DAY = 45047  # 2023-05-01, a Monday
ACCOUNTING = '_-* #,##0.00_-;-* #,##0.00_-;_-* "-"??_-;_-@_-'


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (1234.5, "General", "1234.5"),
        (0.1 + 0.2, "General", "0.3"),
        (1e20, "General", "1E+20"),
        (1234.5, "#,##0.00", "1,234.50"),
        (-1234.5, "#,##0.00", "-1,234.50"),
        (2.675, "0.00", "2.68"),
        (-0.001, "0.0", "0.0"),
        (7, "000", "007"),
        (12345.678, "#,##0.0#", "12,345.68"),
        (0.125, "0.0%", "12.5%"),
        (1234.5, "¥#,##0.00", "¥1,234.50"),
        (1234567, "[$¥-804]#,##0", "¥1,234,567"),
        (1234.5, '"¥"#,##0.00_);[Red]("¥"#,##0.00)', "¥1,234.50"),
        (-1234.5, '"¥"#,##0.00_);[Red]("¥"#,##0.00)', "(¥1,234.50)"),
        (1234.5, ACCOUNTING, "1,234.50"),
        (0, ACCOUNTING, "-"),
        (12, '0"件"', "12件"),
        (1234567, '0.0,,"M"', "1.2M"),
        (1234567, "#,##0,", "1,235"),
        (12345, "0.00E+00", "1.23E+04"),
        (2.5, "# ?/?", "2 1/2"),
        (13800001111, "000-0000-0000", "138-0000-1111"),
        (150, '[>100]"high";"low"', "high"),
        (123456789, '0!.0,"万"', "12345.7万"),
        (123456789, "0!.0000", "12345.6789"),
        (8, '@"先生"', "8先生"),
        (-8.5, "@", "-8.5"),
    ],
)
def test_numbers(value: float, code: str, shown: str) -> None:
    assert format_number(value, code) == shown


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (DAY, "yyyy-mm-dd", "2023-05-01"),
        (DAY, BUILT_IN_FORMATS[14], "2023-05-01"),
        (DAY, '[$-804]yyyy"年"m"月"d"日";@', "2023年5月1日"),
        (DAY, r"[$-F800]dddd\,\ mmmm\ dd\,\ yyyy", "2023-05-01"),
        (DAY, "d-mmm-yy", "1-May-23"),
        (DAY, "aaaa", "星期一"),
        (DAY + 0.75, "yyyy/m/d h:mm", "2023/5/1 18:00"),
        (0.5, "h:mm AM/PM", "12:00 PM"),
        (0.75, '上午/下午h"时"mm"分"', "下午6时00分"),
        (1.5, "[h]:mm", "36:00"),
        (0.04237, "mm:ss.0", "01:00.8"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (61, "yyyy-mm-dd", "1900-03-01"),
    ],
)
def test_dates_and_times(value: float, code: str, shown: str) -> None:
    assert format_number(value, code) == shown


def test_a_workbook_may_count_days_from_1904() -> None:
    assert format_number(DAY - 1462, "yyyy-mm-dd", epoch_1904=True) == "2023-05-01"


def test_a_date_out_of_range_is_shown_as_its_number() -> None:
    assert format_number(-5, "yyyy-mm-dd") == "-5"


def test_only_a_code_with_a_place_for_text_changes_text() -> None:
    assert format_text("3", '@"件"') == "3件"
    assert format_text("3", "0.00") == "3"


@given(st.floats(), st.text(alphabet='0#?.,;%yMmdhsE+-[]"\\_*@/ ¥年>1AP', max_size=20))
def test_no_code_is_ever_an_error(value: float, code: str) -> None:
    assert isinstance(format_number(value, code), str)
