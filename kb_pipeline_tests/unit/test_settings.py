"""Where settings come from, and how a wrong one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.settings import fingerprint, load_settings


def test_variables_win_over_dotenv_and_that_over_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("kb.toml").write_text("dimension = 100\nbatch_documents = 7\nsearch_port = 1\n")
    Path(".env").write_text("KB_DIMENSION=200\nKB_BATCH_DOCUMENTS=8\nOTHER_PROGRAM=1\n")
    monkeypatch.setenv("KB_DIMENSION", "300")
    settings = load_settings()
    assert (settings.dimension, settings.batch_documents, settings.search_port) == (300, 8, 1)


def test_two_underscores_reach_into_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("kb.toml").write_text('[sglang]\nmodel = "/models/a"\nport = 1\ntp = 2\nextra_args = ["--dtype", "half"]\n')
    Path(".env").write_text("KB_SGLANG__PORT=2\nKB_SGLANG__DP=3\n")
    monkeypatch.setenv("KB_SGLANG__PORT", "4")
    monkeypatch.setenv("KB_LIMITS__PAGES", "7")
    settings = load_settings()
    sglang = settings.sglang
    assert (sglang.model, sglang.port, sglang.tp, sglang.dp) == ("/models/a", 4, 2, 3)
    assert sglang.extra_args == ("--dtype", "half")
    assert (settings.limits.pages, settings.limits.seconds) == (7, 300.0)
    monkeypatch.setenv("KB_SGLANG__EXTRA_ARGS", '["--enable-metrics"]')
    assert load_settings().sglang.extra_args == ("--enable-metrics",)


def test_an_empty_setting_is_one_that_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("kb.toml").write_text('embedding_url = "http://host/v1"\nembedding_model = ""\n[sglang]\nrevision = ""\n')
    Path(".env").write_text("KB_DATABASE_URL=\nKB_SGLANG__MODEL=\n")
    monkeypatch.setenv("KB_EMBEDDING_URL", "")
    monkeypatch.setenv("KB_DIMENSION", "")
    settings = load_settings()
    assert (settings.embedding_url, settings.embedding_model, settings.database_url) == (None, None, None)
    assert (settings.dimension, settings.sglang.model, settings.sglang.revision) == (None, None, None)
    monkeypatch.setenv("KB_SEARCH_PORT", "")
    with pytest.raises(SettingsError, match="KB_SEARCH_PORT"):
        load_settings()


def test_sources_and_collections_come_from_toml() -> None:
    Path("kb.toml").write_text(
        '[[sources]]\nuri = "docs"\n[[sources]]\nuri = "s3://bucket/x"\n'
        "[collections.contracts.chunking]\nmax_characters = 900\n"
    )
    settings = load_settings()
    assert [source.uri for source in settings.sources] == ["docs", "s3://bucket/x"]
    assert settings.chunking_for("contracts").max_characters == 900
    assert settings.chunking_for("others") == settings.chunking


def test_chunk_sizes_follow_the_limit_unless_they_are_set() -> None:
    Path("kb.toml").write_text("[chunking]\nmax_characters = 400\n")
    sizes = load_settings().chunking
    assert (sizes.new_after_n_chars, sizes.combine_under_n_chars) == (300, 100)
    Path("kb.toml").write_text("[chunking]\nmax_characters = 4000\nnew_after_n_chars = 3900\n")
    sizes = load_settings().chunking
    assert (sizes.new_after_n_chars, sizes.combine_under_n_chars) == (3900, 500)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KB_DIMENSION", "many"),
        ("KB_DIMENSION", "5"),
        ("KB_SHARD_DIGITS", "3"),
        ("KB_IDLE_SECONDS", "-1"),
        ("KB_SGLANG__PORT", "0"),
        ("KB_LIMITS", '{"seconds": -1}'),
        ("KB_LIMITS", "no json"),
        ("KB_CHUNKING", '{"max_characters": 400, "combine_under_n_chars": 500}'),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert name.removeprefix("KB_").lower() in str(raised.value).lower()


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("dimension 5", "line 1"),
        ("dimention = 512", "dimention"),
        ("[limits]\nsecond = 1", "limits.second"),
        ("[[sources]]\nurl = 'docs'", "sources"),
        ("sources = 'docs'", "sources"),
        ("[[sources]]\nuri = 'docs'\n[[sources]]\nuri = 'docs'", "sources.*same uri"),
        ("[[sources]]\nuri = 'postgresql://db/wiki'", "sources.*needs a query"),
        ("[[sources]]\nuri = 'docs'\nquery = 'SELECT 1'", "query is for"),
        ("[[sources]]\nuri = 'docs'\nformat = 'pdf'", "format is none of text, markdown"),
    ],
)
def test_a_wrong_file_is_named(toml: str, named: str) -> None:
    Path("kb.toml").write_text(toml)
    with pytest.raises(SettingsError, match=named):
        load_settings()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KB_DIMENTION", "KB_DIMENSION"),
        ("KB_SGLANG__PROT", "KB_SGLANG__PORT"),
        ("KB_DIMENSION__X", "KB_DIMENSION"),
        ("KB_SOURCES__0__URI", "unset it"),
        ("kb_embeding_url", "KB_EMBEDDING_URL"),
        ("KB_XYZZY", "unset it"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_and_the_one_meant_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "30000")
    with pytest.raises(SettingsError, match=f"{name.upper()}, which is no setting.*{meant}"):
        load_settings()
    monkeypatch.delenv(name)
    Path(".env").write_text(f"{name}=30000\n")
    with pytest.raises(SettingsError, match=rf"{name.upper()}.*\.env"):
        load_settings()


def test_a_variable_may_name_any_collection_and_any_entity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_COLLECTIONS__CONTRACTS__CHUNKING__MAX_CHARACTERS", "900")
    monkeypatch.setenv("KB_COLLECTIONS", '{"Verträge": {"query_instruction": "Find"}}')
    monkeypatch.setenv("KB_PRIVACY__ENTITIES", '{"EMAIL_ADDRESS": "mask"}')
    settings = load_settings()
    assert settings.chunking_for("contracts").max_characters == 900
    assert settings.privacy.entities == {"EMAIL_ADDRESS": "mask"}


@pytest.mark.parametrize(
    ("toml", "named", "meant"),
    [
        ("dimention = 512", "dimention", "dimension"),
        ("[limits]\nsecond = 1", "limits.second", "limits.seconds"),
        ("[[sources]]\nuri = 'a'\nexclud = ['b']", "sources.0.exclud", "sources.0.exclude"),
        ("[collections.a.chunking]\nmax_chars = 900", "collections.a.chunking.max_chars", "max_characters"),
        ("[collections.chunking.privacy]\nprset = 'finance'", "collections.chunking.privacy.prset", "preset"),
    ],
)
def test_a_key_that_is_no_setting_is_refused_and_the_one_meant_is_named(toml: str, named: str, meant: str) -> None:
    Path("kb.toml").write_text(toml)
    with pytest.raises(SettingsError, match=f"{named}, which is no setting; write .*{meant}"):
        load_settings()


def test_a_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_CONFIG", "elsewhere.toml")
    with pytest.raises(SettingsError, match="KB_CONFIG"):
        load_settings()
    Path("elsewhere.toml").write_text("dimension = 64")
    assert load_settings().dimension == 64


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_DATABASE_URL", "hunter2")
    settings = load_settings()
    assert "hunter2" not in repr(settings)


def test_fingerprints_depend_on_content_not_on_order() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint("合同", 1) != fingerprint("合同", 2)


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("timezone", "Mars/Olympus", "no IANA name"),
        ("owners", ["data platform"], "neither an e-mail address nor team:NAME"),
        ("schedules", {"nightly_sweep": "at night"}, "five fields"),
        ("retention", {"dagster_days": 0}, "greater than or equal to 1"),
        ("golden", [{"question": "", "source_file": "a.md"}], "at least 1 character"),
    ],
)
def test_what_dagster_would_refuse_is_refused_here(setting: str, value: object, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load_settings(**{setting: value})


def test_the_schedules_are_in_the_time_zone_of_the_machine_unless_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    assert load_settings().timezone == "Asia/Shanghai"
    assert load_settings(timezone="Europe/Paris").timezone == "Europe/Paris"
    monkeypatch.setenv("TZ", ":a zone of no name")
    assert load_settings().timezone == "UTC"


@pytest.mark.parametrize("wrong", ["host/hunter2", "ftp://host/hunter2", "https:///hunter2", "http://host/hun\nter2"])
def test_the_address_of_alerts_is_of_the_web_and_stands_in_no_error(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"alerts\.webhook_url \(KB_ALERTS__WEBHOOK_URL\)") as raised:
        load_settings(alerts={"webhook_url": wrong})
    assert "ter2" not in str(raised.value)


def test_a_chat_server_needs_a_model() -> None:
    Path("kb.toml").write_text('[answers]\nurl = "http://127.0.0.1:30002/v1"\n')
    with pytest.raises(SettingsError, match="set model of"):
        load_settings()
