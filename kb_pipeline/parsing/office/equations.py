"""Office MathML as one line of text: x^2, (a+b)/c, √(x), ∑_(i=1)^n a_i."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_DEFAULT_OPERATOR = "∫"  # of an n-ary object that names none (ECMA-376 part 1, 22.1.2.70)


def equation_text(node: Node) -> str:
    """The text of an `m:oMath` or of any part of one."""
    if not isinstance(node.tag, str):
        return ""
    match node.tag.removeprefix(M):
        case "t":
            return node.text or ""
        case "f":
            return f"{_group(node, 'num')}/{_group(node, 'den')}"
        case "sSup":
            return f"{_part(node, 'e')}^{_group(node, 'sup')}"
        case "sSub":
            return f"{_part(node, 'e')}_{_group(node, 'sub')}"
        case "sSubSup":
            return f"{_part(node, 'e')}_{_group(node, 'sub')}^{_group(node, 'sup')}"
        case "rad":
            degree = _part(node, "deg")
            return f"{f'[{degree}]' if degree else ''}√({_part(node, 'e')})"
        case "nary":
            return _nary(node)
        case "d":
            return _delimited(node)
        case "m":
            rows = ["  ".join(equation_text(e) for e in row.iterfind(f"{M}e")) for row in node.iterfind(f"{M}mr")]
            return "; ".join(rows)
        case "eqArr":
            return "; ".join(equation_text(e) for e in node.iterfind(f"{M}e"))
        case _:
            return "".join(equation_text(child) for child in node)


def _nary(node: Node) -> str:
    character = node.find(f"{M}naryPr/{M}chr")
    operator = character.get(f"{M}val", "") if character is not None else _DEFAULT_OPERATOR
    below, above = _group(node, "sub"), _group(node, "sup")
    return operator + (f"_{below}" if below else "") + (f"^{above}" if above else "") + " " + _part(node, "e")


def _delimited(node: Node) -> str:
    marks = {"begChr": "(", "sepChr": "|", "endChr": ")"}
    for name in marks:
        found = node.find(f"{M}dPr/{M}{name}")
        if found is not None:
            marks[name] = found.get(f"{M}val", "")
    inside = marks["sepChr"].join(equation_text(e) for e in node.iterfind(f"{M}e"))
    return marks["begChr"] + inside + marks["endChr"]


def _part(node: Node, name: str) -> str:
    child = node.find(f"{M}{name}")
    return "" if child is None else equation_text(child)


def _group(node: Node, name: str) -> str:
    """A part in brackets where it is more than one number or letter."""
    text = _part(node, name)
    return text if len(text) <= 1 or text.isalnum() else f"({text})"
