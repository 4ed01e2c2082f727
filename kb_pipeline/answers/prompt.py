"""What the chat server is sent: instructions out of a file that a site may change, then passages and question.

The file says how to answer, in words. `{no_answer}` stands for what the model has to say where the passages do not
answer, and must be there; `{language}` stands for the language to answer in.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kb_pipeline.chunking.language import language_of
from kb_pipeline.chunking.sentences import pieces_within
from kb_pipeline.embedding.tokenizer import estimated_tokens
from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kb_pipeline.search.result import Hit

DEFAULT = Path(__file__).with_name("prompt.md")
NO_ANSWER = "NO_ANSWER"
NAMES = ("language", "no_answer")
MOST_BYTES = 64 * 1024
LEAST_CHARACTERS = 200  # of a passage that is cut: less says nothing
LANGUAGES = {"zh": "Chinese"}
OTHER_LANGUAGE = "the language of the question, even where the passages are in another one"

_NAME = re.compile(r"\{(\w+)\}")
_TAG = re.compile(r"<(?=\s*/?\s*passage)", re.IGNORECASE)
_NUMBER = re.compile(r"[\[【［]\s*(\^?\d{1,3}(?:\s*[,，、;；–~-]\s*\d{1,3})*)\s*[\]】］]")


def load_prompt(file: Path | None) -> str:
    """What the file says now; None: the one that comes with the package. Raises SettingsError where it cannot be read
    or is no prompt."""
    path = file or DEFAULT
    try:
        status = path.stat()
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror})") from None
    if status.st_size > MOST_BYTES:
        raise _broken(path, f"is larger than {MOST_BYTES // 1024} KiB")
    return _loaded(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _loaded(path: Path, *_version: int) -> str:
    """`_version` makes a changed file another one."""
    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _broken(path, "is no text in UTF-8") from None
    if unknown := [name for name in _NAME.findall(text) if name not in NAMES]:
        raise _broken(path, f"asks for {{{unknown[0]}}}, and there are only {{language}} and {{no_answer}}")
    if "{no_answer}" not in text:
        raise _broken(path, "does not say {no_answer}, which the model needs to say that it does not know")
    return text


def _broken(path: Path, what: str) -> SettingsError:
    return SettingsError(f"The prompt {path} {what}; correct the file, or prompt of [answers].")


def messages(prompt: str, question: str, passages: Sequence[str]) -> list[dict[str, str]]:
    """`question` masked; `passages` as `numbered` made them."""
    language = LANGUAGES.get(language_of(question), OTHER_LANGUAGE)
    instructions = prompt.replace("{language}", language).replace("{no_answer}", NO_ANSWER)
    asked = "\n\n".join([*passages, f"Question: {_harmless(question)}"])
    return [{"role": "system", "content": instructions}, {"role": "user", "content": asked}]


def numbered(hits: Sequence[Hit], tokens: int) -> list[str]:
    """The best of `hits` that together have about so many `tokens`, each by its rank; the last may be cut."""
    return list(_numbered(hits, tokens))


def _numbered(hits: Sequence[Hit], left: int) -> Iterator[str]:
    for hit in hits:
        content = hit.content
        needed = estimated_tokens([content])[0]
        if needed > left:
            content = pieces_within(content, max(len(content) * left // needed, 1))[0]
            if hit.rank > 1 and len(content) < LEAST_CHARACTERS:
                return
        yield _passage(hit, content)
        left -= needed
        if left <= 0:
            return


def _passage(hit: Hit, content: str) -> str:
    where = {"file": hit.source_file, "section": " > ".join(hit.section_path), "page": str(hit.page_number or "")}
    said = "".join(f' {name}="{_in_quotes(value)}"' for name, value in where.items() if value)
    return f'<passage number="{hit.rank}"{said}>\n{_harmless(content)}\n</passage>'


def _in_quotes(value: str) -> str:
    return _harmless(" ".join(value.replace('"', "'").split()))


def _harmless(text: str) -> str:
    """No document and no question ends a passage or begins another, and a document's own [3] is no citation."""
    return _NUMBER.sub(r"(\1)", _TAG.sub("‹", text))
