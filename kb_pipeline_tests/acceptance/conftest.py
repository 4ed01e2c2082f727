"""Sites for the acceptance tests: commands in processes of their own, a home in memory where there is room.

The homes lie in /dev/shm when it is large enough: what is tested is what a kill or a fault leaves behind,
not the disk, and a Dagster run writes hundreds of small transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kb_pipeline_tests.acceptance.command import Site
from kb_pipeline_tests.conftest import folder_in_memory
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server
from kb_pipeline_tests.sites import embedding_server, kb, parsers

__all__ = ["embedding_server", "kb", "parsers"]

MakeSite = Callable[..., Site]


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    with folder_in_memory() as folder:
        yield folder


@pytest.fixture
def embedding() -> Iterator[InstantServer]:
    """An embedding server that answers at once."""
    with instant_server() as server:
        yield server


@pytest.fixture
def make_site(fast_folder: Path) -> Iterator[MakeSite]:
    """`make_site(name, setting=value, …)`: a site with a home of its own, stopped after the test."""
    sites: list[Site] = []

    def make(name: str = "home", **settings: str) -> Site:
        site = Site(fast_folder / name, settings)
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.stop()
