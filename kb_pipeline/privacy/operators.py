"""What a policy does to a value, as operators of presidio-anonymizer.

They are called value by value: the engine of presidio-anonymizer resolves conflicts in quadratic time and knows
nothing of values that are split over cells, so `masking` puts the results in their places itself.
"""

from __future__ import annotations

from typing import Any

from presidio_anonymizer.operators import Operator, OperatorType, Replace

from kb_pipeline.privacy.pseudonyms import partly_shown, pseudonym

REMOVED = "…"  # not nothing: what stood before and behind must not become another value


class Pseudonymize(Operator):
    """A pseudonym that equal values share. Parameters: `entity_type`, `canonical` (what the value's spellings have in
    common), `key`."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:  # noqa: ARG002 - `canonical` is hashed
        given = params or {}
        return pseudonym(given["entity_type"], given["canonical"], given["key"])

    def validate(self, params: dict[str, Any] | None = None) -> None:
        missing = {"entity_type", "canonical", "key"} - set(params or {})
        if missing:
            raise ValueError(f"The operator {self.operator_name()} needs {', '.join(sorted(missing))}.")

    def operator_name(self) -> str:
        return "pseudonym"

    def operator_type(self) -> OperatorType:
        return OperatorType.Anonymize


class ShowPartly(Operator):
    """A few characters of the value and stars for the others. Parameter: `entity_type`."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        return partly_shown((params or {})["entity_type"], text)

    def validate(self, params: dict[str, Any] | None = None) -> None:
        if "entity_type" not in (params or {}):
            raise ValueError(f"The operator {self.operator_name()} needs entity_type.")

    def operator_name(self) -> str:
        return "mask_partly"

    def operator_type(self) -> OperatorType:
        return OperatorType.Anonymize


# Action of a policy -> its operator; a value that is kept is never looked for.
OPERATORS: dict[str, Operator] = {"pseudonym": Pseudonymize(), "mask": ShowPartly(), "remove": Replace()}
