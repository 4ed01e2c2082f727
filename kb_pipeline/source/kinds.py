"""The kinds of sources, by the scheme of their URIs: another kind is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kb_pipeline.settings import Settings, SourceSettings
from kb_pipeline.source.boundary import Boundary
from kb_pipeline.source.inside import Inside
from kb_pipeline.source.listing import canonical_uri
from kb_pipeline.source.place import Files, Place
from kb_pipeline.source.shares import OPENERS, Share
from kb_pipeline.source.table import Table


def _pages(uri: str, own: SourceSettings, database_url: str | None) -> Place:  # noqa: ARG001 - of `Opener`
    from kb_pipeline.source.pages import Pages  # with a client of HTTP, which takes long to import

    return Pages(uri, own)


def _share(uri: str, own: SourceSettings, database_url: str | None) -> Place:  # noqa: ARG001 - of `Opener`
    return Share(uri, own)


# What opens a source of a kind that is not files: its URI, its settings, and the URL of the knowledge base's database.
Opener = Callable[[str, SourceSettings, str | None], Place]
KINDS: dict[str, Opener] = {
    "postgresql": Table,
    "postgres": Table,
    "http": _pages,
    "https": _pages,
    **dict.fromkeys(OPENERS, _share),
}
WEB_SECONDS = 3600.0


@dataclass
class Sources:
    """The sources of a site as its settings say, each opened once. `database_url`: of the knowledge base itself."""

    settings: Settings
    database_url: str | None = field(default=None, repr=False)
    _places: dict[str, Place] = field(default_factory=dict, repr=False)

    def of(self, uri: str) -> Place:
        """The source that the ledger knows as `uri`."""
        if uri not in self._places:
            self._places[uri] = self._opened(uri)
        return self._places[uri]

    def every(self, uri: str) -> float:
        """Seconds between two looks at a source; 0: it is looked at each time."""
        own = own_settings(self.settings, uri).every
        return own if own is not None else WEB_SECONDS if is_web(uri) else 0.0

    def is_due(self, uri: str, scanned_at: datetime | None) -> bool:
        """Whether a source that was looked at then is to be looked at again."""
        return scanned_at is None or (datetime.now(UTC) - scanned_at).total_seconds() >= self.every(uri)

    def _opened(self, uri: str) -> Place:
        own = own_settings(self.settings, uri)
        if _scheme(uri) in KINDS:
            return KINDS[_scheme(uri)](uri, own, self.database_url)
        files = Files(uri, Boundary(self.settings.home_path, follow_links=own.follow_links))
        return Inside(files, self.settings.limits.unzipped_mb)


def is_configured_only(uri: str) -> bool:
    """Whether a source holds what its settings say, and not what lies below its URI."""
    return _scheme(uri) in KINDS and _scheme(uri) not in OPENERS


def is_web(uri: str) -> bool:
    return _scheme(uri) in ("http", "https")


def _scheme(uri: str) -> str:
    scheme, separator, _ = uri.partition("://")
    return scheme if separator else ""


def own_settings(settings: Settings, uri: str) -> SourceSettings:
    """What kb.toml says of a source; of one that it does not name, nothing."""
    own = (source for source in settings.sources if canonical_uri(source.uri) == uri)
    return next(own, SourceSettings(uri=uri))
