"""An answer out of what a search found."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anyio import to_thread

from kb_pipeline.answers.prompt import load_prompt, messages, numbered
from kb_pipeline.answers.sentences import Sentence, SentenceReader
from kb_pipeline.chunking.language import language_of
from kb_pipeline.errors import ChatUnavailable, SettingsError

if TYPE_CHECKING:
    from kb_pipeline.answers.chat import ChatServer
    from kb_pipeline.search.result import SearchResult

State = Literal["answered", "unknown", "failed"]
UNKNOWN = {"zh": "找到的段落没有回答这个问题。", "en": "The passages that were found do not answer this question."}
UNCITED = "The chat server named no passage for what it said, so nothing of it is shown; ask in other words."
CHECK_QUESTION = "How many days of leave does an employee have?"
CHECK_TEXT = "After the first year every employee has ten days of paid leave."
EMPTY = "The chat server said nothing; ask again, or look at its log."


@dataclass(frozen=True, slots=True)
class Answer:
    """`text`: of the sentences, with their citations; where there are none, that the passages do not answer, in the
    language of the question; empty where it failed. `dropped`: sentences that cited nothing. `note`: what a person
    should know about it, `note_code` for programs."""

    state: State
    text: str
    sentences: tuple[Sentence, ...]
    dropped: int
    note: str | None
    note_code: str | None
    model: str


Event = Sentence | Answer
Mask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Answerer:
    """`prompt`: a file, see `answers.prompt`; None: the one that comes with the package. `passages`, `tokens`: most of
    what the model is given."""

    chat: ChatServer
    prompt: Path | None = None
    passages: int = 8
    tokens: int = 4000

    async def answer(self, found: SearchResult, mask: Mask) -> AsyncGenerator[Event, None]:
        """The sentences as they come, and at last the whole answer; whatever fails is said in that.

        `mask`: hides what is personal, since a model may make it up. To be closed when nobody listens any more.
        """
        given = numbered(found.hits[: self.passages], self.tokens)
        if not given:
            yield self._whole(found, (), SentenceReader(()), None)
            return
        reader = SentenceReader(range(1, len(given) + 1))
        sentences: list[Sentence] = []
        has_spoken = False
        failed: ChatUnavailable | None = None
        try:
            prompt = await to_thread.run_sync(load_prompt, self.prompt)
            async with aclosing(self.chat.says(messages(prompt, found.query, given))) as said:
                async for text in said:
                    has_spoken = has_spoken or bool(text.strip())
                    for sentence in await _masked(reader.read(text), mask):
                        sentences.append(sentence)
                        yield sentence
        except ChatUnavailable as error:
            failed = error
        except SettingsError as error:
            failed = ChatUnavailable(str(error), "prompt")
        for sentence in await _masked(reader.end(complete=failed is None), mask):
            sentences.append(sentence)
            yield sentence
        if failed is None and not has_spoken:
            failed = ChatUnavailable(EMPTY, "empty")
        yield self._whole(found, tuple(sentences), reader, failed)

    async def cites(self) -> bool:
        """Does it answer an easy question and cite the passage that says it? Raises ChatUnavailable, SettingsError."""
        reader = SentenceReader({1})
        asked = messages(load_prompt(self.prompt), CHECK_QUESTION, [f'<passage number="1">\n{CHECK_TEXT}\n</passage>'])
        sentences: list[Sentence] = []
        async with aclosing(self.chat.says(asked)) as said:
            async for text in said:
                sentences += reader.read(text)
        return bool(sentences + reader.end(complete=True))

    def failed(self, note: str, code: str) -> Answer:
        return Answer("failed", "", (), 0, note, code, self.chat.model)

    def _whole(
        self,
        found: SearchResult,
        sentences: tuple[Sentence, ...],
        reader: SentenceReader,
        failed: ChatUnavailable | None,
    ) -> Answer:
        note, code = (str(failed), failed.code) if failed else (None, None)
        if sentences:
            return Answer("answered", _text(sentences), sentences, reader.dropped, note, code, self.chat.model)
        if failed:
            return Answer("failed", "", (), reader.dropped, note, code, self.chat.model)
        if reader.dropped and not reader.says_no:
            note, code = UNCITED, "uncited"
        text = UNKNOWN.get(language_of(found.query), UNKNOWN["en"])
        return Answer("unknown", text, (), reader.dropped, note, code, self.chat.model)


def cited(answer: Answer, found: SearchResult) -> list[dict[str, Any]]:
    """Its sentences as they are kept with the search: each with the passages that it cites."""
    passages = {hit.rank: {"document_id": hit.document_id, "chunk_key": hit.chunk_key} for hit in found.hits}
    return [
        {
            "text": sentence.text,
            "cited": [{"rank": number, **passages[number]} for number in sentence.citations],
        }
        for sentence in answer.sentences
    ]


def _text(sentences: tuple[Sentence, ...]) -> str:
    first, *others = sentences
    return str(first) + "".join(f"{chr(10) if one.starts_line else ' '}{one}" for one in others)


async def _masked(sentences: list[Sentence], mask: Mask) -> list[Sentence]:
    if not sentences:
        return []
    texts = await to_thread.run_sync(lambda: [mask(sentence.text) for sentence in sentences])
    return [Sentence(text, one.citations, one.starts_line) for text, one in zip(texts, sentences, strict=True)]
