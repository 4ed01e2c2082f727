"""What the knowledge base needs: is it there, which version, and what to do when it is not."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kb_pipeline.errors import KbError
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site, open_site
from kb_pipeline.store import database, generations

LEAST_FREE_GB = 2.0
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
    checks = [_python(), _packages(), _home(settings)]
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
    detail = f"{identity.name}, {identity.native_dimension} dimensions, languages: {languages}"
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
