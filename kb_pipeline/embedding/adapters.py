"""Adapters beside the model of the CPU embedding server, loaded while it runs, as SGLang does it.

`POST /load_lora_adapter` with `{"lora_name": …, "lora_path": folder}`, `POST /unload_lora_adapter` with `{"lora_name":
…}`; a request for embeddings chooses one as `model:name`. Answers have `success`, `error_message` and
`loaded_adapters`, with status 400 where it did not succeed.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, StringConstraints, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from kb_pipeline.embedding.batch_queue import BatchQueue
    from kb_pipeline.embedding.encoder import Encoder

MOST_ADAPTERS = 4  # beside the default model, each takes as much memory as its matrices, some 90 MB

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^:\s]+$")]


class _Load(BaseModel):
    lora_name: _Name
    lora_path: str


class _Unload(BaseModel):
    lora_name: _Name


_Form = TypeVar("_Form", _Load, _Unload)


class Adapters:
    """The loaded ones by name; safe to use from several threads."""

    def __init__(self, base: Encoder, queue_for: Callable[[Encoder], BatchQueue]) -> None:
        self._base = base
        self._queue_for = queue_for
        self._loaded: dict[str, tuple[str, BatchQueue]] = {}  # name -> folder, queue
        self._lock = Lock()

    def queue(self, name: str) -> BatchQueue | None:
        loaded = self._loaded.get(name)
        return None if loaded is None else loaded[1]

    def load(self, name: str, folder: str) -> None:
        """Raises SettingsError when the adapter is damaged, the name is taken, or there are too many."""
        with self._lock:
            if name in self._loaded:
                raise SettingsError(f"An adapter with the name {name} is already loaded; unload it first.")
            if len(self._loaded) >= MOST_ADAPTERS:
                raise SettingsError(f"{MOST_ADAPTERS} adapters are loaded; unload one first.")
            self._loaded[name] = (folder, self._queue_for(self._base.adapted(Path(folder))))

    def unload(self, name: str) -> None:
        """Raises SettingsError when there is none of that name."""
        with self._lock:
            if name not in self._loaded:
                raise SettingsError(f"There is no adapter with the name {name}; load it first.")
            _, queue = self._loaded.pop(name)
        queue.close()

    def folders(self) -> dict[str, str]:
        return {name: folder for name, (folder, _) in self._loaded.items()}

    def close(self) -> None:
        for _, queue in self._loaded.values():
            queue.close()


def adapter_routes(adapters: Adapters) -> list[Route]:
    async def load(request: Request) -> Response:
        wanted = await _wanted(request, _Load)
        return await _answer(adapters, lambda: adapters.load(wanted.lora_name, wanted.lora_path))

    async def unload(request: Request) -> Response:
        wanted = await _wanted(request, _Unload)
        return await _answer(adapters, lambda: adapters.unload(wanted.lora_name))

    return [
        Route("/load_lora_adapter", load, methods=["POST"]),
        Route("/unload_lora_adapter", unload, methods=["POST"]),
    ]


async def _wanted(request: Request, form: type[_Form]) -> _Form:
    try:
        return form.model_validate_json(await request.body())
    except ValidationError:
        raise HTTPException(400, f"A JSON object with {' and '.join(form.model_fields)} is needed.") from None


async def _answer(adapters: Adapters, act: Callable[[], None]) -> Response:
    try:
        await run_in_threadpool(act)
    except SettingsError as error:
        return JSONResponse({"success": False, "error_message": str(error), "loaded_adapters": adapters.folders()}, 400)
    return JSONResponse({"success": True, "error_message": "", "loaded_adapters": adapters.folders()})
