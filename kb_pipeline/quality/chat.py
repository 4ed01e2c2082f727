"""A client of any server that speaks OpenAI's `/v1/chat/completions`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kb_pipeline.errors import ChatUnavailable

if TYPE_CHECKING:
    from openai import OpenAI

TIMEOUT = 60.0  # seconds of one answer
RETRIES = 2
MOST_TOKENS = 400


@dataclass(slots=True)
class Chat:
    """Call it with a prompt."""

    url: str
    model: str
    api_key: str | None = None
    timeout: float = TIMEOUT
    _client: OpenAI | None = field(default=None, init=False, repr=False)

    def __call__(self, prompt: str) -> str:
        """What the model says. Raises ChatUnavailable, also for an answer that holds no text."""
        import openai

        if self._client is None:
            self._client = openai.OpenAI(
                base_url=self.url, api_key=self.api_key or "none", timeout=self.timeout, max_retries=RETRIES
            )
        try:
            answer = self._client.chat.completions.create(
                model=self.model,
                messages=[{"role": "user", "content": prompt}],
                temperature=0.3,
                max_tokens=MOST_TOKENS,
            )
            said = answer.choices[0].message.content
        except openai.APIStatusError as error:
            raise ChatUnavailable(
                f"The chat server at {self.url} answers {error.status_code}; correct [quality] chat_url, chat_model or "
                "chat_api_key, or start it."
            ) from None
        except (openai.APIError, ValueError, TypeError, IndexError, AttributeError):
            said = None
        if not said:
            raise ChatUnavailable(f"The chat server at {self.url} gives no answer; start it or correct [quality].")
        return str(said)
