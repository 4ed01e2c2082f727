"""A Ctrl-C that a handler in between forgets is raised all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from kb_pipeline.terminal.interrupts import noted, raise_noted


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """A handler that does nothing, as Dagster's between two of its contexts."""
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, previous)


def test_a_forgotten_interrupt_is_raised_where_it_is_asked_for() -> None:
    with noted():
        raise_noted()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            raise_noted()
        raise_noted()  # once


def test_a_forgotten_interrupt_is_raised_at_the_end_of_the_block() -> None:
    with pytest.raises(KeyboardInterrupt), noted():
        signal.raise_signal(signal.SIGINT)


def test_an_error_that_follows_an_interrupt_does_not_hide_it() -> None:
    with pytest.raises(KeyboardInterrupt), noted():
        _interrupted_and_wrong()


def test_an_error_without_an_interrupt_stays_the_error() -> None:
    with pytest.raises(ZeroDivisionError), noted():
        raise ZeroDivisionError


def test_other_signals_and_earlier_ones_are_nothing_to_it() -> None:
    previous = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        signal.raise_signal(signal.SIGINT)
        raise_noted()
        with noted():
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)


def _interrupted_and_wrong() -> None:
    signal.raise_signal(signal.SIGINT)
    raise ZeroDivisionError
