"""All detectors by their entity, in the order in which they are shown."""

from __future__ import annotations

from kb_pipeline.privacy.detection import CELL, Detector, fold
from kb_pipeline.privacy.detectors.amounts import AMOUNT
from kb_pipeline.privacy.detectors.cards import CARDS
from kb_pipeline.privacy.detectors.identifiers import IDENTIFIERS
from kb_pipeline.privacy.detectors.labelled_numbers import LABELLED_NUMBERS
from kb_pipeline.privacy.detectors.network import NETWORK
from kb_pipeline.privacy.detectors.people import PEOPLE
from kb_pipeline.privacy.detectors.phones import PHONES

DETECTORS: dict[str, Detector] = {
    detector.entity: detector
    for detector in (*IDENTIFIERS, *PHONES, *CARDS, *LABELLED_NUMBERS, *NETWORK, *PEOPLE, AMOUNT)
}


def canonical(entity: str, value: str) -> str:
    """What all spellings of a value have in common."""
    value = value.replace(CELL, "")
    if entity in DETECTORS:
        return DETECTORS[entity].normalise(value)
    return " ".join(fold(value).split()).lower()
