"""The detectors as Presidio recognizers, and pseudonyms as a Presidio operator.

Presidio's engines run without a language model (NoOpNlpEngine): nothing is downloaded. One language code
stands for all text, since the recognizers look at characters and not at language. Importing this module
imports Presidio (about two seconds, 115 MB): import it only where something is to be masked.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


@contextmanager
def _hidden(*modules: str) -> Iterator[None]:
    """Let `import` fail for those of `modules` that are not imported yet."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


# Presidio and spaCy import these when they are installed, use them for models that are not used here, and
# do without them when they are not: five more seconds and 300 MB in every parser process.
with _hidden("torch", "transformers", "stanza", "gliner", "flair"):
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
    from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine
    from presidio_anonymizer import AnonymizerEngine
    from presidio_anonymizer.operators import Operator, OperatorType

from kb_pipeline.privacy.detection import DETECTORS, Detector  # noqa: E402
from kb_pipeline.privacy.pseudonyms import pseudonym  # noqa: E402

LANGUAGE = "zh"


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
        return [
            RecognizerResult(self.detector.entity, span.start, span.end, span.score)
            for span in self.detector.find(text)
        ]


class PseudonymOperator(Operator):
    """Replaces a value by its pseudonym; the parameter `key` is the site's key."""

    NAME = "pseudonym"

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        if params is None:
            raise ValueError("The pseudonym operator needs a key: pass OperatorConfig parameters.")
        return pseudonym(params["entity_type"], text, params["key"])

    def validate(self, params: dict[str, Any] | None = None) -> None:
        if not params or not isinstance(params.get("key"), bytes):
            raise ValueError("The pseudonym operator needs a key: pass OperatorConfig('pseudonym', {'key': ...}).")

    def operator_name(self) -> str:
        return self.NAME

    def operator_type(self) -> OperatorType:
        return OperatorType.Anonymize


@lru_cache(maxsize=8)
def analyzer_engine(entities: tuple[str, ...]) -> AnalyzerEngine:
    """An engine that knows the detectors of `entities` and nothing else."""
    nlp_engine = NoOpNlpEngine([{"lang_code": LANGUAGE, "model_name": ""}])
    nlp_engine.load()
    registry = RecognizerRegistry(
        recognizers=[DetectorRecognizer(DETECTORS[entity]) for entity in entities], supported_languages=[LANGUAGE]
    )
    return AnalyzerEngine(registry=registry, nlp_engine=nlp_engine, supported_languages=[LANGUAGE])


@lru_cache(maxsize=1)
def anonymizer_engine() -> AnonymizerEngine:
    engine = AnonymizerEngine()  # type: ignore[no-untyped-call]
    engine.add_anonymizer(PseudonymOperator)
    return engine
