"""The connections of the search server to PostgreSQL."""

from __future__ import annotations

import select
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from kb_pipeline.errors import DatabaseUnavailable
from kb_pipeline.store.database import Connection, register_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECONNECT_SECONDS = 60.0  # a restarted PostgreSQL is back by then, or the next request tries again


def _check(connection: Connection) -> None:
    """Ask one that has something to say, which of an idle one is mostly its end; asking each costs every request a turn
    to PostgreSQL and back. Raises psycopg.OperationalError where it is dead."""
    said = select.poll()
    said.register(connection.fileno(), select.POLLIN)
    if said.poll(0):
        ConnectionPool.check_connection(connection)


class Connections:
    """At most `most` at a time, of which a request waits `timeout` seconds for one.

    `database_url` is asked at every new connection.
    """

    def __init__(self, database_url: Callable[[], str], *, name: str, most: int, timeout: float) -> None:
        self._timeout = timeout
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            database_url,
            kwargs={
                "autocommit": True,
                "prepare_threshold": None,
                "connect_timeout": 5,
                "application_name": f"kb_pipeline {name}",
            },
            min_size=0,
            max_size=most,
            configure=register_types,
            check=_check,
            timeout=timeout,
            reconnect_timeout=RECONNECT_SECONDS,
            open=False,
            name=name,
        )

    def open(self) -> None:
        self._pool.open()

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[Connection]:
        """An idle one for the length of a block. Raises DatabaseUnavailable."""
        seconds = self._timeout if timeout is None else timeout
        try:
            connection = self._pool.getconn(seconds)
        except (PoolTimeout, PoolClosed):
            raise DatabaseUnavailable(
                f"PostgreSQL gave no connection within {seconds:.0f} seconds; start it, or try again in a moment."
            ) from None
        try:
            yield connection
        finally:
            self._pool.putconn(connection)
