"""What the knowledge base needs: is it there, which version, and what to do when it is not."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from kb_pipeline.embedding.tokenizer import estimated_tokens
from kb_pipeline.errors import KbError
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site, connect_embedding, open_site
from kb_pipeline.store import database, generations

if TYPE_CHECKING:
    from kb_pipeline.embedding.model_check import ModelReport

LEAST_FREE_GB = 2.0
MOST_LOST = 0.05  # of what is found at full dimension
LANGUAGE_NAMES = {"zh": "Chinese", "en": "English"}
PACKAGES = ("dagster", "openai", "unstructured", "psycopg", "pgvector", "presidio-analyzer")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is needed. `remedy` is empty when it is there."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def examine(settings: Settings) -> list[Check]:
    """Every check, each made whatever the others found."""
    checks = [_python(), _packages(), _chinese_font(), _home(settings)]
    try:
        with open_site(settings) as site:
            checks += list(_database(site))
            checks += [_attempt("embedding server", lambda: _embedding(site))]
            checks += [_attempt("model of the active generation", lambda: _generation(site))]
    except KbError as error:
        checks.append(_failed("database", error))
    return checks


def _attempt(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except KbError as error:
        return _failed(name, error)


def _failed(name: str, error: KbError) -> Check:
    detail, _, remedy = str(error).partition("; ")
    return Check(name, False, detail, remedy or str(error))


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), version, "" if sys.version_info >= (3, 11) else "Use 3.11+.")


def _packages() -> Check:
    return Check("packages", True, ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES))


def _chinese_font() -> Check:
    from kb_pipeline.parsing.pdf.fonts import has_chinese_font

    if has_chinese_font():
        return Check("Chinese font", True, "PDFs that name one without holding it are read whole")
    return Check(
        "Chinese font",
        False,
        "none on this machine; PDFs that would lose text since they name one without holding it fail",
        "Install one (on Debian: fonts-wqy-zenhei), then run kb failures retry.",
    )


def _home(settings: Settings) -> Check:
    home = settings.home_path
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 1e9
    if not os.access(there, os.W_OK):
        return Check("KB_HOME", False, f"{home} cannot be written", "Correct its permissions or set KB_HOME.")
    enough = free >= LEAST_FREE_GB
    remedy = "" if enough else f"Free some space; {LEAST_FREE_GB:.0f} GB are little already."
    return Check("KB_HOME", enough, f"{home}, {free:.0f} GB free", remedy)


def _database(site: Site) -> Iterator[Check]:
    connection = site.connect()
    version = connection.info.parameter_status("server_version") or "unknown"
    where = "embedded" if site.settings.database_url is None else database.display_url(site.database_url)
    yield Check("database", True, f"PostgreSQL {version}, {where}")
    installed = database.pgvector_version(connection) or (0,)
    name = ".".join(map(str, installed))
    if installed < database.RECOMMENDED_PGVECTOR:
        yield Check("pgvector", False, name, "Upgrade to 0.8.4 or newer: older ones can damage an HNSW index.")
    else:
        yield Check("pgvector", True, name)


def _embedding(site: Site) -> Check:
    identity = site.embedding.identity
    languages = ", ".join(sorted(identity.profile.languages)) or "any"
    tokens = "estimated" if site.embedding.count_tokens is estimated_tokens else "counted by its own tokenizer"
    detail = f"{identity.name}, {identity.native_dimension} dimensions, languages: {languages}, tokens {tokens}"
    return Check("embedding server", True, detail)


def _generation(site: Site) -> Check:
    name = "model of the active generation"
    active = generations.active_generation(site.connect())
    if active is None:
        return Check(name, True, "no generation yet; the first ingest makes one")
    if active.model_fingerprint == site.embedding.identity.fingerprint:
        return Check(name, True, f"{active.name}: {active.model}, {active.dimension} dimensions")
    return Check(
        name,
        False,
        f"{active.name} was built with {active.model}, the server runs {site.embedding.identity.name}",
        "Run kb generations build, or point KB_EMBEDDING_URL back.",
    )


def examine_model(settings: Settings) -> tuple[list[Check], ModelReport]:
    """What the embedding model is good for, by `embedding.model_check`. Raises EmbeddingServerUnavailable,
    SettingsError."""
    from kb_pipeline.embedding.model_check import LANGUAGES, check_model

    with connect_embedding(settings) as client:
        report = check_model(client, settings.query_instruction)
    wanted = settings.dimension or min(report.native_dimension, generations.WIDEST_DEFAULT)
    checks = [_language(report, language) for language in LANGUAGES]
    checks += [_translation(report), _questions(report), _dimension(report, wanted)]
    return checks, report


def _language(report: ModelReport, language: str) -> Check:
    name = LANGUAGE_NAMES[language]
    share = f"{report.same_language[language]:.0%} of its sentences are nearest to the same in other words"
    if report.speaks(language):
        return Check(f"model speaks {name}", True, share)
    return Check(
        f"model speaks {name}",
        False,
        f"this model does not speak {name}: only {share}",
        f"Serve a model that does, such as Qwen3-Embedding, if documents or queries are in {name}.",
    )


def _translation(report: ModelReport) -> Check:
    detail = f"{report.cross_lingual:.0%} of the sentences are nearest to their translation"
    remedy = "Ask in the language of the documents, or serve a multilingual model such as Qwen3-Embedding."
    good = report.translates
    return Check("model finds across Chinese and English", good, detail, "" if good else remedy)


def _questions(report: ModelReport) -> Check:
    name = "model tells four legal questions apart"
    how = "with the instruction" if report.takes_instruction else "the model takes no instruction"
    if report.sorts_questions:
        return Check(name, True, f"each is nearest to the same question in the other language; {how}")
    remedy = "Look at the matrix; a model that speaks both languages tells matters apart before languages."
    return Check(name, False, f"the same question in the other language is not the nearest; {how}", remedy)


def _dimension(report: ModelReport, wanted: int) -> Check:
    """Is the serving dimension large enough?"""
    full = report.truncation[-1].found
    fine = takewhile(lambda point: point.found >= full - MOST_LOST, reversed(report.truncation))
    enough = min(point.dimension for point in fine)
    detail = f"{enough} of {report.native_dimension} dimensions find what all of them find; served are {wanted}"
    remedy = "" if wanted >= enough else f"Set KB_DIMENSION to {enough} or more and run kb generations build."
    return Check("dimension", wanted >= enough, detail, remedy)
