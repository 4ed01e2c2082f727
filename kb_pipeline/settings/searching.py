"""How a search ranks, and the questions that prove it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from kb_pipeline.settings.base import Frozen


class SearchSettings(Frozen):
    """How both rankings of a search become one."""

    fusion_weight: float = Field(
        0.5, ge=0, le=1, description="Part of meaning in a hybrid search; the rest is the part of words."
    )


class QualitySettings(Frozen):
    """How far the quality loop goes by itself."""

    approval: bool = Field(False, description="A better generation waits until kb promote --approve names a person.")
    chat_url: str | None = Field(None, description="Base URL of an OpenAI-compatible chat server; writes questions.")
    chat_model: str | None = Field(None, description="Model to ask for.")
    chat_api_key: SecretStr | None = Field(None, description="Bearer key of the server.")


class GlossarySettings(Frozen):
    """Terms that mean the same in this company."""

    file: Path | None = Field(None, description="YAML file of groups of terms; empty: none.")


class RerankerSettings(Frozen):
    """A server that ranks the best passages anew, by `/v1/rerank`."""

    url: str | None = Field(None, description="Base URL, usually ending in /v1; empty: none.")
    model: str | None = Field(None, description="Model to ask for, where the server has several.")
    api_key: SecretStr | None = Field(None, description="Bearer key of the server.")
    depth: int = Field(50, ge=1, le=1000, description="How many of the best passages it is asked about.")
    budget_ms: int = Field(1000, ge=1, description="How long a search waits for it, milliseconds.")
    instruction: str | None = Field(None, description="Task sentence, for models that take one.")


class AnswerSettings(Frozen):
    """A server that writes an answer out of the passages that a search found, by `/v1/chat/completions`."""

    url: str | None = Field(None, description="Base URL, usually ending in /v1; empty: no answers.")
    model: str | None = Field(None, description="Model to ask for.")
    api_key: SecretStr | None = Field(None, description="Bearer key of the server.")
    prompt: Path | None = Field(None, description="File that says how to answer; empty: the one in the package.")
    passages: int = Field(8, ge=1, le=50, description="Most passages that it is given.")
    passage_tokens: int = Field(4000, ge=100, description="Most tokens of these together.")
    most_tokens: int = Field(800, ge=16, description="Most tokens of an answer.")
    silent_seconds: float = Field(30.0, gt=0, description="How long it may say nothing.")
    longest_seconds: float = Field(120.0, gt=0, description="How long an answer may take.")

    @model_validator(mode="after")
    def _names_a_model(self) -> AnswerSettings:
        if self.url is not None and self.model is None:
            raise ValueError("url of a chat server is set and no model; set model of [answers] (KB_ANSWERS__MODEL)")
        return self


class GoldenQuestion(Frozen):
    """A question, and the document that has to be among the best passages for it."""

    question: str = Field(min_length=1, description="As a person would ask it.")
    source_file: str = Field(min_length=1, description="The document's path, as a search shows it.")
    k: int = Field(5, ge=1, le=100, description="Among how many passages.")
