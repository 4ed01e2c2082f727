"""What is known about each embedding model, and what makes two vectors comparable.

A *profile* says how a model wants to be used: its native dimension, context length, the template that
wraps a query or a document, and the languages it was trained on. Profiles are data, in `models.toml`; a model that
is not listed there gets a neutral profile: any language, nothing wrapped.

A *model fingerprint* names the space that a document vector lies in. Two vectors may be compared only
when their model fingerprints are equal.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kb_pipeline.errors import SettingsError
from kb_pipeline.settings import fingerprint

DEFAULT_CPU_MODEL = "multilingual-e5-small"


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """How a model wants to be used.

    `native_dimension`, `context_length` (tokens), `pooling`: None when nothing is known beforehand.
    `smallest_dimension`: that the model was trained to be cut to; None when it was not trained for truncation.
    `query_template` holds `{query}` and perhaps `{instruction}`, `document_template` holds `{text}`; None when the
    model takes them as they are. `languages`: ISO 639-1 codes; empty means any.
    """

    name: str
    native_dimension: int | None = None
    context_length: int | None = None
    smallest_dimension: int | None = None
    pooling: str | None = None
    query_template: str | None = None
    document_template: str | None = None
    languages: frozenset[str] = frozenset()

    def speaks(self, language: str) -> bool:
        return not self.languages or language in self.languages

    @property
    def takes_instruction(self) -> bool:
        return self.query_template is not None and "{instruction}" in self.query_template

    def query_text(self, query: str, instruction: str) -> str:
        """`query` as the model expects it."""
        if self.query_template is None:
            return query
        return self.query_template.format(instruction=instruction, query=query)

    def document_text(self, text: str) -> str:
        """`text` of a document as the model expects it; a blank one stays blank, so that it is still refused."""
        if self.document_template is None or not text.strip():
            return text
        return self.document_template.format(text=text)

    def check_dimension(self, dimension: int) -> None:
        """Raises SettingsError when the model was trained for truncation, but not to so little."""
        if self.smallest_dimension is not None and dimension < self.smallest_dimension:
            raise SettingsError(
                f"{self.name} was not trained for vectors of {dimension} dimensions; "
                f"choose KB_DIMENSION from {self.smallest_dimension} up."
            )


@dataclass(frozen=True, slots=True)
class ExpectedModel:
    """The model that a server has to serve. `revision`: of its weights, as the server reports it; None: any.

    `path`: where the weights lie on this machine; a server that loaded them from there has that revision.
    `remedy`: what to do when it serves another.
    """

    name: str
    revision: str | None = None
    path: str | None = None
    remedy: str = "correct KB_EMBEDDING_MODEL or KB_EMBEDDING_URL"


@dataclass(frozen=True, slots=True)
class QueryAdapter:
    """What tuning made for queries: by which `name` the server knows it, and the `folder` where it finds it."""

    name: str
    folder: str


def profile_for(model_name: str) -> ModelProfile:
    """The profile of a model, by the last part of its name: a local folder and a hub name are the same model."""
    known = _profiles().get(_short_name(model_name))
    return known or ModelProfile(name=model_name)


def require_dimension(model: str, native: int, asked: int | None, collection: str | None = None) -> None:
    """Raises SettingsError for a dimension that a model of `native` dimensions has not or was not trained for.

    `collection`: the one whose setting it is.
    """
    if asked is None:
        return
    profile_for(model).check_dimension(asked)
    if asked > native:
        name = "KB_DIMENSION" if collection is None else f"The dimension of the collection {collection}"
        raise SettingsError(
            f"{name} is {asked}, but the vectors of {model} have {native} dimensions; set it to that or less, or leave "
            "it out."
        )


def same_model(one: str, other: str) -> bool:
    """Do the two names mean the same model: `Qwen/Qwen3-Embedding-4B` and `/models/Qwen3-Embedding-4B` do."""
    return _short_name(one) == _short_name(other)


def model_fingerprint(model_name: str, native_dimension: int, weight_version: str | None = None) -> str:
    """16 hex digits over what a document vector depends on besides the text.

    `weight_version`: what the server reports for its weights, when it reports anything. The query
    instruction is no part of it, since documents carry none.
    """
    profile = profile_for(model_name)
    template = () if profile.document_template is None else (profile.document_template,)
    return fingerprint("model", profile.name, native_dimension, weight_version, *template)


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
            smallest_dimension=row.get("smallest_dimension"),
            pooling=row["pooling"],
            query_template=row.get("query_template"),
            document_template=row.get("document_template"),
            languages=frozenset(row.get("languages", ())),
        )
        for name, row in table.items()
    )
    return {profile.name.casefold(): profile for profile in profiles}
