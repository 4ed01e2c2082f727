"""Who a reverse proxy says is asking: the headers that oauth2-proxy and its like set after a login.

Anybody can write a header, so they count only from the addresses of the proxies that the site names; from elsewhere
they are as if they were not there. A proxy that adds its own header beside one that its client sent would let the
client choose who it is, so a header that comes twice is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from kb_pipeline.access.principal import READER, Principal
from kb_pipeline.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_CHARACTERS = 200  # of a name
MOST_GROUPS = 1_000


@dataclass(frozen=True, slots=True)
class Proxies:
    """`addresses`: of the reverse proxies, as addresses or networks. `user_header`, `groups_header`: lower case; groups
    are divided by commas. Whom they name may search, read and give feedback.
    """

    addresses: tuple[str, ...]
    user_header: str
    groups_header: str

    def principal(self, peer: str, values: Callable[[str], Sequence[str]]) -> Principal | None:
        """Whom the request from `peer` is of; None when it says nothing that counts. `values`: all of a header.

        Raises Unauthenticated for headers that no sound proxy sends.
        """
        if not self._is_one(peer):
            return None
        user = _only(values(self.user_header), self.user_header)
        if user is None:
            return None
        groups = _only(values(self.groups_header), self.groups_header) or ""
        names = tuple(dict.fromkeys(name.strip() for name in groups.split(",") if name.strip()))
        if len(names) > MOST_GROUPS:
            raise Unauthenticated(f"The proxy names more than {MOST_GROUPS:,} groups; have it send those that matter.")
        return Principal(f"user:{_sound(user, self.user_header)}", names, rights=frozenset(READER))

    def _is_one(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:  # a Unix socket has no address
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in ip_network(named, strict=False) for named in self.addresses)


def _only(values: Sequence[str], header: str) -> str | None:
    """The one value of a header as the text that was sent, which HTTP gives as Latin-1."""
    if len(values) > 1:
        raise Unauthenticated(f"The header {header} comes twice; have the proxy remove what its clients send.")
    if not values or not values[0].strip():
        return None
    try:
        return values[0].strip().encode("latin-1").decode()
    except UnicodeError:
        raise Unauthenticated(f"The header {header} is not UTF-8; correct the proxy.") from None


def _sound(user: str, header: str) -> str:
    if len(user) > MOST_CHARACTERS or not user.isprintable():
        raise Unauthenticated(f"The header {header} holds no name; correct the proxy.")
    return user
