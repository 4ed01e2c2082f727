"""The detectors as Presidio recognizers, Presidio's own ones for English, and an optional model for names.

They run without a language model: nothing is downloaded. One language code stands for all text, since the recognizers
look at characters and not at language. Importing this module imports Presidio: import it only where something is to be
masked. Presidio imports spaCy, for engines that are not used here; it is given empty classes instead, and spaCy is only
needed for a model of names.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any

from kb_pipeline.errors import SettingsError
from kb_pipeline.privacy.detection import CELL, Detector, Trigger, fold, labelled, lowered, prepared, simplified
from kb_pipeline.privacy.detectors.catalogue import DETECTORS
from kb_pipeline.privacy.entities import DENIED
from kb_pipeline.privacy.policy import SiteTerms


class _AnyAttribute(type):
    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class _Nothing(metaclass=_AnyAttribute):
    """Can be a base class, an annotation, or a decorator that changes nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, decorated: Any) -> Any:
        return decorated


class _EmptyModule(ModuleType):
    """Whatever is imported from it is _Nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> type:
        return getattr(_Nothing, name)  # type: ignore[no-any-return]


@contextmanager
def _replaced(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Let `import` give these for modules that are not imported yet; None: let it fail."""
    missing = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(missing)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in missing:
            sys.modules.pop(name, None)


# What Presidio imports at once for engines that are not used here: more than a second and 60 MB in every process that
# masks, and several times that with those that it does without when they are not installed.
_SPACY = (
    *("spacy", "spacy.language", "spacy.pipeline", "spacy.tokens", "spacy.util", "spacy.vocab"),
    *("thinc", "thinc.api"),
)
_OPTIONAL = ("torch", "transformers", "stanza", "gliner", "flair")
_UNUSED = ("tldextract",)  # of its recognizer of e-mail addresses, in whose place is ours; it brings an HTTP client

with _replaced({name: _EmptyModule(name) for name in (*_SPACY, *_UNUSED)} | dict.fromkeys(_OPTIONAL)):
    from presidio_analyzer import EntityRecognizer, PatternRecognizer, RecognizerResult
    from presidio_analyzer import predefined_recognizers as predefined
    from presidio_analyzer.nlp_engine import NlpArtifacts

LANGUAGE = "zh"

# Presidio's recognizers for English that no detector of ours covers. Without one of the words shortly before the value
# each would match any number of the right length. Words are sought in lower case, first in the whole text.
_PREDEFINED: dict[str, tuple[Callable[..., PatternRecognizer], Trigger, str]] = {
    "CRYPTO": (
        predefined.CryptoRecognizer,
        Trigger(("bc1",), re.compile("[13][a-z1-9]{25}", re.IGNORECASE)),
        "[13][a-z1-9]{25}|bc1",
    ),
    "US_ITIN": (predefined.UsItinRecognizer, Trigger(("itin", "taxpayer")), r"itin|taxpayer"),
    "US_DRIVER_LICENSE": (
        predefined.UsLicenseRecognizer,
        Trigger(("driver", "driving", "dl")),
        r"driver'?s? ?licen[cs]e|driving ?licen[cs]e|(?<![a-z])dl ?(?:no|number|#)",
    ),
    "US_BANK_NUMBER": (
        predefined.UsBankRecognizer,
        Trigger(("checking account", "savings account", "bank account", "account n")),
        r"(?:checking|savings|bank) account|account (?:number|no)",
    ),
    "UK_NHS": (predefined.NhsRecognizer, Trigger(("nhs",)), r"(?<![a-z])nhs(?![a-z])"),
    "UK_NINO": (
        predefined.UkNinoRecognizer,
        Trigger(("national insurance", "nino", "ni n")),
        r"national insurance|(?<![a-z])nino(?![a-z])|(?<![a-z])ni (?:no|number)",
    ),
    "MEDICAL_LICENSE": (
        predefined.MedicalLicenseRecognizer,
        Trigger(("medical licen", "dea")),
        r"medical licen[cs]e|(?<![a-z])dea(?![a-z])",
    ),
}
_CHECKSUMMED = frozenset({"CRYPTO"})  # a valid checksum counts like a word
_CONTEXT_WINDOW = 40  # characters before a value
_CONTEXT_SCORE = 0.55


class DetectorRecognizer(EntityRecognizer):
    """Presidio's view of one detector."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        super().__init__([detector.entity], name=f"{detector.entity}_recognizer", supported_language=LANGUAGE)

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002 (Presidio's signature)
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        seen = simplified(prepared(text))
        if not self.detector.trigger.fires(seen):
            return []
        return [
            RecognizerResult(self.detector.entity, span.start, span.end, span.score)
            for span in self.detector.find(seen)
        ]


class ContextRecognizer(EntityRecognizer):
    """One of Presidio's predefined recognizers, believed where a word before the value says so."""

    def __init__(self, entity: str) -> None:
        self.entity = entity
        recognizer, self.trigger, words = _PREDEFINED[entity]
        self.words = re.compile(f"(?P<yes>{words})")
        self.inner = recognizer(supported_language=LANGUAGE)
        super().__init__([entity], name=f"{entity}_recognizer", supported_language=LANGUAGE)

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        seen = prepared(text)
        if not self.trigger.fires(seen) or not self.words.search(lowered(seen)):
            return []
        found = self.inner.analyze(seen, entities, nlp_artifacts) or []
        return [
            RecognizerResult(self.entity, result.start, result.end, _CONTEXT_SCORE)
            for result in found
            if (self.entity in _CHECKSUMMED and result.score == 1.0)
            or labelled(lowered(seen), result.start, self.words, _CONTEXT_WINDOW)
        ]


class DenyRecognizer(EntityRecognizer):
    """What the site's deny list names."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        super().__init__([DENIED], name="deny_list", supported_language=LANGUAGE)

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        found = self.pattern.finditer(prepared(text))
        return [RecognizerResult(DENIED, m.start(), m.end(), 1.0) for m in found if m.end() > m.start()]


class ModelRecognizer(EntityRecognizer):
    """Names found by a spaCy model, for those that no word beside them gives away."""

    LABELS = frozenset({"PERSON", "PER"})
    LONGEST = 20_000  # characters given to the model at once

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(["PERSON"], name=f"{model}_recognizer", supported_language=LANGUAGE)

    def load(self) -> None:
        """Load the model. Raises SettingsError when it is not installed."""
        try:
            import spacy

            self.nlp = spacy.load(self.model)
        except (ImportError, OSError):
            raise SettingsError(
                f"The NER model {self.model} is not installed; install spacy and the package of that name, or take "
                "privacy.ner_model out of the settings."
            ) from None

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        seen = prepared(text)
        results = []
        for start in range(0, len(seen), self.LONGEST):
            entities_found = self.nlp(seen[start : start + self.LONGEST].replace(CELL, " ")).ents
            results += [
                RecognizerResult("PERSON", start + found.start_char, start + found.end_char, 0.5)
                for found in entities_found
                if found.label_ in self.LABELS
            ]
        return results


_NO_ARTIFACTS: Any = None  # of a language model, which none of them asks for


@lru_cache(maxsize=16)
def _recognizers(entities: tuple[str, ...], terms: SiteTerms, ner_model: str | None) -> tuple[EntityRecognizer, ...]:
    """The recognizers of `entities`."""
    recognizers: list[EntityRecognizer] = [
        DetectorRecognizer(DETECTORS[name]) for name in entities if name in DETECTORS
    ]
    recognizers += [ContextRecognizer(name) for name in entities if name in _PREDEFINED]
    denied = terms.deny_pattern
    if denied is not None and DENIED in entities:
        recognizers.append(DenyRecognizer(denied))
    if ner_model is not None and "PERSON" in entities:
        recognizers.append(ModelRecognizer(ner_model))
    return tuple(recognizers)


def recognized(text: str, entities: tuple[str, ...], terms: SiteTerms, ner_model: str | None) -> list[RecognizerResult]:
    """What the recognizers of `entities` find in `text`, as they find it.

    Presidio's engine would compare every result with every other and so take quadratic time.
    """
    return [
        result
        for recognizer in _recognizers(entities, terms, ner_model)
        for result in recognizer.analyze(text, recognizer.supported_entities, _NO_ARTIFACTS)
    ]


def analysed(text: str, entities: tuple[str, ...], terms: SiteTerms, ner_model: str | None) -> list[RecognizerResult]:
    """Disjoint results in text order; of two that overlap the more certain, then the longer one."""
    results = recognized(text, entities, terms, ner_model)
    allowed = _allowed(text, terms) if results else []
    kept: list[RecognizerResult] = []
    for result in sorted(results, key=lambda r: (r.start, -r.score, -r.end)):
        if allowed and _inside(result, allowed):
            continue
        if not kept or result.start >= kept[-1].end:
            kept.append(result)
        elif (result.score, result.end - result.start) > (kept[-1].score, kept[-1].end - kept[-1].start):
            kept[-1] = result
    return kept


def _allowed(text: str, terms: SiteTerms) -> list[tuple[int, int]]:
    pattern = terms.allow_pattern
    return [match.span() for match in pattern.finditer(fold(text))] if pattern else []


def _inside(result: RecognizerResult, allowed: Sequence[tuple[int, int]]) -> bool:
    place = bisect_right(allowed, (result.start, result.end + len(allowed) + (1 << 60))) - 1
    return place >= 0 and allowed[place][1] >= result.end
