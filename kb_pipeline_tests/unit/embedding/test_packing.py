from itertools import count

from kb_pipeline.embedding.packing import (
    BATCH_TEXTS,
    BATCH_TOKENS,
    WINDOW_CHARACTERS,
    WINDOW_TEXTS,
    PendingText,
    pack,
    split_text,
    that_fit,
    windows,
)


def text(tokens: int) -> PendingText:
    return PendingText(b"", "x", tokens)


def test_windows_of_an_endless_stream_are_bounded_in_count() -> None:
    stream = ((b"", "short") for _ in count())
    assert len(next(windows(stream))) == WINDOW_TEXTS


def test_windows_are_bounded_in_characters() -> None:
    page = "x" * (WINDOW_CHARACTERS // 4)
    assert [len(window) for window in windows([(b"", page)] * 10)] == [4, 4, 2]


def test_batches_hold_every_text_once_within_the_limits() -> None:
    texts = [text(number % 700 + 1) for number in range(2000)]
    batches = list(pack(texts, None))
    assert sorted(map(id, (item for batch in batches for item in batch))) == sorted(map(id, texts))
    for batch in batches:
        assert len(batch) <= BATCH_TEXTS
        assert max(item.tokens for item in batch) * len(batch) <= BATCH_TOKENS


def test_texts_of_similar_length_travel_together() -> None:
    batches = list(pack([text(number % 700 + 1) for number in range(2000)], None))
    padded = sum(max(item.tokens for item in batch) * len(batch) for batch in batches)
    assert padded < 1.15 * sum(item.tokens for batch in batches for item in batch)


def test_a_text_that_may_be_too_long_travels_alone() -> None:
    batches = list(pack([text(600), text(500), text(10)], 512))
    assert [[item.tokens for item in batch] for batch in batches] == [[600], [500, 10]]


def test_a_text_beyond_the_budget_is_still_sent() -> None:
    assert [len(batch) for batch in pack([text(BATCH_TOKENS * 2), text(1)], None)] == [1, 1]


def test_long_text_is_cut_at_sentences_and_nothing_is_lost() -> None:
    page = "第一句话说明了原则。第二句话说明了例外！" * 40
    pieces = split_text(page, 5)
    assert "".join(pieces) == page
    assert all(piece[-1] in "。！" for piece in pieces)
    assert max(map(len, pieces)) <= -(-len(page) // 5)


def test_text_without_any_boundary_is_cut_anyway() -> None:
    assert [len(piece) for piece in split_text("x" * 100, 3)] == [34, 34, 32]


def test_a_request_takes_the_first_texts_that_fit_and_always_one() -> None:
    batch = [text(100), text(80), text(10)]
    assert that_fit(batch, 256, 1000) == 3
    assert that_fit(batch, 256, 299) == 2
    assert that_fit(batch, 1, 1000) == 1
    assert that_fit(batch, 256, 50) == 1
