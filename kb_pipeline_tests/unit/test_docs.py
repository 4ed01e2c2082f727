"""README and docs/ against the code: settings, commands, columns, links, and both languages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from kb_pipeline.cli.app import app
from kb_pipeline.privacy.key import KEY_VARIABLE
from kb_pipeline.settings import Settings, SglangSettings
from kb_pipeline.store.conditions import COLUMNS
from kb_pipeline.store.queries import query

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh.md")
SETTINGS = ("docs/settings.md", "docs/settings.zh.md")
GPU = ("docs/gpu.md",)
SEARCH = ("docs/search-and-api.md",)
# English -> Chinese, of the pages that are there in both languages.
PAIRS = {
    name: name.removesuffix(".md") + ".zh.md"
    for name in ("README.md", "docs/settings.md", "docs/operations.md", "docs/privacy.md")
}
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))
LONGEST_README = 180  # lines: what a reader finishes
# Read from the environment alone, so no fields of Settings.
ENVIRONMENT_ONLY = {"KB_CONFIG", KEY_VARIABLE}
in_readmes = pytest.mark.parametrize("name", READMES)
in_settings = pytest.mark.parametrize("name", SETTINGS)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def setting_rows(text: str) -> dict[str, str]:
    """setting -> default, from the table of settings."""
    return dict(re.findall(r"^\| `(KB_[A-Z_]+)` \| ([^|]*?) ?\|", text, re.MULTILINE))


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def outline(text: str) -> list[str]:
    """What both languages must have in the same order: headings, table rows, list items and code fences."""
    return [match[1] for line in text.splitlines() if (match := re.match(r"(#+ |\||\* |```\w*)", line))]


@in_settings
def test_the_table_lists_exactly_the_settings_that_there_are(name: str) -> None:
    fields = {f"KB_{field.upper()}" for field in Settings.model_fields}
    assert set(setting_rows(read(name))) == fields | ENVIRONMENT_ONLY


@in_settings
def test_the_table_gives_the_defaults_that_the_code_has(name: str) -> None:
    rows = setting_rows(read(name))
    for field, info in Settings.model_fields.items():
        plain = isinstance(info.default, str | int | float | Path) and info.default != ""
        expected = f"`{str(info.default).removesuffix('.0')}`" if plain else ""
        assert rows[f"KB_{field.upper()}"] == expected, field


@in_settings
def test_the_limits_and_sizes_in_the_table_are_the_defaults(name: str) -> None:
    text = read(name)
    for group in (Settings.model_fields["limits"].default, Settings.model_fields["chunking"].default):
        for key, value in group.model_dump().items():
            assert f"`{key}` {value:.0f}" in text


@pytest.mark.parametrize("name", GPU)
def test_the_table_of_sglang_lists_its_settings_and_their_defaults(name: str) -> None:
    section = re.split(r"^## ", read(name).partition("`[sglang]`")[2], flags=re.MULTILINE)
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (?:`([^`]*)` )?\|", "\n".join(section), re.MULTILINE))
    expected = {
        field: "" if info.default in (None, ()) else str(info.default).lower().removesuffix(".0")
        for field, info in SglangSettings.model_fields.items()
    }
    assert {field: rows.get(field) for field in expected} == expected


@in_settings
def test_every_setting_in_the_example_file_exists(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = (content for language, content in blocks(read(name)) if language == "toml")
    monkeypatch.chdir(tmp_path)
    settings = Settings(**tomllib.loads(example))
    assert [source.uri.partition("/")[0] for source in settings.sources] == ["", "s3:"]
    assert settings.chunking_for("contracts") != settings.chunking_for("others")


def commands_of(command: Any, path: str = "kb") -> Iterator[str]:
    for name, below in getattr(command, "commands", {}).items():
        yield f"{path} {name}"
        yield from commands_of(below, f"{path} {name}")


@in_readmes
def test_every_command_is_described_and_every_described_command_exists(name: str) -> None:
    text = read(name)
    below = {command for command in commands_of(get_command(app)) if command.count(" ") > 1}
    there = set(commands_of(get_command(app))) - below
    assert set(re.findall(r"(?:^|[`/])(kb [a-z]+)", text, re.MULTILINE)) == there
    assert "`kb failures retry`" in text
    for command in (command for command in below if command.startswith("kb server ")):
        assert f"`{command.rpartition(' ')[2]}`" in text


@in_readmes
def test_every_make_target_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", read(name), re.MULTILINE))
    assert {"run", "up"} <= named <= targets


@pytest.mark.parametrize("name", SEARCH)
def test_the_columns_of_the_view_and_of_filters_are_those_of_the_code(name: str) -> None:
    from psycopg import sql

    text = read(name)
    nothing = {"fields": sql.SQL(""), "joined": sql.SQL(""), "view": sql.SQL("v"), "invoker": sql.SQL("false")}
    view = query("serving_table", "create_view", table=sql.Identifier("t"), **nothing).as_string()
    selected = view.partition("SELECT ")[2].partition("FROM")[0]
    columns = [column.strip().rpartition(" ")[2] for column in selected.split(",")]
    (listed,) = re.findall(r"`id`[^.。]*[.。]", text)
    assert re.findall(r"`(\w+)`", listed) == columns
    for column in COLUMNS:
        assert f"`{column}`" in text


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", read(name))
    folder = (ROOT / name).parent
    assert [link for link in links if "://" not in link and not (folder / link).is_file()] == []


@in_readmes
def test_the_readme_is_short_and_leads_to_every_page(name: str) -> None:
    text = read(name)
    assert len(text.splitlines()) <= LONGEST_README
    assert {page for page in PAGES if page.startswith("docs/") and not page.endswith(".zh.md")} <= {
        link.replace(".zh.md", ".md") for link in re.findall(r"\]\(([^)#]+)\)", text)
    }


@pytest.mark.parametrize(("english_name", "chinese_name"), PAIRS.items())
def test_both_languages_say_the_same(english_name: str, chinese_name: str) -> None:
    english, chinese = read(english_name), read(chinese_name)
    assert outline(chinese) == outline(english)
    assert setting_rows(chinese) == setting_rows(english)
    assert blocks(chinese) == blocks(english)
    assert set(re.findall(r"`(kb [^`]+)`", chinese)) == set(re.findall(r"`(kb [^`]+)`", english))
