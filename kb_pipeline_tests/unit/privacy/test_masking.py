from __future__ import annotations

import html
import pickle
import random
import subprocess
import sys
import time
from datetime import date

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.parsing.elements import CleanedDocument, DroppedText, Element
from kb_pipeline.privacy import detection
from kb_pipeline.privacy.detection import prepared
from kb_pipeline.privacy.detectors import addresses, english_names, network, people, phones
from kb_pipeline.privacy.detectors.cards import passes_luhn
from kb_pipeline.privacy.detectors.catalogue import DETECTORS, canonical
from kb_pipeline.privacy.detectors.identifiers import check_character
from kb_pipeline.privacy.entities import ENTITIES, Action
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline.privacy.pseudonyms import PSEUDONYM

KEY = bytes(range(32))
MASKER = Masker(MaskingPolicy(), KEY)
NOTHING: dict[str, Action] = dict.fromkeys(ENTITIES, "keep")

RESIDENT_ID = "11010519491231002X"
LEGACY_ID = "110105491231002"
MOBILE = "13800138000"
CARD = "6222021234567890128"


def resident_id(seed: random.Random) -> str:
    born = f"{seed.randrange(1940, 2010)}{seed.randrange(1, 13):02}{seed.randrange(1, 29):02}"
    first = f"{seed.choice(['110105', '310101', '440305', '510104'])}{born}{seed.randrange(1000):03}"
    return first + check_character(first)


def bank_card(seed: random.Random) -> str:
    body = "62" + "".join(seed.choice("0123456789") for _ in range(16))
    return next(body + last for last in "0123456789" if passes_luhn(body + last))


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        (f"身份证号{RESIDENT_ID}。", "CN_RESIDENT_ID"),
        ("证件 110105 19491231 002x 有效", "CN_RESIDENT_ID"),
        ("11010519491231\n002X", "CN_RESIDENT_ID"),
        ("１１０１０５１９４９１２３１００２Ｘ", "CN_RESIDENT_ID"),
        (f"身份证：{LEGACY_ID}", "CN_RESIDENT_ID"),
        ("身份证号110105194912310021", "CN_RESIDENT_ID"),
        (f"请致电{MOBILE}联系", "CN_MOBILE"),
        ("+86 138-0013-8000", "CN_MOBILE"),
        ("0086-13800138000", "CN_MOBILE"),
        ("138 0013 8000", "CN_MOBILE"),
        ("１３８－００１３－８０００", "CN_MOBILE"),
        ("手机：138001\n38000", "CN_MOBILE"),
        ("138\u200b0013\u200b8000", "CN_MOBILE"),
        ("Tel:13800138000.", "CN_MOBILE"),
        ("卡号：6222 0212 3456 7890 128", "BANK_CARD"),
        (f"({CARD})", "BANK_CARD"),
        ("4111-1111-1111-1111", "BANK_CARD"),
        ("联系zhang.san+kb@mail.example.com.cn。", "EMAIL_ADDRESS"),
        ("ＺＨＡＮＧ＠ｅｘａｍｐｌｅ．ｃｏｍ", "EMAIL_ADDRESS"),
        ("13800138000@139.com", "EMAIL_ADDRESS"),
    ],
)
def test_a_personal_value_is_replaced_by_one_pseudonym(text: str, entity: str) -> None:
    masked = MASKER.mask(text)
    assert masked.counts == {entity: 1}
    assert len(PSEUDONYM.findall(masked.text)) == 1
    assert not any(character.isdigit() for character in PSEUDONYM.sub("", masked.text))


@pytest.mark.parametrize(
    "text",
    [
        "订单号：13800138000",
        "Order no. 4111111111111111",
        "共13800138000股，约13800138000.5吨",
        "ISBN 978-7-302-51167-5",
        "版本 1.2.3.4，v13.8.0.0",
        "2023-11-05 13:00:11.123456",
        "时间戳 1700000000000 和 20231105120000",
        "营业收入 138 2021 2022 2023 2024",
        "110105194913310021",
        "A4111111111111111B",
        "400-810-8888，95588",
        "GB/T 19001-2016, ISO/IEC 27001:2022",
        "图 1-2 @ 第三章，见 foo@bar",
        "1,234,567,890,123.00",
        "π≈3.14159265358979",
        "4000 3864 3468 3303 3512 3000 2191 2298 2047 2000 1143",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
    ],
)
def test_a_near_miss_stays_as_it_is(text: str) -> None:
    assert MASKER.mask(text).text == text


def test_equal_values_get_equal_pseudonyms_however_they_are_written() -> None:
    spellings = ["13800138000", "+86 138 0013 8000", "１３８００１３８０００", "0086-138-0013-8000"]
    assert len({MASKER.mask(f"电话 {spelling} 。").text for spelling in spellings}) == 1
    assert len({canonical("CN_RESIDENT_ID", value) for value in (RESIDENT_ID, LEGACY_ID, "110105 491231 002")}) == 1
    assert len({MASKER.mask(address).text for address in ("Li.Si@Example.com", "li.si@example.com")}) == 1


def test_another_key_gives_other_pseudonyms_and_another_fingerprint() -> None:
    other = Masker(MaskingPolicy(), bytes(32))
    assert other.mask(MOBILE).text != MASKER.mask(MOBILE).text
    assert other.fingerprint_parts != MASKER.fingerprint_parts
    assert KEY.hex() not in repr(MASKER)
    assert repr(KEY) not in repr(MASKER)


def test_two_numbers_beside_each_other_stay_two() -> None:
    assert MASKER.mask("13800138000 13900139000").counts == {"CN_MOBILE": 2}


def test_cards_below_each_other_are_all_found() -> None:
    assert MASKER.mask("6222 0212 3456 7890 128\n4111 1111 1111 1111\n4111-1111-1111-1111").counts == {"BANK_CARD": 3}


def test_masking_masked_text_changes_nothing() -> None:
    seed = random.Random(7)
    pieces = ["，", " ", "\n", "-", "卡号", "订单号", "手机:", "ID", "收入 138 2021 2022 ", "@", ".", "x", "/"]
    values = [RESIDENT_ID, LEGACY_ID, MOBILE, CARD, "a.b@example.com", "4111 1111 1111 1111", "1234567890123452"]
    for _ in range(300):
        text = "".join(seed.choice(pieces) + seed.choice(values) for _ in range(seed.randrange(1, 8)))
        once = MASKER.mask(text).text
        assert MASKER.mask(once).text == once, text


def test_every_generated_value_in_running_text_is_found() -> None:
    seed = random.Random(3)
    for make, entity in ((resident_id, "CN_RESIDENT_ID"), (bank_card, "BANK_CARD")):
        values = [make(seed) for _ in range(200)]
        masked = MASKER.mask("".join(f"客户提供了{value}作为凭据，" for value in values).replace("凭据", "依据"))
        assert masked.counts == {entity: 200}


def test_the_quick_check_never_hides_what_a_detector_finds() -> None:
    seed = random.Random(5)
    alphabet = [
        *"0123456789０１２ -\n\u200bXx@＠.abc中元¥$",
        "联系人：",
        "李",
        "先生",
        "Mr Lee",
        "+86",
        "(021)",
        "地址：",
        "路12号",
        "QQ",
    ]
    for _ in range(3000):
        text = "".join(seed.choice(alphabet) for _ in range(40))
        seen = prepared(text)
        found = {name for name, detector in DETECTORS.items() if detector.find(seen)}
        fired = {name for name, detector in DETECTORS.items() if detector.trigger.fires(seen)}
        assert found <= fired, text


def test_looking_only_near_telling_words_finds_what_looking_everywhere_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.Random(11)
    tokens = [
        *"0123456789 -.()+/\n:：，。,;",
        *(
            "传真",
            "电 话",
            "Tel",
            "telephone: ",
            "phone",
            "号码",
            "转12",
            "ext 3",
            "+1 212",
            "0044 20",
            "(212) 555-1234",
        ),
        *(
            "Regards,\n",
            "Anna Klein",
            "my name is ",
            "Customer ",
            " (",
            "王芳",
            "a.b@c.com",
            "<",
            "TX 78701",
            "SW1A 1AA",
        ),
        *("密码：", "my_api-key=", "token", "is ", "abc123XYZ", "Bearer ", "QQ号", "微信：", "wechat id", "zhang_san"),
        *("1990年5月17日", "1990-05-17", "出生", "生于", "生,", "5 May 1990", "地址", "户籍所在地：", "现住", "(注册)"),
        *(
            "广东省深圳市",
            "中山路88号",
            "3栋2单元",
            "501室",
            "Address: ",
            "resides at ",
            "12 Main Street",
            "各部门应当执行",
        ),
    ]
    texts = [prepared("".join(seed.choices(tokens, k=seed.choice((10, 60, 300))))) for _ in range(400)]
    quick = [{name: detector.find(text) for name, detector in DETECTORS.items()} for text in texts]
    for module in (detection, addresses, english_names, network, people, phones):
        monkeypatch.setattr(module, "near", lambda pattern, text, *_: pattern.finditer(text))
    for text, found in zip(texts, quick, strict=True):
        assert {name: detector.find(text) for name, detector in DETECTORS.items()} == found, text
    assert sum(len(spans) for found in quick for spans in found.values()) > 1000


def test_a_table_stays_valid_html_and_labels_in_the_next_cell_count() -> None:
    table = (
        "<table><tr><th>卡号 &amp; 备注</th><td>6222021234567890123</td></tr>"
        f'<tr><td title="{MOBILE}">a &lt; b</td><td>x@example.com</td></tr></table>'
    )
    masked = MASKER.mask_html(table)
    assert masked.counts == {"BANK_CARD": 1, "EMAIL_ADDRESS": 1, "CN_MOBILE": 1}
    assert masked.text.count("&lt;BANK_CARD_") == masked.text.count('title="&lt;CN_MOBILE_') == 1
    assert "<th>卡号 &amp; 备注</th>" in masked.text
    assert ">a &lt; b</td>" in masked.text
    assert MASKER.mask_html(masked.text).text == masked.text


def test_figures_in_neighbouring_cells_are_not_one_number() -> None:
    table = "<table><tr><td>销量</td><td>138</td><td>4013</td><td>8000</td></tr></table>"
    assert MASKER.mask_html(table).text == table


@pytest.mark.parametrize(
    "row",
    [
        ["电话", "138", "4013", "8000"],
        ["", "138", "0013", "8000"],
        ["身份证", *RESIDENT_ID],
        ["", *MOBILE],
        ["电话", "1380013<br/>8000"],
        ["电话", "138<b>0013</b>8000"],
    ],
)
def test_a_number_that_cells_or_tags_cut_into_pieces_is_found(row: list[str]) -> None:
    masked = MASKER.mask_html("<table><tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr></table>")
    assert sum(masked.counts.values()) == 1
    assert not any(character.isdigit() for character in PSEUDONYM.sub("", html.unescape(masked.text)))


def test_a_document_is_masked_in_every_field() -> None:
    heading = f"联系人 {MOBILE}"
    document = CleanedDocument(
        elements=(
            Element("Title", heading, 1, 1, (heading,)),
            Element(
                "Table", MOBILE, 1, None, (heading,), f"<table><tr><td>{MOBILE}</td></tr></table>", {"to": [MOBILE]}
            ),
        ),
        dropped=(DroppedText("footer", MOBILE, 1),),
        metadata={"subject": MOBILE, "pages": 3, "owner": int(MOBILE), "born": date(1990, 5, 17)},
    )
    masked = MASKER.mask_document(document)
    assert MOBILE not in str(masked)
    assert masked.privacy_counts == {"CN_MOBILE": 2}
    assert masked.metadata["pages"] == 3
    assert "1990" not in str(masked.metadata["born"])
    assert masked.elements[0].section_path == (masked.elements[0].text,)


def test_a_policy_masks_only_its_entities_and_refuses_unknown_ones() -> None:
    only_mail = Masker(MaskingPolicy({**NOTHING, "EMAIL_ADDRESS": "pseudonym"}), KEY)
    assert only_mail.mask(f"{MOBILE} a@example.com").counts == {"EMAIL_ADDRESS": 1}
    assert Masker(MaskingPolicy(NOTHING), KEY).mask(MOBILE).text == MOBILE
    with pytest.raises(SettingsError, match="CN_MOBILE"):
        MaskingPolicy({"PHONE": "keep"})


def test_a_masker_travels_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(MASKER)).mask(MOBILE) == MASKER.mask(MOBILE)  # noqa: S301 (our own bytes)


def test_a_text_full_of_values_and_one_of_digits_alone_take_linear_time() -> None:
    for unit in (f"{MOBILE}，a@example.com；", "1" * 17 + " ", "a.b-", "<" + "1 " * 9, "138 0013 "):
        seconds = []
        for repeats in (2_000, 8_000):
            started = time.process_time()
            MASKER.mask(unit * repeats)
            seconds.append(time.process_time() - started)
        assert seconds[1] < 8 * seconds[0] + 0.2, unit


def test_presidio_never_brings_torch() -> None:
    code = (
        "import sys; from kb_pipeline.privacy.masking import *; from kb_pipeline.privacy.policy "
        "import *; m = Masker(MaskingPolicy(), bytes(32))\n"
        "m.mask('13800138000'); assert 'presidio_analyzer' in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
