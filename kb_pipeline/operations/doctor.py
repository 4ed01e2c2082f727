"""What the knowledge base needs: is it there, which version, and what to do when it is not."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

import anyio
from pydantic import SecretStr

from kb_pipeline.alerts.webhook import host_of, reach
from kb_pipeline.embedding.tokenizer import estimated_tokens
from kb_pipeline.errors import KbError
from kb_pipeline.operations.agreement import disagreements
from kb_pipeline.operations.sources import known_sources
from kb_pipeline.privacy.key import KEY_FILE
from kb_pipeline.privacy.pseudonyms import key_id
from kb_pipeline.search.rerank import CHECK_QUESTIONS, Reranker
from kb_pipeline.services.postgres import PARALLEL_SHARED_MEMORY
from kb_pipeline.settings import CONFIG_VARIABLE, Settings
from kb_pipeline.site import Site, configured_answerer, connect_embedding, open_site
from kb_pipeline.source.place import Place
from kb_pipeline.store import alerts, database, generations
from kb_pipeline.system.hosts import is_loopback

if TYPE_CHECKING:
    from kb_pipeline.answers.answering import Answerer
    from kb_pipeline.embedding.model_check import ModelReport

LEAST_FREE_GB = 2.0
SHORT_LIMIT_SECONDS = 600.0  # an index build may take longer
SECRETS = [name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)]
SECRETS += ["api_key", "reranker__api_key", "answers__api_key", "webhook_url", "alerts__webhook_url"]
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
    checks = [_python(), _packages(), _chinese_font(), _parser(), _home(settings), _modes(settings)]
    try:
        with database.database_errors(), open_site(settings) as site:
            checks += list(_database(site))
            checks += [_attempt("privacy key", lambda: _key(site))]
            checks += [_attempt(f"source {uri}", partial(_source, site.sources.of(uri))) for uri in _sources(site)]
            checks += [_attempt("embedding server", lambda: _embedding(site))]
            checks += [_attempt("reranker", partial(_reranker, site.reranker))] if site.reranker else []
            checks += [_attempt("alerts", lambda: _alerts(site))] if settings.alerts.webhook_url else []
            answerer = configured_answerer(settings)
            checks += [_attempt("chat server", partial(_chat, answerer))] if answerer else []
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


def _parser() -> Check:
    from kb_pipeline.parsing.confinement import can_close_network

    if can_close_network():
        return Check("parser process", True, "without network, new rights or the secrets of its caller")
    return Check(
        "parser process",
        False,
        "the kernel does not take the network from it; a file that breaks a library could reach it",
        "Allow seccomp filters, or run kb where documents come in without network.",
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


def _modes(settings: Settings) -> Check:
    """Can others on this machine read what only its owner may?"""
    name = "file modes"
    private = [settings.home_path, settings.home_path / KEY_FILE, *filter(_holds_a_secret, _settings_files())]
    loose = [path for path in private if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    if not loose:
        return Check(name, True, "only their owner can read KB_HOME, the key and secrets in settings files")
    modes = ", ".join(f"{path} is {stat.S_IMODE(path.stat().st_mode):o}" for path in loose)
    return Check(name, False, f"others may read: {modes}", f"Run chmod go= {' '.join(map(str, loose))}")


def _settings_files() -> list[Path]:
    return [Path(".env"), Path(os.environ.get(CONFIG_VARIABLE) or "kb.toml")]


def _holds_a_secret(file: Path) -> bool:
    try:
        text = file.read_text("utf-8", "replace").lower()
    except OSError:
        return False
    return any(re.search(rf"^\s*(export\s+)?(kb_)?{name}\s*=\s*\S", text, re.MULTILINE) for name in SECRETS)


def _database(site: Site) -> Iterator[Check]:
    connection = site.connect()
    version = connection.info.parameter_status("server_version") or "unknown"
    where = "embedded" if site.settings.database_url is None else database.display_url(site.database_url)
    yield Check("database", True, f"PostgreSQL {version}, {where}")
    installed = database.pgvector_version(connection) or (0,)
    name = ".".join(map(str, installed))
    recommended = ".".join(map(str, database.RECOMMENDED_PGVECTOR))
    if installed < database.SOUND_PGVECTOR:
        remedy = f"Upgrade it, best to {recommended}: releases before 0.8.4 can damage an HNSW index."
        yield Check("pgvector", False, name, remedy)
    else:
        better = f"; {recommended} is recommended" if installed < database.RECOMMENDED_PGVECTOR else ""
        yield Check("pgvector", True, f"{name}{better}")
    yield _sql_search(connection)
    yield _rights(database.role_rights(connection))
    yield _time_limits(database.time_limits(connection))
    yield from _shared_memory(site)


def _rights(found: database.RoleRights) -> Check:
    name = "rights of the database role"
    if found.only_reads:
        return Check(
            name,
            False,
            f"{found.role} can only read here",
            "Name the primary server in KB_DATABASE_URL, or set default_transaction_read_only to off for the role.",
        )
    missing = [f"all rights on {', '.join(found.closed_tables)}"] if found.closed_tables else []
    missing += [] if found.may_create else ["CREATE on the schema"]
    missing += [] if found.may_stage else ["TEMPORARY on the database"]
    missing += [] if found.owns else ["membership in the role that owns the tables, to build indexes"]
    if missing:
        return Check(
            name, False, f"{found.role} lacks {'; '.join(missing)}", "Have the owner of the database grant it."
        )
    return Check(name, True, f"{found.role} may read, write and make tables")


def _time_limits(limits: Mapping[str, float]) -> Check:
    name = "time limits of the database"
    short = [f"{setting} {seconds:g} s" for setting, seconds in limits.items() if seconds < SHORT_LIMIT_SECONDS]
    if short:
        remedy = "Set them to 0 for this role (ALTER ROLE … SET … = 0): a run or an index build may take longer."
        return Check(name, False, ", ".join(short), remedy)
    return Check(name, True, ", ".join(f"{setting} {seconds:g} s" for setting, seconds in limits.items()) or "none")


def _shared_memory(site: Site) -> Iterator[Check]:
    """Where the server is on this machine: a parallel index build holds its graph in /dev/shm."""
    host = urlsplit(site.database_url).hostname
    if site.settings.database_url is not None and not (host and is_loopback(host)):
        return
    free = shutil.disk_usage("/dev/shm").free  # noqa: S108 - only asked for its size
    detail = f"{free / 1e9:.1f} GB free in /dev/shm"
    if free >= PARALLEL_SHARED_MEMORY:
        yield Check("shared memory", True, detail)
    elif site.settings.database_url is None:
        yield Check("shared memory", True, f"{detail}; the embedded server uses files instead, which is slower")
    else:
        remedy = "A parallel index build may fail; give the container more (--shm-size=1g)."
        yield Check("shared memory", False, detail, remedy)


def _key(site: Site) -> Check:
    own = key_id(site.maskers.default.key)
    recorded = database.recorded_key(site.connect())
    where = "KB_PRIVACY_KEY" if site.settings.privacy_key else str(site.settings.home_path / KEY_FILE)
    used = "the one of this database" if recorded else "no document was masked yet"
    return Check("privacy key", True, f"{own}, {where}; {used}")


def _sources(site: Site) -> list[str]:
    return known_sources(site.connect(), site.settings)


def _source(place: Place) -> Check:
    name = f"source {place.uri}"
    if place.is_empty():
        return Check(name, False, "it holds nothing", "Mount it, or put documents there.")
    return Check(name, True, "it can be listed")


def _sql_search(connection: database.Connection) -> Check:
    if database.scans_go_on(connection):
        return Check("SQL search", True, "filters get as many rows as they ask for")
    return Check(
        "SQL search",
        False,
        "hnsw.iterative_scan is off, so that a query by hand may return fewer rows than its LIMIT under a filter",
        "Have the owner of the database run ALTER DATABASE … SET hnsw.iterative_scan = 'strict_order'; searches by "
        "kb do without, and so does the SQL function nearest_chunks.",
    )


def _embedding(site: Site) -> Check:
    identity = site.embedding.identity
    languages = ", ".join(sorted(identity.profile.languages)) or "any"
    tokens = "estimated" if site.embedding.count_tokens is estimated_tokens else "counted by its own tokenizer"
    detail = f"{identity.name}, {identity.native_dimension} dimensions, languages: {languages}, tokens {tokens}"
    return Check("embedding server", True, detail)


def _reranker(reranker: Reranker) -> Check:
    """Does it rank sensibly? A server without its model's chat template answers, and its scores are near random."""
    started = time.perf_counter()
    sorts = reranker.sorts()
    took = (time.perf_counter() - started) / len(CHECK_QUESTIONS)
    if sorts:
        detail = f"puts the right one of three texts first, in {took * 1000:.0f} ms a question; searches wait"
        return Check("reranker", True, f"{detail} {reranker.budget * 1000:.0f} ms for {reranker.depth}")
    return Check(
        "reranker",
        False,
        "it answers, but does not put the right one of three texts first: its scores are near random",
        "Start Qwen3-Reranker with its chat template (qwen3_reranker.jinja of SGLang) and without --is-embedding, or "
        "unset KB_RERANKER__URL.",
    )


def _alerts(site: Site) -> Check:
    """Is the receiver there, and did it take the last message? Sends nothing."""
    settings = site.settings.alerts
    url = settings.webhook_url.get_secret_value() if settings.webhook_url else ""
    reach(url)
    delivery = alerts.delivery(site.connect())
    if delivery.problem:
        detail, _, remedy = delivery.problem.partition("; ")
        return Check("alerts", False, f"{detail}, {delivery.attempts} times in a row", remedy)
    last = f"last told {delivery.told_at:%Y-%m-%d %H:%M %Z}" if delivery.told_at else "told nothing yet"
    return Check("alerts", True, f"{host_of(url)} can be reached; {last}; kb alerts test sends a message")


def _chat(answerer: Answerer) -> Check:
    """Does it do what answers ask of it?"""
    started = time.perf_counter()
    if anyio.run(answerer.cites):
        took = time.perf_counter() - started
        return Check("chat server", True, f"{answerer.chat.model} answers and cites the passage, in {took:.1f} s")
    return Check(
        "chat server",
        False,
        f"{answerer.chat.model} answers an easy question without citing the passage that says it",
        "Take a larger model, or correct prompt of [answers]: what cites nothing is not shown.",
    )


def _generation(site: Site) -> Check:
    name = "model of the active generation"
    connection = site.connect()
    active = generations.active_generations(connection)
    if not active:
        return Check(name, True, "no generation yet; the first ingest makes one")
    sentences = disagreements(site, connection)
    if not sentences:
        told = (f"{one.name}: {one.model}, {one.dimension} dimensions" + _only(one.collection) for one in active)
        return Check(name, True, "; ".join(told))
    detail, _, remedy = " ".join(sentences).partition("; ")
    return Check(name, False, detail, remedy[:1].upper() + remedy[1:])


def _only(collection: str | None) -> str:
    return f", for {collection} alone" if collection else ""


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
