"""Masking: no personal value gets past this module into anything that is stored.

A `Masker` applies one policy with the site's key. Presidio and the detectors, with their patterns, are imported when
the first text is masked. Masking masked text changes nothing.

Terms
  piece    a stretch of text that is masked: a paragraph, the text of a table cell.
  lead     what stands before a piece and is only looked at: a line break, the header of a column. Pieces are
           looked at joined, so that a label in one of them counts for the value in the next, and a value that
           is split over two of them is found; its pseudonym then stands in the first.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any

from kb_pipeline.parsing.elements import CleanedDocument, DroppedText, Element
from kb_pipeline.parsing.tables import html_to_rows, rows_to_text
from kb_pipeline.privacy.detection import CELL, HIDDEN, fold, simplified
from kb_pipeline.privacy.pieces import is_left, put_in, stretches, widened
from kb_pipeline.privacy.policy import MaskingPolicy, SiteTerms
from kb_pipeline.privacy.pseudonyms import PSEUDONYM, key_id, pseudonym
from kb_pipeline.privacy.tables import Cells, as_lead, labels_of, split_numbers, stands_alone, unit_of

if TYPE_CHECKING:
    from presidio_analyzer import RecognizerResult

BATCH_NAMES = 400
MOST_QUERY_PARTS = 16  # of a query that are looked at behind labels
MOST_STAND_INS = 64  # that a query is looked up by
BATCH_CHARACTERS = 20_000  # of neighbouring paragraphs that are looked at together
# Masked text is looked at again, since what was uncovered may be a value; more passes change next to nothing.
MOST_PASSES = 8


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text without personal values; `counts`: entity type -> how many were masked in it."""

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """`text[start:end]` is `entity`."""

    entity: str
    start: int
    end: int


@dataclass(frozen=True)
class Masker:
    """Applies one policy with one key. Plain data: it can be sent to another process."""

    policy: MaskingPolicy
    key: bytes = field(repr=False)

    @property
    def policy_json(self) -> dict[str, Any]:
        """The policy as it may be stored."""
        return self.policy.as_json(self.key)

    @property
    def fingerprint_parts(self) -> tuple[Any, ...]:
        """What masked text depends on besides the text: for `settings.fingerprint`."""
        return ("masking", self.policy_json, key_id(self.key))

    def mask(self, text: str) -> MaskedText:
        """`text` with every personal value replaced as the policy says."""
        lines = text.splitlines(keepends=True) or [text]
        masked, counts = self._mask_pieces(lines, [""] * len(lines))
        return MaskedText("".join(masked), dict(counts))

    def mask_apart(self, texts: Sequence[str]) -> list[str]:
        """Each of many short texts masked as if it stood alone."""
        masked: list[str] = []
        for start in range(0, len(texts), BATCH_NAMES):
            batch = texts[start : start + BATCH_NAMES]
            masked += self._mask_pieces(batch, [_APART] * len(batch))[0]
        return masked

    def findings(self, text: str) -> list[Finding]:
        """Disjoint findings in text order, as the first look at `text` gives them."""
        return [Finding(r.entity_type, r.start, r.end) for r in self._analyse(text)]

    def possible_stand_ins(self, query: str) -> list[str]:
        """What may stand in stored text for what `query` names, whatever stood beside it there.

        A document is masked with its labels and titles and a query has none, so each part of it is looked at behind
        every label, and wherever a word begins like a name.
        """
        from kb_pipeline.privacy.detectors.chinese_words import names_of_any_length

        if not self.policy.masked:
            return []
        parts = [query.strip(), *_QUERY_PARTS.findall(query)]
        # Names in small letters, too: equal names are equal however they are written.
        parts = list(dict.fromkeys([*parts, *(part.title() for part in parts if part.islower())]))[:MOST_QUERY_PARTS]
        asked = self.policy.masked, self.policy.terms, self.policy.ner_model
        found = {named for part in parts for named in _named_behind_labels(part, *asked)}
        if "PERSON" in self.policy.masked:
            found |= {("PERSON", name) for name in names_of_any_length(simplified(fold(query)))}
        shown = [(entity, value) for entity, value in found if self.policy.actions[entity] != "remove"]
        return sorted({self._stand_in(entity, value) for entity, value in shown})[:MOST_STAND_INS]

    def mask_paths(self, paths: Sequence[str]) -> list[str]:
        """Relative paths with the values in their names replaced.

        Always by pseudonyms, and those of the spelling as it is, since two files must stay two.
        """
        names = list(dict.fromkeys(name for path in paths for name in path.split("/")))
        masked: dict[str, str] = {}
        for start in range(0, len(names), BATCH_NAMES):
            batch = names[start : start + BATCH_NAMES]
            stems, suffixes = zip(*map(_stem_and_suffix, batch), strict=True)
            found, _ = self._mask_pieces(stems, [_APART] * len(stems), self._stand_in_name, _seen_name)
            masked.update(zip(batch, map(str.__add__, found, suffixes), strict=True))
        return ["/".join(masked[name] for name in path.split("/")) for path in paths]

    def _stand_in_name(self, entity: str, value: str) -> str:
        return pseudonym(entity, fold(value), self.key)

    def mask_html(self, markup: str) -> MaskedText:
        """An HTML table with its text and attributes masked; the markup stays as it is.

        A value that inline tags, cells or the lines of a cell cut into pieces is found; labels in the cell
        before and in the header of the column count.
        """
        cells = Cells.of(markup)
        counts: Counter[str] = Counter()
        for context, group in split_numbers(cells):
            self._mask_split_number(cells.texts, context, group, counts)
        labels = labels_of(cells)
        for label, labelled in labels.groups.items():
            self._mask_amounts(cells.texts, unit_of(label, labels.unit), labelled, counts)
            leads = [f"{CELL}{as_lead(label)}："] * len(labelled)
            pieces, found = self._mask_pieces([cells.texts[index] for index in labelled], leads)
            counts.update(found)
            for index, piece in zip(labelled, pieces, strict=True):
                cells.texts[index] = piece
        filled, leads = cells.filled
        texts, found = self._mask_pieces([cells.texts[index] for index in filled], leads)
        counts.update(found)
        for index, text in zip(filled, texts, strict=True):
            cells.texts[index] = text
        telling = cells.telling_tags
        tags, found = self._mask_pieces([cells.tags[index] for index in telling], [CELL] * len(telling))
        counts.update(found)
        if not counts:
            return MaskedText(markup)
        return MaskedText(cells.markup(dict(zip(telling, tags, strict=True))), dict(counts))

    def mask_document(self, document: CleanedDocument) -> CleanedDocument:
        """A document with all its texts masked: elements, headings, tables, metadata and what was dropped.

        The counts are those of the elements' texts and of the cells of tables; repeated forms (a table's plain text,
        heading paths) are not counted again.
        """
        counts: Counter[str] = Counter(document.privacy_counts)
        # The plain text of a table follows its cells.
        paragraphs = [element.text if element.html is None else "" for element in document.elements]
        texts = self._mask_paragraphs(paragraphs, counts)
        headings = {e.text: t for e, t in zip(document.elements, texts, strict=True) if e.category == "Title"}
        elements = tuple(
            self._mask_element(element, text, headings, counts)
            for element, text in zip(document.elements, texts, strict=True)
        )
        dropped = self._mask_paragraphs([item.text for item in document.dropped], Counter())
        return replace(
            document,
            elements=elements,
            dropped=tuple(
                DroppedText(item.reason, text, item.page_number)
                for item, text in zip(document.dropped, dropped, strict=True)
            ),
            privacy_counts=dict(counts),
            metadata=self._mask_values(document.metadata),
            warnings=tuple(self.mask(warning).text for warning in document.warnings),
        )

    def _mask_paragraphs(self, texts: Sequence[str], counts: Counter[str]) -> list[str]:
        """Neighbouring texts, some at a time."""
        masked: list[str] = []
        batch: list[str] = []
        length = 0
        for text in (*texts, None):
            if batch and (text is None or length + len(text) > BATCH_CHARACTERS):
                pieces, found = self._mask_pieces(batch, ["\n"] * len(batch))
                counts.update(found)
                masked += pieces
                batch, length = [], 0
            if text is not None:
                batch.append(text)
                length += len(text)
        return masked

    def _mask_element(self, element: Element, text: str, headings: Mapping[str, str], counts: Counter[str]) -> Element:
        markup = element.html
        if markup is not None:
            table = self.mask_html(markup)
            counts.update(table.counts)
            if element.text == rows_to_text(html_to_rows(markup)[0]):
                # Labels and split cells give away more than the plain text shows.
                text = rows_to_text(html_to_rows(table.text)[0]) if table.counts else element.text
            else:
                text = self.mask(element.text).text
            markup = table.text
        return replace(
            element,
            text=text,
            section_path=tuple(headings.get(heading) or self.mask(heading).text for heading in element.section_path),
            html=markup,
            metadata=self._mask_values(element.metadata),
        )

    def _mask_values(self, value: Any) -> Any:
        """JSON-like data with its texts, numbers and dates masked, keys included; a key is the label of its value."""
        if isinstance(value, Mapping):
            return {self._mask_values(name): self._mask_labelled(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._mask_values(item) for item in value)
        return self._mask_scalar(value, "")

    def _mask_labelled(self, name: str, value: Any) -> Any:
        if isinstance(value, Mapping | list | tuple):
            return self._mask_values(value)
        return self._mask_scalar(value, f"{name.capitalize()}: ")

    def _mask_scalar(self, value: Any, lead: str) -> Any:
        """A text masked; a number or date too, which stays what it is where nothing is found in it."""
        if value is None or isinstance(value, bool):
            return value
        (text,), counts = self._mask_pieces([str(value)], [lead])
        return text if counts or isinstance(value, str) else value

    def _mask_pieces(
        self,
        pieces: Sequence[str],
        leads: Sequence[str],
        stand_in: Callable[[str, str], str] | None = None,
        seen: Callable[[str], str] = str,
    ) -> tuple[list[str], Counter[str]]:
        """Each of `pieces` masked, looked at behind its lead and beside its neighbours.

        `seen`: what of a piece is looked at, of equal length; `stand_in`: what replaces a value.
        """
        stand_in = stand_in or self._stand_in
        counts: Counter[str] = Counter()
        if not self.policy.masked or not any(pieces):
            return list(pieces), counts
        parts = list(map(stretches, pieces))
        texts = [text for part in parts for text in part]
        before = [lead for part, first in zip(parts, leads, strict=True) for lead in (first, *[""] * (len(part) - 1))]
        # What stands far from any change was looked at with the same surroundings before.
        focus: Sequence[int] = range(len(texts))
        surroundings: Sequence[int] = focus
        for _ in range(MOST_PASSES):
            changed = self._one_pass(texts, before, (focus, surroundings), counts, stand_in, seen)
            focus = [index for index in widened(changed, texts) if is_left(texts[index])]
            if not focus:
                break
            surroundings = widened(focus, texts)
        masked = iter(texts)
        return ["".join(islice(masked, len(part))) for part in parts], counts

    def _one_pass(
        self,
        texts: list[str],
        leads: Sequence[str],
        places: tuple[Sequence[int], Sequence[int]],
        counts: Counter[str],
        stand_in: Callable[[str, str], str],
        seen: Callable[[str], str],
    ) -> list[int]:
        """Look at some of `texts` and mask in place; returns which changed.

        `places`: the indexes where values are replaced, and those that are looked at, in order.
        """
        focus, looked_at = places
        parts = [texts[index] for index in looked_at]
        gaps = [
            leads[index] if not number or looked_at[number - 1] == index - 1 else _APART + leads[index]
            for number, index in enumerate(looked_at)
        ]
        ends = list(accumulate(len(gap) + len(part) for gap, part in zip(gaps, parts, strict=True)))
        joined = "".join(piece for pair in zip(gaps, map(seen, parts), strict=True) for piece in pair)
        written = "".join(piece for pair in zip(gaps, parts, strict=True) for piece in pair)
        wanted = set(focus)
        found = [
            (r.entity_type, r.start, r.end, stand_in(r.entity_type, written[r.start : r.end]))
            for r in self._analyse(joined)
            if (place := bisect_right(ends, r.start)) < len(parts) and looked_at[place] in wanted
        ]
        changed = put_in(parts, ends, found, counts)
        for number in changed:
            texts[looked_at[number]] = parts[number]
        return [looked_at[number] for number in changed]

    def _stand_in(self, entity: str, value: str) -> str:
        from kb_pipeline.privacy.detectors.catalogue import canonical
        from kb_pipeline.privacy.operators import OPERATORS, REMOVED

        return OPERATORS[self.policy.actions[entity]].operate(
            value.replace(CELL, ""),
            {"entity_type": entity, "canonical": canonical(entity, value), "key": self.key, "new_value": REMOVED},
        )

    def _mask_amounts(self, texts: list[str], unit: str | None, column: Sequence[int], counts: Counter[str]) -> None:
        """The bare numbers whose label names their currency, as in 金额（万元）."""
        from kb_pipeline.privacy.detectors.amounts import is_number

        if unit is None or self.policy.actions["AMOUNT"] == "keep":
            return
        for index in column:
            if is_number(texts[index]):
                number = texts[index].strip().strip("()-")
                texts[index] = self._stand_in("AMOUNT", f"{number}{unit}" if unit[0] not in "$¥€£" else unit + number)
                counts["AMOUNT"] += 1

    def _mask_split_number(self, texts: list[str], context: str, cells: Sequence[int], counts: Counter[str]) -> None:
        """A number that is written over several cells of a row goes into the first of them."""
        parts = [texts[index].strip() for index in cells]
        number = "".join(parts)
        lead = f"{context}："
        found = [r for r in self._analyse(lead + number) if (r.start, r.end) == (len(lead), len(lead + number))]
        entity = found[0].entity_type if found else None
        sure = entity in _CHECKSUMMED or stands_alone(parts) or _NUMBER_LABEL.search(context)
        if entity is not None and sure:
            counts[entity] += 1
            texts[cells[0]] = self._stand_in(entity, number)
            for index in cells[1:]:
                texts[index] = ""

    def _analyse(self, text: str) -> list[RecognizerResult]:
        from kb_pipeline.privacy.recognizers import analysed

        return analysed(text, self.policy.masked, self.policy.terms, self.policy.ner_model)


@lru_cache(maxsize=4_096)  # people ask with the same words again and again
def _named_behind_labels(
    part: str, entities: tuple[str, ...], terms: SiteTerms, ner_model: str | None
) -> frozenset[tuple[str, str]]:
    """What a part of a query may be behind a label: (entity, value)."""
    from kb_pipeline.privacy.recognizers import analysed

    text = _APART.join(f"{label}{part}" for label in _QUERY_LABELS)
    found = analysed(text, entities, terms, ner_model)
    return frozenset((result.entity_type, text[result.start : result.end]) for result in found)


# Between two names: longer than any label reaches, so that what is found in a name depends on nothing else.
_APART = "\n" + HIDDEN * 48 + "\n"
# What makes of a number, a name or a place what it was in a document; each makes other detectors look.
_QUERY_LABELS = (
    *(
        "姓名：",
        "联系电话：",
        "银行账号：",
        "卡号：",
        "地址：",
        "出生日期：",
        "身份证号：",
        "护照号码：",
        "港澳通行证：",
    ),
    *("QQ：", "微信号：", "密码：", "SSN: ", "Name: ", "Full name: ", "Address: ", "Phone: ", "金额：人民币"),
)
_QUERY_PARTS = re.compile(r"[^\s,，。;；、?？!！\"“”()（）《》的]{2,80}")
_NAME_SEPARATORS = str.maketrans("_+", "  ")


def _seen_name(stem: str) -> str:
    """`stem` with its words apart; the pseudonyms in it are hidden, or parts of them would be seen as values."""
    return PSEUDONYM.sub(lambda match: HIDDEN * len(match[0]), stem).translate(_NAME_SEPARATORS)


def _stem_and_suffix(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and suffix.isalnum() else (name, "")


_CHECKSUMMED = frozenset({"CN_RESIDENT_ID", "CN_USCC"})  # of figures in a table, one in 10,000 would pass
_NUMBER_LABEL = re.compile(r"电话|手机|联系|传真|卡号|[账帐][号户]|phone|mobile|tel|card|account", re.IGNORECASE)
