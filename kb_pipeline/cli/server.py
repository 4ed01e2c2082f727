"""`kb server`: the embedding server; see `kb_pipeline.cli.app` for what all commands have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_pipeline.cli.session import call_settings
from kb_pipeline.errors import UnavailableError
from kb_pipeline.terminal.output import Json, note, print_json, say, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.embedding.benchmark import LengthResult

server_app = typer.Typer(help="The embedding server: SGLang on this machine's GPU, or the CPU server.")
LOG_LINES = 40


@server_app.command("install")
def install_server(as_json: Json = False) -> int:
    """Make SGLang's environment in KB_HOME, and fetch the model when it is one of a hub."""
    from kb_pipeline.operations.server import install

    settings = call_settings()
    if not as_json:
        note(f"Installing SGLang {settings.sglang.version}; several gigabytes may be downloaded.")
    done = install(settings)
    if as_json:
        print_json(done)
        return 0
    say(f"SGLang {done['version']} is {'installed' if done['fresh'] else 'there already'}.")
    if done["revision"]:
        say(f"{done['model']} is pinned to {done['revision']}.")
    return 0


@server_app.command("start")
def start_server(as_json: Json = False) -> int:
    """Start the server unless it runs, and wait until it is healthy and serves the right model."""
    from kb_pipeline.operations.server import start

    settings = call_settings()
    if not as_json and settings.sglang.model is not None:
        note("Starting SGLang unless it runs; loading a model takes minutes.")
    found = start(settings)
    _show(found, as_json=as_json)
    return 0


@server_app.command("stop")
def stop_server(as_json: Json = False) -> int:
    """Stop the server of this KB_HOME, after it has answered what is in flight."""
    from kb_pipeline.operations.server import stop_servers

    stopped = stop_servers(call_settings())
    if as_json:
        print_json({"stopped": stopped})
    else:
        say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    return 0


@server_app.command("status")
def server_status(as_json: Json = False) -> int:
    """Which server is used, whether it answers, and what it serves; nothing is started."""
    from kb_pipeline.operations.server import is_up, status

    found = status(call_settings())
    _show(found, as_json=as_json)
    return 0 if is_up(found) else UnavailableError.exit_code


@server_app.command("logs")
def server_logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = LOG_LINES,
    as_json: Json = False,
) -> int:
    """What the server of this KB_HOME printed last, without the key."""
    from kb_pipeline.operations.server import logs

    found = logs(call_settings(), lines)
    if as_json:
        print_json(found)
        return 0
    for line in found["lines"]:
        say(line)
    if not found["lines"]:
        note(f"There is nothing in {found['path']}.")
    return 0


@server_app.command("bench")
def bench_server(
    length: Annotated[list[int] | None, typer.Option("--length", min=1, help="Tokens of a text; repeatable.")] = None,
    batch_size: Annotated[
        list[int] | None, typer.Option("--batch-size", min=2, help="Texts in a request; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.05, help="How long each cell is measured.")] = 2.0,
    as_json: Json = False,
) -> int:
    """Texts and tokens a second of the configured server, by length and batch size, and batches against a loop."""
    from kb_pipeline.embedding.benchmark import BATCH_SIZES, LENGTHS
    from kb_pipeline.operations.server import bench, bench_json

    sizes = tuple(batch_size or BATCH_SIZES)
    results: list[LengthResult] = []
    identity = None
    for found, result in bench(call_settings(), lengths=tuple(length or LENGTHS), batch_sizes=sizes, seconds=seconds):
        identity = found
        results.append(result)
        if not as_json:
            note(f"{result.length} tokens: measured")
    if identity is None:
        return UnavailableError.exit_code
    if as_json:
        print_json(bench_json(identity, results))
        return 0
    say(f"{identity.name}, {identity.native_dimension} dimensions")
    table("loop: one text at a time; stream: as ingestion does", [row for result in results for row in _rows(result)])
    return 0


def _rows(result: LengthResult) -> Iterator[dict[str, Any]]:
    rates = {"loop": result.loop, **{f"batches of {size}": rate for size, rate in result.batches.items()}}
    for how, rate in {**rates, "stream": result.stream}.items():
        texts = rate.texts_per_second if rate else 0.0
        loop = result.loop.texts_per_second
        yield {
            "tokens": f"{result.counted:.0f}",
            "sent as": how,
            "texts/s": f"{texts:,.1f}" if rate else "too slow",
            "tokens/s": f"{rate.tokens_per_second:,.0f}" if rate else "",
            "× loop": f"{texts / loop:.1f} ×" if rate and loop else "",
            "failed": rate.failed or None if rate else None,
        }


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for server in found["servers"]:
        if server["error"]:
            say(f"{found['kind']} at {server['url']}: {server['error']}")
            continue
        revision = f", revision {server['revision']}" if server["revision"] else ""
        say(
            f"{found['kind']} at {server['url']}: {server['model']}{revision}, {server['dimension']} dimensions, "
            f"{server['context_length'] or 'unknown'} tokens of context"
        )
    if not found["servers"]:
        say(f"No server runs (it would be: {found['kind']}); kb server start starts it.")
    if found["process"]:
        say(f"Process {found['process']['pid']}, log {found['process']['log']}")
    table("Cards", found["cards"])
