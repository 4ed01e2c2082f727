from __future__ import annotations

from pathlib import Path

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.privacy.entities import ENTITIES, PRESETS
from kb_pipeline.privacy.maskers import Maskers
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy, SiteTerms, can_follow
from kb_pipeline.settings import load_settings

KEY = bytes(range(32))
DEFAULT = MaskingPolicy(PRESETS["strict"])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"privacy": {"entities": {"PHONE": "keep"}}}, "does not know PHONE; it knows CN_RESIDENT_ID"),
        ({"privacy": {"entities": {"AMOUNT": "hide"}}}, "AMOUNT"),
        ({"privacy": {"deny_patterns": ["(unclosed"]}}, "is no regular expression"),
        ({"privacy": {"deny_patterns": ["a*"]}}, "matches the empty text"),
        ({"privacy": {"allow_patterns": ["(a+)+$"]}}, "takes too long"),
        ({"privacy": {"allow": [" "]}}, "empty term"),
        ({"collections": {"a": {"privacy": {"preset": "paranoid"}}}}, "preset"),
    ],
)
def test_a_wrong_policy_fails_at_start_and_says_what_there_is(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint.replace("(", r"\(")):
        load_settings(home=Path("unused"), **settings)


def masked(text: str, **actions: str) -> str:
    return Masker(MaskingPolicy({**dict.fromkeys(ENTITIES, "pseudonym"), **actions}), KEY).mask(text).text  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("entity", "text", "shown"),
    [
        ("CN_MOBILE", "电话13800138000。", "电话138****8000。"),
        ("EMAIL_ADDRESS", "邮箱zhang@example.com。", "邮箱z***@example.com。"),
        ("PERSON", "联系人：张三丰", "联系人：张**"),
        ("AMOUNT", "共5万元。", "共******元。"),
        ("ADDRESS", "地址：浙江省杭州市文三路9号", "地址：浙江省杭州市***"),
    ],
)
def test_a_masked_value_shows_a_little_and_stays_as_it_is(entity: str, text: str, shown: str) -> None:
    once = masked(text, **{entity: "mask"})
    assert once == shown
    assert masked(once, **{entity: "mask"}) == once


def test_a_removed_value_leaves_nothing_of_itself() -> None:
    assert masked("电话13800138000。", CN_MOBILE="remove") == "电话…。"


@pytest.mark.parametrize(
    "spelling",
    ["50,000元", "￥50000.00", "人民币伍万元整", "RMB 50,000", "五万元", "５万元", "50000 yuan", "人民币5万元"],
)
def test_equal_amounts_get_the_same_pseudonym(spelling: str) -> None:
    assert masked(f"共 {spelling} 。") == masked("共 5万元 。")


def test_a_site_allows_and_denies_terms_of_its_own() -> None:
    terms = SiteTerms(allow=("13800138000",), deny=("天鹅项目",), deny_patterns=(r"HT-\d{4}",))
    masker = Masker(MaskingPolicy(terms=terms), KEY)
    result = masker.mask("天鹅项目 HT-2024 热线13800138000，手机13900139000")
    assert dict(result.counts) == {"DENIED": 2, "CN_MOBILE": 1}
    assert "13800138000" in result.text


def test_amounts_stay_unless_a_policy_says_strict_and_an_older_name_of_the_default_still_loads() -> None:
    for preset, action in (("default", "keep"), ("finance", "keep"), ("strict", "pseudonym")):
        settings = load_settings(home=Path("unused"), privacy={"preset": preset})
        assert settings.privacy.actions({})["AMOUNT"] == action


def test_what_is_stored_of_a_policy_names_none_of_the_sites_own_terms() -> None:
    terms = SiteTerms(allow=("热线",), deny=("天鹅项目",), deny_patterns=(r"HT-\d{4}",))
    stored = MaskingPolicy(terms=terms).as_json(KEY)
    assert not any(term in str(stored) for term in ("天鹅项目", "热线", "HT-"))
    assert stored != MaskingPolicy(terms=terms).as_json(bytes(32))
    assert can_follow(MaskingPolicy().as_json(KEY), MaskingPolicy(terms=SiteTerms(deny=("天鹅项目",))).as_json(KEY))


def test_only_a_stricter_policy_can_follow_another() -> None:
    loose = MaskingPolicy({"AMOUNT": "keep"})
    removing = MaskingPolicy({"AMOUNT": "remove"})
    partly = MaskingPolicy({"AMOUNT": "mask"})
    denying = MaskingPolicy(PRESETS["strict"], terms=SiteTerms(deny=("x",)))
    allowing = MaskingPolicy(PRESETS["strict"], terms=SiteTerms(allow=("x",)))
    follows = [(loose, DEFAULT), (DEFAULT, removing), (loose, partly), (DEFAULT, denying), (allowing, DEFAULT)]
    for stored, wanted in follows:
        assert can_follow(stored.as_json(KEY), wanted.as_json(KEY))
        assert not can_follow(wanted.as_json(KEY), stored.as_json(KEY))
    assert not can_follow(partly.as_json(KEY), DEFAULT.as_json(KEY))


def test_the_strictest_of_several_policies_hides_what_any_of_them_hides() -> None:
    finance = Masker(MaskingPolicy({"AMOUNT": "keep"}), KEY)
    names = Masker(MaskingPolicy({"PERSON": "keep", "CN_MOBILE": "remove"}), KEY)
    maskers = Maskers(finance, {"people": names})
    actions = maskers.strictest.policy.actions
    assert (actions["AMOUNT"], actions["PERSON"], actions["CN_MOBILE"]) == ("pseudonym", "pseudonym", "remove")
    assert maskers.among(["people"]) == (names,)
    assert len(maskers.among(())) == 3
