"""What a listing means for the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.source.diff import DeletionGuard, KnownDocument, SourceDiff, diff
from kb_pipeline.source.listing import Entry

NEVER_HELD = DeletionGuard(count=10**9, share=1.0)


@dataclass
class World:
    """Two states of a source, path -> bytes: what the ledger knows and what is listed now."""

    known: dict[str, bytes]
    listed: dict[str, bytes]
    touched: set[str] = field(default_factory=set)
    writing: set[str] = field(default_factory=set)
    unlisted: tuple[str, ...] = ()
    guard: DeletionGuard = NEVER_HELD
    unreadable: set[str] = field(default_factory=set)
    hashed: list[str] = field(default_factory=list)

    def entry(self, path: str) -> Entry:
        return Entry(path, len(self.listed[path]), 1 if path in self.touched else 0, None)

    def diff(self) -> SourceDiff:
        documents = {
            path: KnownDocument(number, path, len(content), content)
            for number, (path, content) in enumerate(self.known.items(), 1)
        }
        same = {
            path
            for path, content in self.listed.items()
            if self.known.get(path) == content and path not in self.touched | self.writing
        }
        differing = [self.entry(path) for path in self.listed if path not in same]

        def content_hash(entry: Entry) -> bytes | None:
            self.hashed.append(entry.path)
            return None if entry.path in self.unreadable else self.listed[entry.path]

        return diff(
            scanned=len(self.listed),
            differing=differing,
            writing=[entry for entry in differing if entry.path in self.writing],
            missing={path: document for path, document in documents.items() if path not in same},
            known_count=len(self.known),
            unlisted=self.unlisted,
            content_hash=content_hash,
            guard=self.guard,
        )


def moves(found: SourceDiff) -> dict[str, str]:
    return {move.document.path: move.entry.path for move in found.moved}


def new(found: SourceDiff) -> list[str]:
    return [entry.path for entry in found.new]


def changed(found: SourceDiff) -> list[str]:
    return [change.entry.path for change in found.changed]


def deleted(found: SourceDiff) -> list[str]:
    return [document.path for document in found.deleted]


def test_an_unchanged_source_is_clean_and_reads_nothing() -> None:
    world = World({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"2"})
    found = world.diff()
    assert found.is_clean
    assert (found.scanned, found.unchanged, world.hashed) == (2, 2, [])


def test_new_changed_and_deleted_files_are_told_apart() -> None:
    found = World({"a": b"1", "b": b"2", "c": b"3"}, {"a": b"1", "b": b"22", "d": b"4444"}).diff()
    assert (new(found), changed(found), deleted(found), found.unchanged) == (["d"], ["b"], ["c"], 1)
    assert found.changed[0].document.path == "b"


def test_a_touched_file_is_changed_whatever_its_bytes() -> None:
    assert changed(World({"a": b"1"}, {"a": b"1"}, touched={"a"}).diff()) == ["a"]


@pytest.mark.parametrize(
    ("known", "listed", "expected"),
    [
        pytest.param({"a/x": b"1"}, {"b/x": b"1"}, {"a/x": "b/x"}, id="another folder"),
        pytest.param({"a/x": b"1"}, {"a/y": b"1"}, {"a/x": "a/y"}, id="another name"),
        pytest.param({"x": b""}, {"y": b""}, {"x": "y"}, id="an empty file"),
        pytest.param(
            {"a/y": b"1", "a/x": b"1"},
            {"b/x": b"1", "b/y": b"1"},
            {"a/x": "b/x", "a/y": "b/y"},
            id="two equal files keep their names",
        ),
        pytest.param(
            {"a/x": b"1"}, {"b/a": b"1", "b/x": b"1"}, {"a/x": "b/x"}, id="the copy of the same name is the move"
        ),
        pytest.param({"a": b"1", "b": b"1"}, {"c": b"1"}, {"a": "c"}, id="one of two equal files moved"),
        pytest.param({"x": b"12"}, {"y": b"34"}, {}, id="equal sizes are not enough"),
        pytest.param({"x": b"1"}, {"x": b"1", "y": b"1"}, {}, id="a copy is no move"),
        pytest.param({"x": b"1", "y": b"2"}, {"y": b"1"}, {}, id="onto a known path is a change"),
    ],
)
def test_a_move_is_a_vanished_document_whose_bytes_appear(
    known: dict[str, bytes], listed: dict[str, bytes], expected: dict[str, str]
) -> None:
    assert moves(World(known, listed).diff()) == expected


def test_a_moved_file_is_neither_new_nor_deleted() -> None:
    found = World({"a": b"1"}, {"b": b"1"}).diff()
    assert not found.new
    assert not found.deleted


def test_only_new_files_of_the_size_of_a_vanished_one_are_read() -> None:
    world = World({"a": b"123"}, {"b": b"1234", "c": b"456"})
    world.diff()
    assert world.hashed == ["c"]


def test_a_file_that_cannot_be_read_is_no_move() -> None:
    found = World({"a": b"1"}, {"b": b"1"}, unreadable={"b"}).diff()
    assert (new(found), deleted(found)) == (["b"], ["a"])


def test_a_document_that_was_never_read_is_no_move() -> None:
    found = diff(
        scanned=1,
        differing=[Entry("b", 1, 0, None)],
        writing=[],
        missing={"a": KnownDocument(1, "a", 1, None)},
        known_count=1,
        unlisted=[],
        content_hash=lambda _: None,
        guard=NEVER_HELD,
    )
    assert (new(found), deleted(found)) == (["b"], ["a"])


def test_a_file_being_written_waits_and_its_document_stays() -> None:
    found = World({"a": b"1"}, {"a": b"11", "b": b"2"}, writing={"a", "b"}).diff()
    assert found.is_clean
    assert {entry.path for entry in found.writing} == {"a", "b"}
    assert found.unchanged == 0


@pytest.mark.parametrize("unlisted", [("a/",), ("a/x",)])
def test_what_could_not_be_looked_at_keeps_its_documents(unlisted: tuple[str, ...]) -> None:
    found = World({"a/x": b"1", "b": b"2"}, {}, unlisted=unlisted).diff()
    assert [document.path for document in found.unlisted] == ["a/x"]
    assert deleted(found) == ["b"]


def test_an_unlisted_folder_says_nothing_about_names_that_begin_alike() -> None:
    found = World({"a/x": b"1", "ab": b"2", "a b/x": b"3"}, {}, unlisted=("a",)).diff()
    assert deleted(found) == ["ab", "a b/x"]


def test_a_file_from_an_unlisted_folder_that_appears_elsewhere_is_new_not_moved() -> None:
    found = World({"a/x": b"1"}, {"b/x": b"1"}, unlisted=("a/",)).diff()
    assert (new(found), moves(found)) == (["b/x"], {})


@pytest.mark.parametrize(
    ("vanished", "of", "held"),
    [
        (50, 60, False),
        (51, 60, True),
        (51, 255, False),
        (52, 255, True),
        (5, 5, False),
        (100, 500, False),
        (0, 0, False),
    ],
)
def test_deletions_are_held_above_both_thresholds_only(vanished: int, of: int, held: bool) -> None:
    known = {f"{number}": b"%d" % number for number in range(of)}
    listed = dict(list(known.items())[vanished:])
    found = World(known, listed, guard=DeletionGuard(count=50, share=0.2)).diff()
    assert (len(found.held), len(found.deleted)) == ((vanished, 0) if held else (0, vanished))


def test_held_deletions_hold_back_nothing_else() -> None:
    known = {f"{number}": b"%d" % number for number in range(100)}
    found = World(known, {"new": b"something", "0": b"other"}, guard=DeletionGuard(50, 0.2)).diff()
    assert (len(found.held), new(found), changed(found)) == (99, ["new"], ["0"])


def test_allowed_mass_deletions_are_not_held() -> None:
    found = World({f"{n}": b"%d" % n for n in range(100)}, {}, guard=DeletionGuard(50, 0.2, allow=True)).diff()
    assert len(found.deleted) == 100


def test_moves_do_not_count_as_deletions() -> None:
    known = {f"old/{n}": b"%d" % n for n in range(100)}
    listed = {f"new/{n}": b"%d" % n for n in range(100)}
    found = World(known, listed, guard=DeletionGuard(50, 0.2)).diff()
    assert (len(found.moved), found.held, found.deleted) == (100, (), ())


PATHS = st.sampled_from(["a", "b", "a/x", "a/y", "b/x", "ab", "c/d/e", "合同/一.txt"])
CONTENTS = st.sampled_from([b"", b"1", b"2", b"12"])
STATES = st.dictionaries(PATHS, CONTENTS)


@given(
    known=STATES,
    listed=STATES,
    touched=st.sets(PATHS),
    writing=st.sets(PATHS),
    unlisted=st.sampled_from([(), ("a/",), ("b",), ("c/", "合同/")]),
    guard=st.sampled_from(
        [NEVER_HELD, DeletionGuard(1, 0.2), DeletionGuard(0, 0.0), DeletionGuard(0, 0.0, allow=True)]
    ),
)
def test_every_file_and_every_document_is_in_exactly_one_class(
    known: dict[str, bytes],
    listed: dict[str, bytes],
    touched: set[str],
    writing: set[str],
    unlisted: tuple[str, ...],
    guard: DeletionGuard,
) -> None:
    found = World(known, listed, touched, writing & set(listed), unlisted, guard).diff()

    files = [*new(found), *changed(found), *(m.entry.path for m in found.moved), *(e.path for e in found.writing)]
    assert len(files) == len(set(files))
    assert set(files) <= set(listed)
    assert len(files) + found.unchanged == found.scanned == len(listed)

    gone = [*deleted(found), *(d.path for d in found.held), *(d.path for d in found.unlisted), *moves(found)]
    assert len(gone) == len(set(gone))
    assert set(gone) == set(known) - set(listed)
    assert not (found.held and found.deleted)
    for path in deleted(found):
        assert not any(path == place or path.startswith(place.rstrip("/") + "/") for place in unlisted)
    for old, to in moves(found).items():
        assert known[old] == listed[to]
