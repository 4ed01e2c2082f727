"""Masking: no personal value gets past this module into anything that is stored.

A `MaskingPolicy` says which entities are masked, a `Masker` applies it with the site's key. Presidio is
imported when the first text that may hold something is masked; most texts are cleared by a cheap pattern
first, which never changes the result. Masking masked text changes nothing.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import SettingsError
from kb_pipeline.parsing.elements import CleanedDocument, DroppedText, Element
from kb_pipeline.privacy.detection import DETECTORS, trigger
from kb_pipeline.privacy.pseudonyms import PSEUDONYM, key_id

if TYPE_CHECKING:
    from presidio_analyzer import RecognizerResult
    from presidio_anonymizer.entities import RecognizerResult as PlacedResult

DETECTION_VERSION = 1  # Raise when the same policy and key mask the same text differently.

BATCH_RESULTS = 64  # the anonymizer's conflict resolution is quadratic in this
BATCH_CHARACTERS = 20_000  # and its replacing copies the text once for each result

_CELL = "\ue000"  # private use: never in a text that was cleaned, never part of a number
_MARKUP = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MaskingPolicy:
    """Which entity types are replaced by pseudonyms. Raises SettingsError for an unknown one."""

    entities: tuple[str, ...] = tuple(sorted(DETECTORS))
    version: int = DETECTION_VERSION

    def __post_init__(self) -> None:
        unknown = sorted(set(self.entities) - set(DETECTORS))
        if unknown:
            raise SettingsError(f"Masking does not know {', '.join(unknown)}: use some of {', '.join(DETECTORS)}.")


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text without personal values; `counts`: entity type -> how many were masked in it."""

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Masker:
    """Applies one policy with one key. Plain data: it can be sent to another process."""

    policy: MaskingPolicy
    key: bytes = field(repr=False)

    @property
    def fingerprint_parts(self) -> tuple[Any, ...]:
        """What masked text depends on besides the text: for `settings.fingerprint`."""
        return ("masking", self.policy.version, sorted(self.policy.entities), key_id(self.key))

    def mask(self, text: str) -> MaskedText:
        """`text` with every personal value replaced by its pseudonym."""
        counts: Counter[str] = Counter()
        if not self.policy.entities:
            return MaskedText(text)
        pattern = trigger(self.policy.entities)
        # A second pass sees what the first one uncovered, for example a label that came within reach of
        # a number: only a pass that finds nothing ends it, so masked text stays as it is.
        while pattern.search(text):
            results = self._analyse(text)
            if not results:
                break
            counts.update(result.entity_type for result in results)
            text = "".join(self._replace(piece, found) for piece, found in _batches(text, results))
        return MaskedText(text, dict(counts))

    def mask_html(self, markup: str) -> MaskedText:
        """An HTML table with its text and attributes masked; the markup stays as it is.

        Each stretch of text between two tags is masked by itself, though labels in neighbouring cells are
        seen. A number that inline tags cut in two is not found: parsers write cells without inline tags.
        """
        tags = _MARKUP.findall(markup)
        joined = self.mask(_CELL.join(html.unescape(text) for text in _MARKUP.split(markup)))
        attributes = self.mask(_CELL.join(tags))
        counts = Counter(joined.counts)
        counts.update(attributes.counts)
        if not counts:
            return MaskedText(markup)
        texts = [html.escape(text, quote=False) for text in joined.text.split(_CELL)]
        tags = [PSEUDONYM.sub(lambda m: html.escape(m[0]), tag) for tag in attributes.text.split(_CELL)] if tags else []
        pieces = [piece for pair in zip(texts, [*tags, ""], strict=True) for piece in pair]
        return MaskedText("".join(pieces), dict(counts))

    def mask_document(self, document: CleanedDocument) -> CleanedDocument:
        """A document with all its texts masked: elements, headings, tables, metadata and what was dropped.

        The counts are those of the elements' texts; repeated forms (table HTML, heading paths) are not
        counted again.
        """
        counts: Counter[str] = Counter(document.privacy_counts)
        elements = []
        for element in document.elements:
            masked = self.mask(element.text)
            counts.update(masked.counts)
            elements.append(self._mask_element(element, masked.text))
        dropped = tuple(DroppedText(d.reason, self.mask(d.text).text, d.page_number) for d in document.dropped)
        return replace(
            document,
            elements=tuple(elements),
            dropped=dropped,
            privacy_counts=dict(counts),
            metadata=self._mask_values(document.metadata),
            warnings=tuple(self.mask(warning).text for warning in document.warnings),
        )

    def _mask_element(self, element: Element, text: str) -> Element:
        return replace(
            element,
            text=text,
            section_path=tuple(self.mask(heading).text for heading in element.section_path),
            html=None if element.html is None else self.mask_html(element.html).text,
            metadata=self._mask_values(element.metadata),
        )

    def _mask_values(self, value: Any) -> Any:
        """JSON-like data with its strings masked, keys included."""
        if isinstance(value, str):
            return self.mask(value).text
        if isinstance(value, Mapping):
            return {self._mask_values(name): self._mask_values(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._mask_values(item) for item in value)
        return value

    def _analyse(self, text: str) -> list[RecognizerResult]:
        """Disjoint results in text order; of two that overlap the more certain, then the longer one."""
        from kb_pipeline.privacy.recognizers import LANGUAGE, analyzer_engine

        engine = analyzer_engine(tuple(sorted(self.policy.entities)))
        results = engine.analyze(text, language=LANGUAGE, entities=list(self.policy.entities))
        kept: list[RecognizerResult] = []
        for result in sorted(results, key=lambda r: (r.start, -r.score, -r.end)):
            if not kept or result.start >= kept[-1].end:
                kept.append(result)
            elif (result.score, result.end - result.start) > (kept[-1].score, kept[-1].end - kept[-1].start):
                kept[-1] = result
        return kept

    def _replace(self, text: str, results: list[PlacedResult]) -> str:
        if not results:
            return text
        from presidio_anonymizer.entities import OperatorConfig

        from kb_pipeline.privacy.recognizers import PseudonymOperator, anonymizer_engine

        operators = {"DEFAULT": OperatorConfig(PseudonymOperator.NAME, {"key": self.key})}
        # Two phone numbers with a blank between them are two phone numbers.
        outcome = anonymizer_engine().anonymize(text, results, operators, merge_entities_with_spaces=False)
        return str(outcome.text)


def _batches(text: str, results: list[RecognizerResult]) -> Iterator[tuple[str, list[PlacedResult]]]:
    """Consecutive pieces of `text` that cut no result, each with its few results, positions from the piece."""
    start = 0
    batch: list[RecognizerResult] = []
    for result in results:
        if batch and (len(batch) == BATCH_RESULTS or result.end - start > BATCH_CHARACTERS):
            end = batch[-1].end
            yield text[start:end], _shifted(batch, start)
            start, batch = end, []
        batch.append(result)
    yield text[start:], _shifted(batch, start)


def _shifted(results: list[RecognizerResult], offset: int) -> list[PlacedResult]:
    from presidio_anonymizer.entities import RecognizerResult as PlacedResult

    return [PlacedResult(r.entity_type, r.start - offset, r.end - offset, r.score) for r in results]
