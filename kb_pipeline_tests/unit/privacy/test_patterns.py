"""No pattern takes longer than the length of a text allows, whatever the text is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

import pytest

from kb_pipeline.privacy import detection, detectors, pseudonyms, tables
from kb_pipeline.privacy.detection import prepared
from kb_pipeline.privacy.detectors.catalogue import DETECTORS

MODULES = (
    *(detection, pseudonyms, tables),
    *(import_module(f"{detectors.__name__}.{found.name}") for found in iter_modules(detectors.__path__)),
)
PATTERNS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}
# What patterns with repetitions stumble over: nearly a value, again and again.
UNITS = (
    *("1", "1 ", "1,111", "12-", "0", "+1 ", "a", "a.", "a-", "a@", "A1", "(", " ", "\n", "\t|", "<", ":", "://a:"),
    *(
        "汉",
        "王",
        "路1号",
        "联系人：",
        "地址：北京市",
        "一",
        "十万",
        "壹",
        "人民币",
        "¥1",
        "1.",
        "password=",
        "Mr ",
        "Aa ",
    ),
    *("eyJa.", "::1", "-----BEGIN PRIVATE KEY-----", "1990年", "QQ:", "0a0A0", "62220212", "1 Aa ", "A" * 30 + " "),
    *("John Smith ", "John van ", "John J. ", "O'Aa-", "Wei ", "Thanks John ", "Aa Bb Park "),
    *("1 rue de la ", "Via Aa ", "Aaweg 1, ", "Box 1, Aa ", "1 Aa Suite 1\n", "1 Aa 1 Unit 1, Aa "),
)
LENGTH = 4_000
MOST_SECONDS = 0.5  # CPU; a pattern that is fine needs about a thousandth


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_no_pattern_backtracks_without_end(name: str) -> None:
    for unit in UNITS:
        text = unit * (LENGTH // len(unit))
        started = time.process_time()
        for _ in PATTERNS[name].finditer(text):
            pass
        assert time.process_time() - started < MOST_SECONDS, unit


@pytest.mark.parametrize("entity", sorted(DETECTORS))
def test_a_detector_takes_time_in_proportion_to_the_text(entity: str) -> None:
    detector = DETECTORS[entity]
    for unit in UNITS:
        seconds = []
        for length in (5_000, 20_000):
            text = prepared(unit * (length // len(unit)))
            # The least of three: whatever else the machine does only adds.
            seconds.append(min(_cpu_seconds(detector.find, text) for _ in range(3)))
        assert seconds[1] < 10 * seconds[0] + 0.1, unit


def _cpu_seconds(find: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    find(text)
    return time.process_time() - started
