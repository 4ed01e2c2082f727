"""What benchmarks/parsing_tools.py hands back to the benchmark that started it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

import parsing_tools


def test_a_result_is_one_line_whatever_characters_a_document_holds() -> None:
    pieces = [{"kind": "text", "text": "one\u2028two\x85three\udc80"}]
    report = io.BytesIO()
    with io.TextIOWrapper(report, encoding="utf-8") as out:
        parsing_tools._write(out, {"pieces": pieces})
        out.flush()
        lines = report.getvalue().decode("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"pieces": pieces}]
