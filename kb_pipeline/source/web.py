"""Requests to web servers that keep to what a site allows: its hosts, public addresses, a pace, a size, a time.

An address is looked at when it is connected to, and that very address is used, so that neither a redirect nor a name
that leads elsewhere a moment later (DNS rebinding) reaches a machine of the inner network.
"""

from __future__ import annotations

import ipaddress
import socket
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import httpcore

from kb_pipeline.errors import NotFetched

if TYPE_CHECKING:
    from httpcore._backends.base import SOCKET_OPTION

AGENT = "kb_pipeline"
MOST_REDIRECTS = 5
SECONDS = 30.0  # for the server to connect, and between two pieces
SECONDS_IN_ALL = 120.0
PIECE = 1 << 16
_WITHOUT_TEXT = ("video/", "audio/", "font/", "image/svg")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: names in small letters. `body`: decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The encoding that the header names."""
        _, _, said = self.headers.get("content-type", "").lower().partition("charset=")
        return said.partition(";")[0].strip("\"' ")


@dataclass
class Web:
    """`hosts`: with their port where it is not the usual one. `authorization`: sent to the first of them alone, and
    only by `scheme`: a redirect from https to http would show it to whoever listens."""

    hosts: tuple[str, ...]
    private_addresses: bool = False
    per_second: float = 2.0
    most_bytes: int = 20 << 20
    authorization: str | None = field(default=None, repr=False)
    scheme: str = "https"
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: dict[str, float] = field(default_factory=dict, repr=False)
    _pool: httpcore.ConnectionPool | None = field(default=None, repr=False)

    def get(self, url: str, headers: Mapping[str, str] | None = None, most_bytes: int | None = None) -> Answer:
        """The answer to a GET, redirects followed as far as they are allowed. Raises NotFetched."""
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._once(url, headers or {}, most_bytes or self.most_bytes)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            url = urljoin(url, answer.headers["location"])
        raise NotFetched(f"it redirects more than {MOST_REDIRECTS} times")

    def allows(self, url: str) -> bool:
        return host_of(url) in self.hosts

    @contextmanager
    def connected(self) -> Iterator[httpcore.ConnectionPool]:
        """Keep connections open for as long as this lasts; otherwise each request has its own."""
        if self._pool is not None:
            yield self._pool
            return
        backend = _Checked(private=self.private_addresses)
        with httpcore.ConnectionPool(network_backend=backend, max_connections=4) as pool:
            self._pool = pool
            try:
                yield pool
            finally:
                self._pool = None

    def _once(self, url: str, headers: Mapping[str, str], most_bytes: int) -> Answer:
        host = host_of(url)
        if host not in self.hosts:
            raise NotFetched("it leads to a host that is not allowed; name it under hosts", refused=True)
        self._wait(host)
        sent = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", "Host": host} | dict(headers)
        if self.authorization is not None and (urlsplit(url).scheme, host) == (self.scheme, self.hosts[0]):
            sent["Authorization"] = self.authorization
        lines = [(name.encode(), value.encode("latin-1", "replace")) for name, value in sent.items()]
        patience = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)}
        with _errors(), self.connected() as pool, pool.stream("GET", url, headers=lines, extensions=patience) as answer:
            found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            kind = found.get("content-type", "").strip().lower()
            if kind.startswith(_WITHOUT_TEXT):
                raise NotFetched(f"it is of the type {kind.partition(';')[0]}, which holds no text", refused=True)
            body = self._body(answer.iter_stream(), found.get("content-encoding", ""), most_bytes)
        return Answer(answer.status, found, body, url)

    def _body(self, pieces: Iterable[bytes], encoding: str, most_bytes: int) -> bytes:
        if encoding.strip().lower() not in ("", "identity", "gzip", "x-gzip"):
            raise NotFetched("it comes in an encoding that was not asked for")
        body = bytearray()
        end = self.clock() + SECONDS_IN_ALL
        for piece in unzipped(pieces, most_bytes) if "gzip" in encoding.lower() else pieces:
            body += piece
            if len(body) > most_bytes:
                raise NotFetched(f"it is larger than {most_bytes >> 20} MiB", refused=True)
            if self.clock() > end:
                raise NotFetched(f"it takes longer than {SECONDS_IN_ALL:.0f} s")
        return bytes(body)

    def _wait(self, host: str) -> None:
        now = self.clock()
        self.sleep(max(0.0, self._next.get(host, now) - now))
        self._next[host] = max(self._next.get(host, now), now) + 1 / self.per_second

    def slow_down(self, host: str, seconds: float) -> None:
        """Ask nothing of a host for a while."""
        self._next[host] = max(self._next.get(host, 0.0), self.clock() + seconds)


def host_of(url: str) -> str:
    """The host of a URL of http or https, with its port where it is not the usual one; '' for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    if usual is None or not parts.hostname or parts.username is not None:
        return ""
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return name if port in (None, usual) else f"{name}:{port}"


def unzipped(pieces: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """What gzip packed, piece by piece, so that no small answer fills the memory. Raises NotFetched."""
    machine = zlib.decompressobj(wbits=31)
    total = 0
    try:
        for piece in pieces:
            rest = piece
            while rest and not machine.eof:
                out = machine.decompress(rest, PIECE)
                rest = machine.unconsumed_tail
                total += len(out)
                yield out
                if total > most_bytes:
                    return
    except zlib.error:
        raise NotFetched("its compressed content is damaged") from None
    if not machine.eof:
        raise NotFetched("its compressed content ends early")


class _Checked(httpcore.SyncBackend):
    """Connects to public addresses alone, unless `private` ones are allowed."""

    def __init__(self, *, private: bool) -> None:
        self._private = private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise NotFetched("its host has no address") from None
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        if not self._private:
            addresses = [address for address in addresses if is_public(address)]
        if not addresses:
            raise NotFetched(
                "its host has a private address; say private_addresses = true where that is meant", refused=True
            )
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError


def is_public(address: str) -> bool:
    """Whether an address belongs to the internet, and not to this machine or an inner network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner: Any = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inner is None or inner.is_global)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException:
        raise NotFetched(f"its server does not answer within {SECONDS:.0f} s") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
        raise NotFetched(f"its server cannot be reached, or ended the connection ({type(error).__name__})") from None
