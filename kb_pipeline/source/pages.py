"""Web pages as documents: those that a sitemap, a list of addresses or a page of links names.

A page that is known is asked for with what its server said of its version (ETag, Last-Modified), and not sent again as
long as that holds; where a server says neither, the bytes are compared. A page that is gone (404, 410) is deleted; one
that cannot be had just now stays as it is. robots.txt is kept to.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.robotparser import RobotFileParser

from kb_pipeline.errors import NotFetched, SettingsError, SourceUnavailable, UnreadableFile
from kb_pipeline.parsing.carriers import Carried
from kb_pipeline.parsing.formats import EXTENSIONS, UNREADABLE_EXTENSIONS, Format
from kb_pipeline.settings import SourceSettings
from kb_pipeline.source.addresses import MOST_BYTES, addresses
from kb_pipeline.source.listing import LONGEST_PATH, Entry, Listing, entry_of
from kb_pipeline.source.place import Known, ReadWhole, nothing_known
from kb_pipeline.source.selection import Selection
from kb_pipeline.source.web import AGENT, Answer, Web, host_of

MOST_KEPT = 64 << 20  # bytes of pages that were fetched to list them, until they are read
MOST_FAILURES = 20  # in a row, after which the site is left alone
LONGEST_PAUSE = 60.0  # seconds that a server may ask for between two requests
_KEPT_ENDINGS = frozenset(
    ending for ending, kind in EXTENSIONS.items() if ending and kind not in (Format.CODE, Format.HTML)
) | {".html"}
_HASHED = "sha256:"


@dataclass
class Pages(ReadWhole):
    """The pages of a site."""

    uri: str
    own: SourceSettings
    readers: int = 1
    _urls: dict[str, str] = field(default_factory=dict, repr=False)
    _kept: dict[str, bytes] = field(default_factory=dict, repr=False)
    _robots: dict[str, RobotFileParser] = field(default_factory=dict, repr=False)

    def list_files(self, selection: Selection, known: Known = nothing_known) -> Listing:
        look = _Look(self.uri, selection, {entry.path: entry for entry in map(entry_of, known())})
        self._robots.clear()
        self._kept.clear()
        with self._web.connected():
            self._urls = self._named()
            self._look_at_all(look)
        return look.listing()

    def _look_at_all(self, look: _Look) -> None:
        selection = look.selection
        for path, url in self._urls.items():
            kind = selection.unreadable_kind(PurePosixPath(path).name)
            if selection.excludes(path):
                look.ignored += 1
            elif kind is not None:
                look.skipped[kind] = look.skipped.get(kind, 0) + 1
            elif len(path.encode()) > LONGEST_PATH:
                look.unlisted[path] = f"the address is longer than {LONGEST_PATH:,} bytes"
            elif not self._may_fetch(url):
                look.ignored += 1
            else:
                self._look_at(look, path, url)

    def contents(self, path: str) -> Sequence[Carried]:  # noqa: ARG002 - of `Place`
        return ()

    def names(self, folder: str) -> list[str]:
        start = f"{folder}/" if folder else ""
        below = (path.removeprefix(start) for path in self._places() if path.startswith(start))
        return list(dict.fromkeys(path.partition("/")[0] for path in below))

    def is_empty(self) -> bool:
        return not self._named()

    def expect(self, paths: Sequence[str]) -> None:
        """Pages are fetched one by one."""

    def read(self, path: str) -> bytes:
        kept = self._kept.pop(path, None)
        if kept is not None:
            return kept
        try:
            url = self._places().get(path)
        except SourceUnavailable as error:
            raise UnreadableFile(str(error)) from None
        if url is None:
            raise UnreadableFile("The page is not named by its site any more; the next look finds out.")
        try:
            answer = self._web.get(url)
        except NotFetched as error:
            raise UnreadableFile(f"The page cannot be fetched: {error}; the next look asks again.") from None
        if answer.status != 200:
            raise UnreadableFile(f"The page is answered by {answer.status}; the next look asks again.")
        return _in_utf8(answer)

    def _look_at(self, look: _Look, path: str, url: str) -> None:
        before = look.known.get(path)
        try:
            answer = self._web.get(url, _conditions(before))
        except NotFetched as error:
            look.keep(path, str(error), counts=not error.refused)
            return
        if answer.status == 304 and before is not None:
            look.found(before)
        elif answer.status == 200:
            body = _in_utf8(answer)
            look.found(Entry(path, len(body), *_version(answer)))
            if sum(map(len, self._kept.values())) + len(body) <= MOST_KEPT:
                self._kept[path] = body
        elif answer.status in (404, 410):
            look.failures = 0
        else:
            if answer.status in (429, 503):
                self._web.slow_down(host_of(answer.url), _pause(answer))
            look.keep(path, f"its server answers {answer.status}", counts=answer.status >= 500 or answer.status == 429)

    def _places(self) -> dict[str, str]:
        if not self._urls:
            self._urls = self._named()
        return self._urls

    def _named(self) -> dict[str, str]:
        """Path -> address of all pages. Raises SourceUnavailable."""
        try:
            named = self.own.urls or addresses(self.uri, lambda url: self._web.get(url, most_bytes=MOST_BYTES))
        except NotFetched as error:
            raise SourceUnavailable(f"The source {self.uri} cannot be listed: {error}.") from None
        allowed = [url for url in named if self._web.allows(url)]
        if named and not allowed:
            raise SourceUnavailable(
                f"The source {self.uri} names pages of other hosts alone, such as {host_of(named[0]) or 'none'}; allow "
                "them by `hosts` of the source."
            )
        found: dict[str, str] = {}
        for url in allowed:
            found.setdefault(self._path(url), url)
        return found

    def _path(self, url: str) -> str:
        """The path of a page: that of its address, below its host where that is not the site's own."""
        parts = urlsplit(url)
        path = unquote(parts.path).strip("/") or "index"
        if parts.query:
            path += f"?{unquote(parts.query)}"
        path = "/".join(part for part in path.replace("\\", "/").split("/") if part.strip("."))
        path = "".join(letter if letter.isprintable() else "_" for letter in path)
        ending = PurePosixPath(path).suffix.lower()
        if ending not in _KEPT_ENDINGS and ending not in UNREADABLE_EXTENSIONS:
            path += ".html"
        host = host_of(url)
        return path if host == self._web.hosts[0] else f"{host}/{path}"

    def _may_fetch(self, url: str) -> bool:
        """Whether robots.txt lets us. Raises SourceUnavailable where nobody can tell."""
        host = host_of(url)
        if host not in self._robots:
            self._robots[host] = self._rules(f"{urlsplit(url).scheme}://{host}/robots.txt")
            delay = self._robots[host].crawl_delay(AGENT)
            if delay is not None:
                self._web.per_second = min(self._web.per_second, 1 / max(min(float(delay), LONGEST_PAUSE), 0.001))
        return self._robots[host].can_fetch(AGENT, url)

    def _rules(self, url: str) -> RobotFileParser:
        """What robots.txt says; as RFC 9309 has it, nothing where there is none, and all is forbidden in an outage."""
        rules = RobotFileParser()
        try:
            answer = self._web.get(url, most_bytes=1 << 20)
        except NotFetched as error:
            raise SourceUnavailable(f"The source {self.uri} cannot be listed: its robots.txt: {error}.") from None
        if answer.status >= 500 or answer.status == 429:
            raise SourceUnavailable(
                f"The source {self.uri} cannot be listed: its robots.txt is answered by {answer.status}."
            )
        text = answer.body.decode("utf-8-sig", "replace") if answer.status == 200 else ""
        rules.parse(text.splitlines())
        return rules

    @cached_property
    def _web(self) -> Web:
        host = host_of(self.uri)
        if not host:
            raise SettingsError(f"The source {self.uri} has no host; write https://host/sitemap.xml.")
        variable = self.own.secrets.get("authorization")
        authorization = os.environ.get(variable) if variable else None
        if variable and authorization is None:
            raise SourceUnavailable(
                f"The source {self.uri} takes its authorization from the variable {variable}, which is not set; set it."
            )
        return Web(
            (host, *(name.lower() for name in self.own.hosts if name.lower() != host)),
            private_addresses=self.own.private_addresses,
            per_second=self.own.per_second,
            most_bytes=self.own.page_mb << 20,
            authorization=authorization,
            scheme=urlsplit(self.uri).scheme,
        )


@dataclass
class _Look:
    """What a listing has found. `failures`: pages in a row that could not be had."""

    uri: str
    selection: Selection
    known: dict[str, Entry]
    signatures: set[str] = field(default_factory=set)
    unlisted: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    ignored: int = 0
    failures: int = 0

    def found(self, entry: Entry) -> None:
        self.failures = 0
        self.signatures.add(entry.signature)

    def keep(self, path: str, reason: str, *, counts: bool) -> None:
        """Leave a page as it is. Raises SourceUnavailable after many in a row that the server is to blame for."""
        self.unlisted[path] = reason
        self.failures = self.failures + 1 if counts else 0
        if self.failures == MOST_FAILURES:
            raise SourceUnavailable(
                f"The source {self.uri} gave none of {MOST_FAILURES} pages in a row ({reason}); it is left alone, and "
                "asked again later."
            )

    def listing(self) -> Listing:
        return Listing(self.uri, frozenset(self.signatures), self.unlisted, self.ignored, self.skipped)


def _conditions(before: Entry | None) -> dict[str, str]:
    """The headers by which a server need not send a page again."""
    if before is None:
        return {}
    headers = {}
    if before.etag is not None and not before.etag.startswith(_HASHED):
        headers["If-None-Match"] = before.etag
    if before.modified_ns is not None:
        headers["If-Modified-Since"] = formatdate(before.modified_ns / 1e9, usegmt=True)
    return headers


def _version(answer: Answer) -> tuple[int | None, str | None]:
    """(modification time in ns, etag) by which a page is known; its hash where its server says neither."""
    modified: int | None = None
    if (said := answer.headers.get("last-modified")) is not None:
        try:
            modified = int(parsedate_to_datetime(said).timestamp()) * 1_000_000_000
        except (ValueError, OverflowError):
            modified = None
    etag = answer.headers.get("etag", "").strip()
    if etag and len(etag) <= 256 and etag.isascii() and etag.isprintable():
        return modified, etag
    if modified is not None and modified > 0:
        return modified, None
    return None, _HASHED + hashlib.sha256(answer.body).hexdigest()


def _in_utf8(answer: Answer) -> bytes:
    """The body; of a page whose encoding only the header says, in UTF-8 and saying so."""
    charset = answer.charset
    if answer.content_type not in ("text/html", "application/xhtml+xml") or charset in ("", "utf-8", "utf8"):
        return answer.body
    try:
        return answer.body.decode(charset, "replace").encode("utf-8-sig")
    except LookupError:
        return answer.body


def _pause(answer: Answer) -> float:
    """Seconds that a busy server asks to be left alone."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), LONGEST_PAUSE) if said.isdecimal() else 5.0
