"""Questions that a language model writes for passages of the corpus, for sites that have none of people yet.

Any server of OpenAI's `/v1/chat/completions` will do. It is sent passages as they are stored, so masked. For each it
writes a question of one of KINDS in one of both languages, with the words that answer it; then it is asked anew how
well the passage serves a person who only knows the question. Nothing that it says is believed: a question counts only
where its quote stands in the passage, its language is the one that was asked for, it can be understood alone, and the
score is LEAST_SCORE or more. Such questions are marked as synthetic and never enter a frozen test.

Measured on them, everything looks better than it is: they use the words of the passage.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kb_pipeline.chunking.language import language_of
from kb_pipeline.errors import ChatUnavailable
from kb_pipeline.progress import track
from kb_pipeline.quality.quotes import WHOLE, Quote
from kb_pipeline.store.quality.questions import Answer, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kb_pipeline.store.quality.questions import SampledChunk

KINDS = ("fact", "number", "procedure", "condition")
LANGUAGES = {"zh": "Chinese", "en": "English"}
LEAST_SCORE = 4  # of 5
MOST_IN_A_ROW = 5  # passages without any answer of the server, before it is given up
SHORTEST, LONGEST = 4, 300  # characters of a question
# Says that the writer had a text before them, which whoever searches has not.
_POINTS_AT_TEXT = re.compile(
    r"\b(this|the|above|following|given) (passage|text|paragraph|excerpt|table|document)\b"
    r"|本文|文中|上文|上述|该段|这段|根据以上",
    re.IGNORECASE,
)

WRITE = """Write one question that a person might type into a search box and that the passage below answers.
Kind of question: {kind}. Write it in {language}. It must be understandable without the passage, so do not speak of a
passage or text, and do not copy whole phrases. Answer with JSON only: {{"question": "...", "quote": "..."}}, where
quote is the shortest part of the passage, word by word, that answers it.

Passage:
{passage}"""
JUDGE = """How well does the passage answer the question, for somebody who knows only the question? 5: completely and
clearly; 1: not at all. Answer with JSON only: {{"score": 1}}.

Question: {question}

Passage:
{passage}"""


@dataclass(frozen=True, slots=True)
class Written:
    """`dropped`: why → how many."""

    questions: tuple[Question, ...]
    dropped: dict[str, int]


def write_questions(passages: Sequence[SampledChunk], chat: Callable[[str], str]) -> Written:
    """At most one question for each of `passages`; kinds and languages take turns.

    `chat`: a prompt to what the model says; raises ChatUnavailable. Raises ChatUnavailable once MOST_IN_A_ROW passages
    in a row had no answer.
    """
    questions: dict[str, Question] = {}
    dropped: Counter[str] = Counter()
    silent = 0
    with track("writing questions", len(passages)) as steps:
        for number, passage in enumerate(passages):
            kind, language = KINDS[number // 2 % len(KINDS)], list(LANGUAGES)[number % 2]
            try:
                found = _written(passage, kind, language, chat)
                silent = 0
            except ChatUnavailable:
                found, silent = "no answer", silent + 1
                if silent == MOST_IN_A_ROW:
                    raise
            if isinstance(found, str):
                dropped[found] += 1
            else:
                questions.setdefault(found.question, found)
            steps.advance()
    return Written(tuple(questions.values()), dict(dropped))


def _written(passage: SampledChunk, kind: str, language: str, chat: Callable[[str], str]) -> Question | str:
    """A question, or why there is none."""
    said = _object(chat(WRITE.format(kind=kind, language=LANGUAGES[language], passage=passage.content)))
    question, quote = said.get("question"), said.get("quote")
    if not isinstance(question, str) or not isinstance(quote, str) or not quote.strip():
        return "no JSON with question and quote"
    question = " ".join(question.split())
    if not SHORTEST <= len(question) <= LONGEST or "\0" in question:
        return "too short or too long"
    if language_of(question) != language:
        return "another language"
    if _POINTS_AT_TEXT.search(question):
        return "speaks of a text"
    if Quote(quote).covered_by(passage.content) < WHOLE:
        return "quote is not in the passage"
    score = _object(chat(JUDGE.format(question=question, passage=passage.content))).get("score")
    if not isinstance(score, int | float) or score < LEAST_SCORE:
        return "judged too low"
    answer = Answer(passage.path, quote.strip(), document_id=passage.document_id)
    return Question(question, (answer,), kind, language, "synthetic")


def _object(text: str) -> dict[str, Any]:
    """The JSON object in what a model says, which may stand in a fence or among words; empty where there is none."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
