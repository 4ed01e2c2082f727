"""Who may read which document: where it is said, what a change of it costs, and that what is in doubt stays shut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.access.principal import ANYONE, Principal
from kb_pipeline.stages.planning import make_plan
from kb_pipeline.store import descriptions, generations
from kb_pipeline.store.conditions import compile_condition

if TYPE_CHECKING:
    from kb_pipeline_tests.instant_embedding_server import InstantServer
    from kb_pipeline_tests.sites import TestSite


def source(kb: TestSite, **more: Any) -> list[dict[str, Any]]:
    return [{"uri": str(kb.documents), **more}]


def seen(kb: TestSite, principal: Principal) -> set[str]:
    """The documents of which the principal finds passages."""
    generation = generations.active_generation(kb.connection)
    assert generation is not None
    condition = compile_condition(principal.condition())
    statement = f"SELECT source_file FROM {generation.table.as_string()} WHERE {condition.sql.as_string()}"  # noqa: S608
    return {row[0] for row in kb.connection.execute(statement.encode(), condition.parameters)}


def by(kb: TestSite, *groups: str) -> set[str]:
    return seen(kb, Principal("key:x", groups=groups))


def dirty(kb: TestSite) -> bool:
    return bool(make_plan(kb.connection, kb.site.settings, kb.site.scope(), kb.site.names).dirty)


def test_a_document_is_for_everyone_or_for_its_groups(kb: TestSite) -> None:
    for name in ("open", "hr", "both", "masked"):
        kb.write(f"{name}.md", f"A passage of {name}.\n")
    kb.write("hr.md.meta.yaml", "groups: hr\n")
    kb.write("both.md.meta.json", '{"Groups": ["hr", "legal"]}')
    kb.write("masked.md.meta.yaml", "groups: [wang.wei@example.com, 13812345678]\n")
    kb.refresh()
    everything = {"open.md", "hr.md", "both.md", "masked.md"}
    assert by(kb) == by(kb, "HR") == {"open.md"}
    assert by(kb, "hr") == {"open.md", "hr.md", "both.md"}
    assert by(kb, "legal", "x") == {"open.md", "both.md"}
    assert by(kb, "wang.wei@example.com") == by(kb, "13812345678") == {"open.md", "masked.md"}
    assert seen(kb, ANYONE) == everything
    assert seen(kb, Principal("key:x", groups=None)) == everything
    assert seen(kb, Principal("key:x", ("hr",), collections=("default",))) == by(kb, "hr")
    assert seen(kb, Principal("key:x", ("hr",), collections=("other",))) == set()


def test_what_is_nearer_decides_and_groups_do_not_add_up(kb: TestSite) -> None:
    kb.reopen(
        sources=source(kb, manifests=["index.csv"]),
        access=[{"path": "hr/open/", "groups": ["everyone"]}, {"path": "*.secret.md", "groups": ["rules"]}],
        collections={"hr": {"groups": ["hr"]}},
    )
    for path in (
        "hr/a.md",
        "hr/open/a.md",
        "hr/b.secret.md",
        "hr/open/b.secret.md",
        "x/row.md",
        "x/near.md",
        "x/own.md",
    ):
        kb.write(path, f"---\ngroups: everyone\n---\nThe passage {path}.\n")
    kb.write("index.csv", "path,groups\nx/row.md,row;both\nx/near.md,row\nhr/open/a.md,\n")
    kb.write("x/near.md.meta.yaml", "tag: x\n")
    kb.write("x/_meta.yaml", "groups: [folder]\n")
    kb.write("x/own.md.meta.yaml", "groups: [own]\n")
    kb.refresh()
    assert by(kb) == {"hr/open/a.md", "hr/open/b.secret.md"}
    assert by(kb, "hr") - by(kb) == {"hr/a.md"}
    assert by(kb, "rules") - by(kb) == {"hr/b.secret.md"}
    assert by(kb, "folder") - by(kb) == {"x/row.md", "x/near.md"}
    assert by(kb, "own") - by(kb) == {"x/own.md"}
    (kb.documents / "x/_meta.yaml").unlink()
    kb.refresh()
    assert by(kb, "both") - by(kb) == {"x/row.md"}
    assert by(kb, "row") - by(kb) == {"x/row.md", "x/near.md"}


def test_a_changed_sidecar_changes_access_and_nothing_else(kb: TestSite, embedding_server: InstantServer) -> None:
    kb.write("a.md", "A passage.\n")
    kb.write("b.md", "Another passage.\n")
    kb.refresh()
    rows, requests, parsed = kb.rows(), embedding_server.seen()["requests"], kb.count("elements")
    kb.write("a.md.meta.yaml", "groups: hr\n")
    counts = kb.refresh()
    assert (counts["described"], counts["documents"], counts["chunks_written"]) == (1, 0, 0)
    assert (by(kb), by(kb, "hr")) == ({"b.md"}, {"a.md", "b.md"})
    assert (kb.rows(), embedding_server.seen()["requests"], kb.count("elements")) == (rows, requests, parsed)
    assert not dirty(kb)
    (kb.documents / "a.md.meta.yaml").unlink()
    kb.refresh()
    assert by(kb) == {"a.md", "b.md"}


def test_rules_of_the_settings_count_from_the_next_scan_on(kb: TestSite) -> None:
    kb.write("hr/a.md", "A passage.\n")
    kb.write("b.md", "Another passage.\n")
    kb.refresh()
    kb.reopen(collections={"hr": {"groups": ["hr"]}})
    assert dirty(kb)
    kb.scan()
    assert (by(kb), by(kb, "hr")) == ({"b.md"}, {"hr/a.md", "b.md"})
    assert not dirty(kb)
    kb.reopen(collections={}, access=[{"path": "/B.*", "groups": ["legal"]}])
    kb.scan()
    assert (by(kb), by(kb, "legal")) == ({"hr/a.md"}, {"hr/a.md", "b.md"})
    kb.reopen(access=[])
    kb.scan()
    assert by(kb) == {"hr/a.md", "b.md"}


def test_a_document_that_moves_is_read_by_those_of_its_new_place_at_once(kb: TestSite) -> None:
    kb.reopen(collections={"hr": {"groups": ["hr"]}})
    kb.write("a.md", "A passage.\n")
    kb.refresh()
    assert by(kb) == {"a.md"}
    kb.move("a.md", "hr/a.md")
    kb.scan()  # the serving table follows later
    assert (by(kb), by(kb, "hr")) == (set(), {"a.md"})
    kb.refresh()
    assert (by(kb), by(kb, "hr")) == (set(), {"hr/a.md"})


SHUT: dict[str, str | bytes] = {
    "cut.yaml": "groups: [hr",
    "empty.yaml": "groups:\n",
    "nested.yaml": "groups: {hr: yes}\n",
    "none.json": '{"groups": []}',
    "cut.json": '{"groups": ["hr"',
    "spelt.json": '{"\\u0067roups": ["hr"',
    "typed.yaml": "groups: hr\ndate: soon\n",
    "long.yaml": "groups: " + "x" * 3_000,
    "large.yaml": "tag: " + "x" * 70_000,
    "wide.yaml": "groups: [".encode("utf-16"),
    "latin.yaml": b"groups: caf\xe9",
}


def test_a_sidecar_that_cannot_be_used_shuts_its_document(kb: TestSite) -> None:
    kb.reopen(fields={"date": "date"})
    for name, content in SHUT.items():
        kb.write(f"{name}.md", "A passage.\n")
        kb.write(f"new.{name}.md", "A passage.\n")
        kb.write(f"{name}.md.meta.{name[-4:]}", '{"groups": ["everyone"]}')
        kb.write(f"new.{name}.md.meta.{name[-4:]}", content)
    kb.write("other.md", "A passage.\n")
    kb.write("other.md.meta.yaml", "tag: [")
    kb.refresh()
    assert by(kb) == {"other.md"} | {f"{name}.md" for name in SHUT}
    for name, content in SHUT.items():
        kb.write(f"{name}.md.meta.{name[-4:]}", content)
    counts = kb.refresh()
    assert (counts["described"], counts["sidecars_failed"]) == (len(SHUT), len(SHUT))
    assert by(kb, "hr", "everyone") == {"other.md"}
    assert len(seen(kb, ANYONE)) == 2 * len(SHUT) + 1
    assert descriptions.count_failures(kb.connection) == 2 * len(SHUT) + 1
    assert not dirty(kb)
    for name in SHUT:
        kb.write(f"{name}.md.meta.{name[-4:]}", '{"groups": ["hr"]}')
    kb.refresh()
    assert by(kb, "hr") == {"other.md"} | {f"{name}.md" for name in SHUT}


def test_a_manifest_that_cannot_be_used_shuts_all_that_nothing_nearer_opens(kb: TestSite) -> None:
    kb.reopen(sources=source(kb, manifests=["m.csv"]))
    for name in ("a", "b", "own"):
        kb.write(f"{name}.md", f"Passage {name}.\n")
    kb.write("own.md.meta.yaml", "groups: everyone\n")
    kb.write("m.csv", "path,groups\na.md,hr\n")
    kb.refresh()
    assert (by(kb), by(kb, "hr")) == ({"b.md", "own.md"}, {"a.md", "b.md", "own.md"})
    kb.write("m.csv", "file name,groups\na.md,hr\n")
    kb.refresh()
    assert by(kb, "hr") == {"own.md"}
    kb.write("m.csv", "path,groups\na.md,;\nb.md,hr\n")
    kb.refresh()
    assert (by(kb), by(kb, "hr")) == ({"own.md"}, {"b.md", "own.md"})
    kb.write("m.csv", "path;tag\na.md;x\n")
    kb.refresh()
    assert by(kb) == {"a.md", "b.md", "own.md"}
    kb.write("m.csv", "no column groups\n")
    kb.refresh()
    (kb.documents / "m.csv").unlink()
    kb.refresh()
    assert by(kb) == {"a.md", "b.md", "own.md"}
    assert not dirty(kb)


def test_what_nobody_has_read_yet_opens_nothing(kb: TestSite) -> None:
    kb.write("hr/old.md", "A passage.\n")
    kb.refresh()
    kb.write("_meta.yaml", "groups: hr\n")
    kb.write("hr/new.md", "Another passage.\n")
    kb.refresh(prefix={str(kb.documents): "hr/new.md"})
    assert by(kb, "hr") == {"hr/old.md"}
    assert dirty(kb)
    kb.refresh()
    assert (by(kb), by(kb, "hr")) == (set(), {"hr/old.md", "hr/new.md"})
    kb.write("_meta.yaml", "tag: x\n")
    kb.write("hr/third.md", "A third passage.\n")
    kb.refresh(prefix={str(kb.documents): "hr/third.md"})
    kb.refresh()
    assert by(kb) == {"hr/old.md", "hr/new.md", "hr/third.md"}


def test_a_run_that_is_ended_before_documents_follow_is_made_up_for(
    kb: TestSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.reopen(sources=source(kb, manifests=["m.csv"]))
    kb.write("a.md", "A passage.\n")
    kb.refresh()

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    for path, content in (("a.md.meta.yaml", "groups: ["), ("m.csv", "groups\n")):
        kb.write(path, content)
        with monkeypatch.context() as patched:
            patched.setattr("kb_pipeline.stages.fields.describe_all", ended)
            with pytest.raises(KeyboardInterrupt):
                kb.refresh()
        assert by(kb) == {"a.md"}
        assert dirty(kb)
        kb.refresh()
        assert by(kb) == set()
        assert not dirty(kb)
        (kb.documents / path).unlink()
        kb.refresh()
        assert by(kb) == {"a.md"}


def test_a_document_of_which_nothing_is_known_is_read_by_nobody(kb: TestSite) -> None:
    kb.write("a.md", "A passage.\n")
    kb.refresh()
    kb.connection.execute("DELETE FROM document_access")
    assert (by(kb, "everyone"), seen(kb, ANYONE)) == (set(), {"a.md"})
