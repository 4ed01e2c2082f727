"""A parser pool that the tests of a module share, and how to run one document through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.parsing.sandbox import ParseJob, ParserPool
from kb_pipeline_tests.integration.parsing.ill_willed import unchanged

Parse = Callable[[Path], CleanedDocument]


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    with ParserPool(1, ParseLimits(seconds=60, pages=20, unzipped_mb=8)) as pool:
        yield pool


@pytest.fixture
def parse(pool: ParserPool) -> Parse:
    """The document in a file; raises its error."""

    def parse_one(path: Path) -> CleanedDocument:
        ((_, result),) = pool.parse([ParseJob(None, path, path.name, None, unchanged)])
        if isinstance(result, Exception):
            raise result
        return result

    return parse_one
