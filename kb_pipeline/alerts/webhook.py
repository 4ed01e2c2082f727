"""Delivering a message: one POST, a bounded time, and no way to be led elsewhere.

The address is a secret: whoever knows it can write to the receiver. So it stands in no error, and nothing here logs it.
A redirect is never followed, and addresses at which clouds give away credentials of a machine are never asked; other
private addresses are, since a receiver inside the company's network is what many have.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import queue
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kb_pipeline.errors import AlertReceiverUnavailable
from kb_pipeline.settings import AlertFormat
from kb_pipeline.system.hosts import is_loopback

SECONDS = 15.0  # for all of it, whatever trickles in
MOST_ANSWER_BYTES = 65_536
METADATA_SERVICES = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254")))
# In which field of a 200 a receiver says that it refused the message: 0 is success.
REFUSALS: Mapping[AlertFormat, tuple[str, ...]] = {
    "feishu": ("code", "StatusCode"),
    "dingtalk": ("errcode",),
    "wecom": ("errcode",),
}
Answer = TypeVar("Answer")
REMEDY = "correct KB_ALERTS__WEBHOOK_URL or mend the receiver, then run kb alerts test"


def deliver(url: str, message: Mapping[str, Any], form: AlertFormat, *, seconds: float = SECONDS) -> None:
    """Send `message` as JSON. Raises AlertReceiverUnavailable unless the receiver took it within `seconds`."""
    host = host_of(url)

    def post() -> bytes:
        _refuse_metadata_services(url)
        request = urllib.request.Request(  # noqa: S310 - the settings take http and https alone
            url,
            data=json.dumps(message, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "kb_pipeline"},
            method="POST",
        )
        with _opener(host).open(request, timeout=seconds) as answer:
            found: bytes = answer.read(MOST_ANSWER_BYTES)
            return found

    code = _refusal(_within(seconds, host, post), form)
    if code is not None:
        raise AlertReceiverUnavailable(
            f"The receiver of alerts at {host} refused the message with its code {code}; look the code up in its "
            "manual (a keyword it asks for may be kb_pipeline), then run kb alerts test."
        )


def reach(url: str, *, seconds: float = SECONDS) -> None:
    """Whether something listens there; sends nothing. Raises AlertReceiverUnavailable."""
    host, parts = host_of(url), urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not is_loopback(host) and not urllib.request.proxy_bypass(host):
        return  # the proxy alone knows

    def connect() -> None:
        _refuse_metadata_services(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((host, port), timeout=seconds).close()

    _within(seconds, host, connect)


def host_of(url: str) -> str:
    """The host, which may be said; the rest of the address is a secret."""
    return urlsplit(url).hostname or ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        """Every redirect becomes an HTTPError."""


def _opener(host: str) -> urllib.request.OpenerDirector:
    own = [urllib.request.ProxyHandler({})] if is_loopback(host) else []  # otherwise those of the environment
    return urllib.request.build_opener(_NoRedirects, *own)


def _within(seconds: float, host: str, work: Callable[[], Answer]) -> Answer:
    """What `work` returns. Python limits each read but not their sum, so its thread is left behind where that is too
    long. Raises AlertReceiverUnavailable."""
    answers: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that waits
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is the connection, too
            answers.put(error)

    threading.Thread(target=run, name="alert", daemon=True).start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        found = TimeoutError()
    if isinstance(found, Exception):
        raise _unavailable(host, found) from None
    return found


def _unavailable(host: str, error: Exception) -> Exception:
    """A sentence without the address, which the errors of libraries may hold."""
    match error:
        case AlertReceiverUnavailable():
            return error
        case urllib.error.HTTPError(code=code) if 300 <= code < 400:
            reason = f"redirects ({code}), which is not followed"
        case urllib.error.HTTPError(code=code):
            reason = f"answered {code}"
        case TimeoutError() | urllib.error.URLError(reason=TimeoutError()):
            reason = "did not answer in time"
        case urllib.error.URLError() | OSError() | http.client.HTTPException():
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            reason = f"cannot be reached ({type(cause).__name__})"
        case _:
            return error
    return AlertReceiverUnavailable(f"The receiver of alerts at {host} {reason}; {REMEDY}.")


def _refuse_metadata_services(url: str) -> None:
    """Raises AlertReceiverUnavailable where the host's name leads to such an address."""
    host = host_of(url)
    try:
        found = {str(address[4][0]).partition("%")[0] for address in socket.getaddrinfo(host, None)}
    except OSError:
        return  # a proxy may know the name, and otherwise connecting fails
    for address in map(ipaddress.ip_address, found):
        plain = getattr(address, "ipv4_mapped", None) or address
        if plain.is_link_local or plain.is_multicast or plain.is_unspecified or plain in METADATA_SERVICES:
            raise AlertReceiverUnavailable(
                f"The receiver of alerts at {host} has an address of this machine's network or cloud that nothing is "
                f"sent to; {REMEDY}."
            )


def _refusal(answer: bytes, form: AlertFormat) -> int | None:
    """The code with which a receiver refused what it answered 200 to."""
    fields = REFUSALS.get(form, ())
    if not fields:
        return None
    try:
        said = json.loads(answer)
    except ValueError:
        return -1
    codes = [said[field] for field in fields if field in said] if isinstance(said, dict) else []
    return next((code for code in codes if isinstance(code, int) and code != 0), None) if codes else -1
