"""What a result shows of the question that was asked.

A pseudonym in it that no hit has would let whoever may search learn what stands for a value that they guess, and so
find out elsewhere whether it is known: of such a one only its kind is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.privacy.pseudonyms import PSEUDONYM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kb_pipeline.search.result import Hit


def echo(text: str, hits: Iterable[Hit]) -> str:
    """`text`, masked, with the pseudonyms that `hits` have; of others `<PERSON>` is left."""
    if not PSEUDONYM.search(text):
        return text
    known = {found for hit in hits for said in _texts(hit) for found in PSEUDONYM.findall(said)}
    return PSEUDONYM.sub(lambda match: match[0] if match[0] in known else f"{match[0].rpartition('_')[0]}>", text)


def _texts(hit: Hit) -> tuple[str, ...]:
    said = (str(part) for part in (hit.section_title, hit.section_path, hit.metadata, hit.fields))
    return (hit.content, hit.source_file, *(place.source_file for place in hit.also_in), *said)
