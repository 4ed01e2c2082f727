"""Evaluation questions out of the corpus itself, by a language model; see `quality.synthetic`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.questions import Import, add_questions
from kb_pipeline.operations.search import mask_query
from kb_pipeline.quality.chat import Chat
from kb_pipeline.quality.synthetic import write_questions
from kb_pipeline.store.quality.questions import sample

if TYPE_CHECKING:
    from kb_pipeline.site import Site


@dataclass(frozen=True, slots=True)
class Writing:
    """`imported`: None where nothing could be used; `dropped`: why → how many passages."""

    passages: int
    imported: Import | None
    dropped: dict[str, int]


def write(site: Site, name: str, count: int) -> Writing:
    """Have questions written for `count` passages, and put those that can be used into the set `name`.

    Raises SettingsError where the site names no chat server, ChatUnavailable where it does not answer.
    """
    part = site.settings.quality
    if part.chat_url is None or part.chat_model is None:
        raise SettingsError("No chat server is set; give chat_url and chat_model under [quality].")
    with site.connect() as connection:
        passages = sample(connection, name, count)
    key = part.chat_api_key.get_secret_value() if part.chat_api_key else None
    written = write_questions(passages, Chat(part.chat_url, part.chat_model, key))
    questions = [replace(each, question=mask_query(site, each.question, ())[0]) for each in written.questions]
    imported = add_questions(site, name, questions) if questions else None
    return Writing(len(passages), imported, written.dropped)
