"""unstructured without a network and without English models.

unstructured 0.27 classifies text with spaCy's `en_core_web_sm` and downloads it at first use; it also
reports usage. Both are switched off here, and spaCy gets a blank pipeline whose sentences end at Chinese
and Western stops. Call `prepare_unstructured` before anything else of unstructured is imported.
"""

from __future__ import annotations

import os
import sys
from functools import cache

_QUIET = {"DO_NOT_TRACK": "1", "SCARF_NO_ANALYTICS": "true", "UNSTRUCTURED_DISABLE_NOTICE": "1"}
_SENTENCE_ENDS = [".", "!", "?", "。", "！", "？", "；", "…", "．"]
# spaCy's backend imports whichever of these is installed, for nothing: torch alone costs 1.5 s and 180 MB.
_UNWANTED = ("torch", "tensorflow", "mxnet", "cupy", "transformers")


def block_heavy_imports() -> None:
    """Make the machine-learning frameworks look absent. Only for a process that parses and does nothing else."""
    for module in _UNWANTED:
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]


@cache
def prepare_unstructured() -> None:
    """Make unstructured work offline in this process. Later calls cost nothing."""
    os.environ.update(_QUIET)
    import spacy
    from unstructured.nlp import tokenize

    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer", config={"punct_chars": _SENTENCE_ENDS})
    tokenize._get_nlp = lambda: nlp  # type: ignore[assignment]  # noqa: SLF001 (there is no public way)
