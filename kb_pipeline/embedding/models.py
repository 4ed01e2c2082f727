"""What is known about each embedding model, and what makes two vectors comparable.

A *profile* says how a model wants to be used: its native dimension, context length, the template that
wraps a query, and the languages it was trained on. Profiles are data, in `models.toml`; a model that
is not listed there gets a neutral profile: any language, nothing wrapped.

A *model fingerprint* names the space that a document vector lies in. Two vectors may be compared only
when their model fingerprints are equal.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kb_pipeline.settings import fingerprint

DEFAULT_CPU_MODEL = "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """How a model wants to be used.

    `native_dimension`, `context_length` (tokens): None when nothing is known beforehand.
    `query_template`: holds `{instruction}` and `{query}`; None when the model takes queries as they are.
    `languages`: ISO 639-1 codes; empty means any.
    """

    name: str
    native_dimension: int | None = None
    context_length: int | None = None
    query_template: str | None = None
    languages: frozenset[str] = frozenset()

    def speaks(self, language: str) -> bool:
        return not self.languages or language in self.languages

    def query_text(self, query: str, instruction: str) -> str:
        """`query` as the model expects it; documents are always embedded as they are."""
        if self.query_template is None:
            return query
        return self.query_template.format(instruction=instruction, query=query)


def profile_for(model_name: str) -> ModelProfile:
    """The profile of a model, by the last part of its name: a local folder and a hub name are the same model."""
    known = _profiles().get(_short_name(model_name))
    return known or ModelProfile(name=model_name)


def same_model(one: str, other: str) -> bool:
    """Do the two names mean the same model: `Qwen/Qwen3-Embedding-4B` and `/models/Qwen3-Embedding-4B` do."""
    return _short_name(one) == _short_name(other)


def model_fingerprint(model_name: str, native_dimension: int, weight_version: str | None = None) -> str:
    """16 hex digits over what a document vector depends on besides the text.

    `weight_version`: what the server reports for its weights, when it reports anything. The query
    instruction is no part of it, since documents carry none.
    """
    return fingerprint("model", profile_for(model_name).name, native_dimension, weight_version)


def _short_name(model_name: str) -> str:
    return model_name.rstrip("/").rsplit("/", 1)[-1].casefold()


@cache
def _profiles() -> dict[str, ModelProfile]:
    table = tomllib.loads(files("kb_pipeline.embedding").joinpath("models.toml").read_text("utf-8"))
    profiles = (
        ModelProfile(
            name=name,
            native_dimension=row["native_dimension"],
            context_length=row["context_length"],
            query_template=row.get("query_template"),
            languages=frozenset(row.get("languages", ())),
        )
        for name, row in table.items()
    )
    return {profile.name.casefold(): profile for profile in profiles}
