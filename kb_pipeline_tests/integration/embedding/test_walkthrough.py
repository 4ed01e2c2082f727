"""The notebook runs from top to bottom, against the CPU server, and its text tells the truth about what comes out."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


def run_cells(notebook: dict[str, Any]) -> list[Any]:
    """Run the code cells in order, in one namespace; the value of the last line of each, as Jupyter shows it."""
    names: dict[str, Any] = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        *body, last = ast.parse("".join(cell["source"])).body
        value = last if isinstance(last, ast.Expr) else None
        if value is None:
            body.append(last)
        exec(compile(ast.Module(body, []), cell["id"], "exec"), names)  # noqa: S102 - our own notebook
        shown.append(eval(compile(ast.Expression(value.value), cell["id"], "eval"), names) if value else None)  # noqa: S307
    return shown


def test_the_walkthrough_runs_against_the_cpu_server(
    cpu_embedding_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("KB_EMBEDDING_URL", cpu_embedding_url)
    monkeypatch.setenv("KB_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(EXAMPLES)
    notebook = json.loads((EXAMPLES / "embedding_walkthrough.ipynb").read_text("utf-8"))
    assert all(not cell.get("outputs") for cell in notebook["cells"])  # what is shown is what the reader's model gives
    shown = run_cells(notebook)
    printed = capsys.readouterr().out
    assert "multilingual-e5-small: 384 dimensions, 512 tokens of context" in printed
    assert "cut to 256 and renormalised: length 1.0" in printed
    assert "264 sentences" in printed
    found = int(printed.partition(" of 11 chapter beginnings were found")[0].rsplit(maxsplit=1)[-1])
    assert found >= 9
    assert "rented branches" in printed.partition("-> piece")[2].splitlines()[0]
    assert "sorts by matter" in printed
    (heat_map,) = [value for value in shown if hasattr(value, "_repr_html_")]
    assert heat_map._repr_html_().count("<td") == 16
