"""The embedding server of a site: installing, starting, stopping, looking at and measuring it.

Which server that is follows from the settings, as everywhere: the one at KB_EMBEDDING_URL; else this machine's
SGLang when KB_SGLANG__MODEL is set; else the CPU server. Only the last two are started and stopped from here.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import KbError, SettingsError
from kb_pipeline.services import gpu
from kb_pipeline.services.daemon import EMBEDDING, SGLANG, ServiceState, log_file, read_state, stop
from kb_pipeline.services.sglang import Health, base_url, health_at, log_lines
from kb_pipeline.settings import Settings
from kb_pipeline.site import connect_embedding, embedding_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kb_pipeline.embedding.benchmark import LengthResult, Rate
    from kb_pipeline.embedding.client import ModelIdentity

URL, SGLANG_KIND, CPU = "your own", "SGLang", "CPU server"
STATUS_PATIENCE = 3.0  # seconds without an answer until a server counts as down


def kind(settings: Settings) -> str:
    """Which of the three a site uses."""
    if settings.embedding_url is not None:
        return URL
    return CPU if settings.sglang.model is None else SGLANG_KIND


def install(settings: Settings) -> dict[str, Any]:
    """Make SGLang's environment, and fetch the model when it is one of a hub.

    Raises UnavailableError when this machine cannot run it or something cannot be downloaded, SettingsError.
    """
    from kb_pipeline.services import sglang_install

    home, sglang = settings.home_path, settings.sglang
    fresh = sglang_install.install(home, sglang) if sglang.python is None else False
    revision = sglang_install.fetch_model(home, sglang)
    return {
        "version": sglang_install.installed_version(home),
        "fresh": fresh,
        "model": sglang.model,
        "revision": revision,
    }


def start(settings: Settings) -> dict[str, Any]:
    """Start the server unless it runs, wait until it is healthy, and check what it serves; its `status`.

    Raises EmbeddingServerUnavailable, SettingsError.
    """
    if settings.embedding_url is not None:
        raise SettingsError(
            "KB_EMBEDDING_URL names a server that is started elsewhere; empty it to use one of this machine."
        )
    allowed = settings.sglang.model_copy(update={"launch": True})
    settings = settings.model_copy(update={"sglang": allowed})
    connect_embedding(settings).close()
    return status(settings)


def stop_servers(settings: Settings) -> list[str]:
    """Stop this home's SGLang and CPU servers; the names of those that ran."""
    return [name for name in (SGLANG, EMBEDDING) if stop(settings.home_path, name)]


def status(settings: Settings) -> dict[str, Any]:
    """What the site's embedding server is and says; nothing is started. `servers`: one per URL."""
    state = read_state(settings.home_path, EMBEDDING if kind(settings) == CPU else SGLANG)
    state = None if settings.embedding_url is not None else state
    urls = _urls(settings, state)
    return {
        "kind": kind(settings),
        "servers": [_described(url, settings) for url in urls],
        "process": _process(settings, state),
        "cards": [asdict(card) for card in gpu.cards()],
    }


def is_up(found: dict[str, Any]) -> bool:
    """Whether any server of a `status` embeds texts."""
    return any(server["error"] is None for server in found["servers"])


def logs(settings: Settings, lines: int) -> dict[str, Any]:
    """`path` and the last `lines` of what this home's server printed.

    Raises SettingsError for a server that is elsewhere.
    """
    if settings.embedding_url is not None:
        raise SettingsError("KB_EMBEDDING_URL names a server that runs elsewhere; look at its log there.")
    home = settings.home_path
    name = SGLANG if kind(settings) == SGLANG_KIND else EMBEDDING
    return {"path": str(log_file(home, name)), "lines": log_lines(home, name, lines, embedding_key(settings))}


def bench(
    settings: Settings, *, lengths: Sequence[int], batch_sizes: Sequence[int], seconds: float
) -> Iterator[tuple[ModelIdentity, LengthResult]]:
    """Measure whatever server is configured, one length after the other; see `embedding.benchmark`.

    Raises EmbeddingServerUnavailable, SettingsError.
    """
    from kb_pipeline.embedding.benchmark import measure

    with connect_embedding(settings) as client:
        for result in measure(client, lengths=lengths, batch_sizes=batch_sizes, seconds=seconds):
            yield client.identity, result


def bench_json(identity: ModelIdentity, results: Sequence[LengthResult]) -> dict[str, Any]:
    """Plain data: rates per length for the loop, for each batch size and for the stream."""
    return {
        "model": identity.name,
        "revision": identity.revision,
        "dimension": identity.native_dimension,
        "lengths": [
            {
                "tokens": result.length,
                "tokens_counted": result.counted,
                "loop": _rate(result.loop),
                "batches": [{"texts": size, **_rate(rate)} for size, rate in result.batches.items() if rate],
                "stream": _rate(result.stream),
                "stream_over_loop": result.stream_over_loop,
            }
            for result in results
        ],
        "cards": [asdict(card) for card in gpu.cards()],
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {
        "texts_per_second": rate.texts_per_second,
        "tokens_per_second": rate.tokens_per_second,
        "requests": rate.requests,
        "failed": rate.failed,
    }


def _urls(settings: Settings, state: ServiceState | None) -> list[str]:
    if settings.embedding_url is not None:
        return [url.strip() for url in settings.embedding_url.split(",") if url.strip()]
    if state is not None and state.ready_url is not None:
        return [state.ready_url]
    if kind(settings) == SGLANG_KIND and health_at(settings.sglang) is not Health.ABSENT:
        return [base_url(settings.sglang)]  # someone else's, or one that starts
    return []


def _described(url: str, settings: Settings) -> dict[str, Any]:
    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.embedding.wire import public_url

    found: dict[str, Any] = {"url": public_url(url), "error": None, "model": None, "revision": None}
    found |= {"dimension": None, "context_length": None}
    try:
        key = embedding_key(settings)
        with EmbeddingClient.connect(url, api_key=key, patience=STATUS_PATIENCE) as client:
            identity = client.identity
    except KbError as error:
        return found | {"error": str(error)}
    return found | {
        "model": identity.name,
        "revision": identity.revision,
        "dimension": identity.native_dimension,
        "context_length": identity.context_length,
    }


def _process(settings: Settings, state: ServiceState | None) -> dict[str, Any] | None:
    """The server's process, where it is one of this home; `ready` is False while it starts or stops."""
    if state is None:
        return None
    ready = state.ready_url is not None
    return {
        "pid": state.server.pid if state.server else None,
        "ready": ready,
        "log": str(log_file(settings.home_path, state.name)),
    }
