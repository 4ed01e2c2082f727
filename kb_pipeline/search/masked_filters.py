"""Filters over masked text: a value is compared in every form in which it may be stored."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from kb_pipeline.fields.values import as_labelled, without_label
from kb_pipeline.store.conditions import And, Column, Comparison, Membership, Node, Not, Or

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Columns whose stored text went through masking, so that a filter on them has to as well.
MASKED_COLUMNS = frozenset({"collection", "metadata", "section_title", "source_file"})


def mask_values(node: Node, forms: Callable[[str], Sequence[str]]) -> Node:
    """`node` with the compared texts in every form in which they may be stored, so that a masked value is found.

    `forms`: those of one text; the first is the one that it is masked to.
    """
    match node:
        case Comparison(column, _, str(value)) if _is_masked(column):
            return _in_every_form(node, value, _forms_in(column, forms))
        case Membership(column, values) if _is_masked(column):
            own = _forms_in(column, forms)
            found = [form for value in values for form in (own(value) if isinstance(value, str) else [value])]
            return replace(node, values=tuple(dict.fromkeys(found)))
        case Not(inner):
            return Not(mask_values(inner, forms))
        case And(left, right):
            return And(mask_values(left, forms), mask_values(right, forms))
        case Or(left, right):
            return Or(mask_values(left, forms), mask_values(right, forms))
        case _:
            return node


def _is_masked(column: Column) -> bool:
    return column.name in MASKED_COLUMNS or column.field in {"text", "list of text"}


def _forms_in(column: Column, forms: Callable[[str], Sequence[str]]) -> Callable[[str], Sequence[str]]:
    """`forms` of what stands in `column`: a value of a field is masked behind the field's name, which may say what it
    is."""

    def labelled(value: str) -> Sequence[str]:
        text = unicodedata.normalize("NFC", value)
        found = [without_label(column.name, form) for form in forms(as_labelled(column.name, text))]
        return list(dict.fromkeys(form for form in found if form is not None)) or [forms(text)[0]]

    return forms if column.field is None else labelled


def _in_every_form(node: Comparison, value: str, forms: Callable[[str], Sequence[str]]) -> Node:
    match node.operator:
        case "=":
            return Membership(node.column, tuple(forms(value)))
        case "<>":
            return Not(Membership(node.column, tuple(forms(value))))
        case "like" | "ilike":
            words = value.strip("%")
            before, _, after = value.partition(words) if words else (value, "", "")
            nodes: list[Node] = [replace(node, value=f"{before}{form}{after}") for form in forms(words)]
            return reduce(Or, nodes)
        case _:  # what stands for a value has no order
            return replace(node, value=forms(value)[0])
