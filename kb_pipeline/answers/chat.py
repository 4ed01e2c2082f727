"""A client of any server that streams OpenAI's `/v1/chat/completions`, through the `openai` package.

    async for text in ChatServer("http://127.0.0.1:30002/v1", "Qwen3-8B").says(messages): …

A server may be slow, gone, break off, never end or speak nonsense: each is a ChatUnavailable of one sentence, with a
code by which it is told apart and translated. What the server says of an error is not repeated, since it may quote
what it was asked. Nothing is asked twice: somebody is waiting, and may ask again.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from kb_pipeline.errors import ChatUnavailable, SettingsError
from kb_pipeline.system.hosts import is_loopback

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Sequence

    import openai

CONNECT_SECONDS = 5.0
MOST_BYTES = 4 << 20  # of one answer: a token in a chunk of its own takes some 300
CHARACTERS_OF_TOKEN = 8  # at most, over a whole answer: a server may not know max_tokens

FAILURES = {
    "gone": "The chat server cannot be reached; start it, or unset KB_ANSWERS__URL.",
    "key": "The chat server refused the key; correct KB_ANSWERS__API_KEY.",
    "address": "The chat server knows no such address or model; correct url, which usually ends in /v1, or model of "
    "[answers].",
    "refused": "The chat server refused the request; correct model, passages or passage_tokens of [answers].",
    "busy": "The chat server has as much to do as it can; ask again in a moment.",
    "failed": "The chat server failed; ask again, or look at its log.",
    "silent": "The chat server said nothing for too long; ask again, or raise silent_seconds of [answers].",
    "slow": "The answer took too long; ask for less, or raise longest_seconds of [answers].",
    "length": "The answer is longer than most_tokens of [answers] and was cut.",
    "withheld": "The chat server withheld the rest; ask in other words.",
    "cut_off": "The chat server broke off before the answer was complete; ask again.",
    "nonsense": "The chat server answers with something that is no stream of a chat; correct url of [answers].",
}
_OF_STATUS = {
    **dict.fromkeys((401, 403), "key"),
    **dict.fromkeys((404, 405), "address"),
    **dict.fromkeys((400, 413, 422), "refused"),
    **dict.fromkeys((429, 503), "busy"),
}
_OF_REASON = {"length": "length", "content_filter": "withheld"}


@dataclass(frozen=True, slots=True)
class ChatServer:
    """`silence`: seconds that it may say nothing. `longest`: seconds of a whole answer. `most_tokens`: of an answer."""

    url: str
    model: str
    api_key: str | None = None
    silence: float = 30.0
    longest: float = 120.0
    most_tokens: int = 800

    async def says(self, messages: Sequence[dict[str, str]]) -> AsyncGenerator[str, None]:
        """What the model says, bit by bit; it ends without an error where the server says that it is complete.

        Raises ChatUnavailable, SettingsError for a wrong URL. Closing the iterator hangs up on the server.
        """
        deadline = asyncio.get_running_loop().time() + self.longest
        left = self.most_tokens * CHARACTERS_OF_TOKEN
        async with self._client() as client:
            with _told():
                async with asyncio.timeout_at(deadline):
                    stream: Any = await client.chat.completions.create(
                        model=self.model,
                        messages=list(messages),  # type: ignore[arg-type]  # roles are the protocol's
                        temperature=0.0,
                        max_tokens=self.most_tokens,
                        stream=True,
                    )
            async with stream:
                chunks, has_begun = aiter(stream), False
                while True:
                    with _told():
                        async with asyncio.timeout_at(deadline):
                            chunk = await anext(chunks, None)
                        if chunk is None:
                            raise failure("cut_off" if has_begun else "nonsense")
                        said, reason = _read(chunk)
                    has_begun = True
                    if said:
                        yield said[:left]
                    left -= len(said)
                    if left < 0:
                        raise failure("length")
                    if reason in _OF_REASON:
                        raise failure(_OF_REASON[reason])
                    if reason is not None:
                        return

    def _client(self) -> openai.AsyncOpenAI:
        """Raises SettingsError."""
        import openai

        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SettingsError("KB_ANSWERS__URL is not a URL; write it like http://127.0.0.1:30002/v1.")
        http_client: Any = httpx.AsyncClient(  # newer releases of openai have one of their own, and take this one, too
            timeout=httpx.Timeout(self.silence, connect=CONNECT_SECONDS),
            # A proxy from the environment cannot reach this machine's own address.
            trust_env=not is_loopback(parts.hostname),
            verify=_certificates() if parts.scheme == "https" else False,
            event_hooks={"response": [_bound]},
        )
        return openai.AsyncOpenAI(
            base_url=self.url, api_key=self.api_key or "none", max_retries=0, http_client=http_client
        )


def failure(code: str) -> ChatUnavailable:
    return ChatUnavailable(FAILURES[code], code)


@contextmanager
def _told() -> Iterator[None]:
    """Whatever fails is a ChatUnavailable."""
    import openai

    try:
        yield
    except TimeoutError:
        raise failure("slow") from None
    except openai.APIStatusError as error:
        raise failure(_OF_STATUS.get(error.status_code, "failed")) from None
    except (openai.APIConnectionError, httpx.HTTPError) as error:
        raise failure(_code(error.__cause__ or error)) from None
    except openai.APIError:  # within the stream
        raise failure("failed") from None
    except (ValueError, TypeError, LookupError, AttributeError):
        raise failure("nonsense") from None


def _code(cause: BaseException) -> str:
    match cause:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return "gone"
        case httpx.TimeoutException():
            return "silent"
        case _TooMuch() | httpx.DecodingError() | httpx.UnsupportedProtocol() | httpx.TooManyRedirects():
            return "nonsense"
    return "cut_off"


def _read(chunk: Any) -> tuple[str, str | None]:
    """What a chunk says, and why it is the last one, where it is. Raises TypeError or AttributeError."""
    if not chunk.choices:  # of usage
        return "", None
    choice = chunk.choices[0]
    if choice.delta is None and choice.finish_reason is None:
        raise TypeError
    said = choice.delta.content if choice.delta is not None else None  # thoughts are not in the content
    if not isinstance(said, str | None) or not isinstance(choice.finish_reason, str | None):
        raise TypeError
    return said or "", choice.finish_reason


class _TooMuch(httpx.ReadError):
    """More than an answer can be."""


class _Bounded(httpx.AsyncByteStream):
    """A body that ends: what is read keeps a line, or an error, as a whole."""

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for part in self._body:
            left -= len(part)
            if left < 0:
                raise _TooMuch("too much")
            yield part

    async def aclose(self) -> None:
        if isinstance(self._body, httpx.AsyncByteStream):
            await self._body.aclose()


async def _bound(response: httpx.Response) -> None:
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Bounded(response.stream)


@cache
def _certificates() -> ssl.SSLContext:
    """They take long to read."""
    return httpx.create_ssl_context()
