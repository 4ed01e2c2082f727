"""Numbers that only their label makes somebody's, and secrets that only it makes secret."""

from __future__ import annotations

import pytest

from kb_pipeline.parsing.tables import html_to_rows, rows_to_html
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline.privacy.pseudonyms import PSEUDONYM

MASKER = Masker(MaskingPolicy(), bytes(32))


def left_of(text: str) -> str:
    """`text` with `…` for each pseudonym."""
    return PSEUDONYM.sub("…", MASKER.mask(text).text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("港澳居民身份证号：A123456(3)", "港澳居民身份证号：…"),
        ("澳门居民身份证 5/123456/7", "澳门居民身份证 …"),
        ("HKID No. AB987654(2)，", "HKID No. …，"),
        ("台湾身份证字号：A123456789", "台湾身份证字号：…"),
        ("Passport No: K0123456E", "Passport No: …"),
        ("证件类型：外国护照 证件号码：X4RTBPFW4", "证件类型：外国护照 证件号码：…"),
        ("车辆识别代号（VIN）：LSVAA49J132047371", "车辆识别代号（VIN）：…"),
        ("IMEI: 35-693803-564380-9", "IMEI: …"),
        ("MAC地址：00:1A:2B:3C:4D:5E", "MAC地址：…"),
        ("医保卡号：3301021234567890", "医保卡号：…"),
        ("手机：一三八零零一三八零零零", "手机：…"),
        ("电话：138OO138OOO", "电话：…"),
        ("身份证号：11O1O119900307851S", "身份证号：…"),
    ],
)
def test_a_number_behind_the_label_of_a_paper_or_a_device_is_found(text: str, left: str) -> None:
    assert left_of(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "护照办理时间：2024-05-01",
        "病历 2023-01-01 12:30 归档",
        "身份证办理流程2019版",
        "社保缴费 2019012345 元",
        "Mac OS X 10_15_7; mac 2019 16.1",
        "统计自二〇二三年一二三四季度",
        "passport: see section 12",
    ],
)
def test_dates_versions_and_prose_behind_such_words_stay(text: str) -> None:
    assert left_of(text) == text


def test_the_name_of_a_column_is_such_a_label() -> None:
    rows = [["VIN", "医保卡号"], ["1HGCM82633A004352", "A12345678"]]
    masked, _ = html_to_rows(MASKER.mask_html(rows_to_html(rows, header=True)).text)
    assert [[PSEUDONYM.sub("…", cell) for cell in row] for row in masked] == [rows[0], ["…", "…"]]


def test_a_number_has_one_pseudonym_however_its_digits_are_written() -> None:
    spelled, plain = (MASKER.mask(f"病历号：{number}").text for number in ("零零一二三四五六", "00123456"))
    assert spelled == plain


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("密码 Abc@2026", "密码 …"),
        ("口令：woaibeijing", "口令：…"),
        ('{"password": "hunter"}', '{"password": "…"}'),
        ("DB_PASSWORD=changeme", "DB_PASSWORD=…"),
        ("redis://:pw123456@cache:6379/0", "redis://…@cache:6379/0"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic …"),
        ('"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQIB\\n-----END PRIVATE KEY-----"', '"private_key": "…"'),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF0a\n=ab12\n-----END PGP PRIVATE KEY BLOCK-----", "…"),
    ],
)
def test_a_secret_is_found_in_the_forms_it_has(text: str, left: str) -> None:
    assert left_of(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "token = get_token(x)",
        "topics, new_token = backend.list_config_service_resources(a)",
        "api_key = settings.api_key",
        "query(limit=limit, next_token=next_token, more=1)",
        'secrets = { password = "WIKI_PASSWORD" }',
        "@final\n@dataclasses.dataclass\nclass A: ...",
        "git clone git@github.com:owner/repo.git",
        "密码：至少8位，包含字母和数字",
        "Password: required",
    ],
)
def test_code_and_prose_about_secrets_come_through_unharmed(text: str) -> None:
    assert left_of(text) == text
