import threading
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from kb_pipeline.embedding.batch_queue import BatchQueue, QueueClosed, QueueFull, nearest_in_length
from kb_pipeline.embedding.encoder import TokenIds


class GatedEncoder:
    """Encodes a text as its first token id; remembers the batches as they begin. Number 1 waits for the gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, batch: Sequence[TokenIds]) -> NDArray[np.float32]:
        self.batches.append([ids[0] for ids in batch])
        if 1 in self.batches[-1]:
            self.entered.set()
            assert self.gate.wait(10)
        if any(ids[0] == 666 for ids in batch):
            raise RuntimeError("poison")
        return np.array([[ids[0]] for ids in batch], dtype=np.float32)


@pytest.fixture
def encoder() -> GatedEncoder:
    return GatedEncoder()


def queue(encoder: GatedEncoder, **limits: int) -> BatchQueue:
    return BatchQueue(encoder, 1, **{"max_queued_texts": 100, "batch_tokens": 400, "workers": 1} | limits)


def occupy(waiting: BatchQueue, encoder: GatedEncoder) -> None:
    """Have the encoder busy with a batch of its own, so that what follows queues up."""
    waiting.submit([[1]])
    assert encoder.entered.wait(10)


def test_each_request_gets_its_own_rows_in_order(encoder: GatedEncoder) -> None:
    encoder.gate.set()
    waiting = queue(encoder)
    requests = [[[number * 10 + row] * (row + 1) for row in range(6)] for number in range(20)]
    futures = [waiting.submit(request) for request in requests[:16]]
    for request, future in zip(requests, futures, strict=False):
        assert future.result(10)[:, 0].tolist() == [ids[0] for ids in request]
    waiting.close()


def test_requests_that_wait_together_share_a_batch_of_similar_length(encoder: GatedEncoder) -> None:
    waiting = queue(encoder)
    occupy(waiting, encoder)
    waiting.submit([[2] * 100, [3] * 10])
    last = waiting.submit([[4] * 100, [5] * 10])
    encoder.gate.set()
    last.result(10)
    waiting.close()
    assert sorted(map(sorted, encoder.batches)) == [[1], [2, 4], [3, 5]]


def test_an_urgent_text_is_answered_while_a_batch_is_being_computed(encoder: GatedEncoder) -> None:
    waiting = queue(encoder)
    occupy(waiting, encoder)
    last = waiting.submit([[2] * 200 for _ in range(30)])
    query = waiting.submit([[9]], urgent=True)
    assert query.result(10).tolist() == [[9]]
    assert not last.done()
    encoder.gate.set()
    assert last.result(10).shape == (30, 1)
    waiting.close()
    assert encoder.batches[:2] == [[1], [9]]


def test_an_urgent_text_that_fails_spares_the_others(encoder: GatedEncoder) -> None:
    waiting = queue(encoder)
    running = waiting.submit([[1]])
    with pytest.raises(RuntimeError, match="poison"):
        waiting.submit([[666]], urgent=True).result(10)
    encoder.gate.set()
    assert running.result(10).tolist() == [[1]]
    waiting.close()


def test_several_workers_compute_at_once(encoder: GatedEncoder) -> None:
    waiting = queue(encoder, workers=2, batch_tokens=1)
    request = waiting.submit([[1], [2], [3]])
    assert waiting.submit([[4]]).result(10).tolist() == [[4]]
    assert not request.done()
    encoder.gate.set()
    assert request.result(10).tolist() == [[1], [2], [3]]
    waiting.close()


def test_an_idle_worker_helps_with_urgent_texts(encoder: GatedEncoder) -> None:
    waiting = queue(encoder)
    held = waiting.submit([[1]], urgent=True)
    assert encoder.entered.wait(10)
    assert waiting.submit([[2]], urgent=True).result(10).tolist() == [[2]]
    encoder.gate.set()
    assert held.result(10).tolist() == [[1]]
    waiting.close()


def test_a_request_that_does_not_fit_is_refused_whole(encoder: GatedEncoder) -> None:
    waiting = queue(encoder, max_queued_texts=3)
    occupy(waiting, encoder)
    waiting.submit([[2], [3]])
    with pytest.raises(QueueFull):
        waiting.submit([[4], [5]])
    fits = waiting.submit([[6]])
    encoder.gate.set()
    assert fits.result(10).tolist() == [[6]]
    waiting.close()


def test_a_cancelled_request_is_not_computed(encoder: GatedEncoder) -> None:
    waiting = queue(encoder)
    occupy(waiting, encoder)
    assert waiting.submit([[2], [3]]).cancel()
    kept = waiting.submit([[4], [5]])
    encoder.gate.set()
    kept.result(10)
    waiting.close()
    assert encoder.batches == [[1], [4, 5]]


def test_a_batch_that_fails_fails_its_requests_only(encoder: GatedEncoder) -> None:
    encoder.gate.set()
    waiting = queue(encoder)
    with pytest.raises(RuntimeError, match="poison"):
        waiting.submit([[666]]).result(10)
    assert waiting.submit([[7]]).result(10).tolist() == [[7]]
    waiting.close()


def test_closing_computes_what_is_queued_and_takes_no_more(encoder: GatedEncoder) -> None:
    waiting = queue(encoder)
    occupy(waiting, encoder)
    future = waiting.submit([[2], [3]])
    encoder.gate.set()
    waiting.close()
    assert future.result(0).tolist() == [[2], [3]]
    assert not waiting.alive
    with pytest.raises(QueueClosed):
        waiting.submit([[4]])


@pytest.mark.parametrize(
    ("lengths", "around", "expected"),
    [
        ([5], 5, (0, 1)),
        ([500], 500, (0, 1)),  # beyond the budget, and still taken
        ([10, 10, 90, 100, 100, 300], 100, (2, 5)),
        ([90, 100, 100, 100, 100, 100], 90, (0, 4)),  # the budget
        ([1, 2, 3, 30], 2, (0, 4)),  # padding that costs less than another batch
    ],
)
def test_a_batch_grows_towards_the_nearest_lengths(lengths: list[int], around: int, expected: tuple[int, int]) -> None:
    assert nearest_in_length(lengths, around, 400) == expected
