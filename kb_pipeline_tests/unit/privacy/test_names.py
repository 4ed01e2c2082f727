"""Which Chinese names are found, what is none, and what a query finds of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kb_pipeline.parsing.elements import CleanedDocument, Element
from kb_pipeline.parsing.tables import rows_to_html, rows_to_text
from kb_pipeline.privacy import data
from kb_pipeline.privacy.detectors.chinese_words import odds, surname_of
from kb_pipeline.privacy.entities import PRESETS
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline.privacy.pseudonyms import PSEUDONYM

MASKER = Masker(MaskingPolicy(), bytes(32))
STRICT = Masker(MaskingPolicy(PRESETS["strict"]), bytes(32))


def found(text: str) -> set[str]:
    return {text[finding.start : finding.end] for finding in MASKER.findings(text)}


@pytest.mark.parametrize("name", ["李向东", "王有为", "钱其昌", "买买提", "阿依古丽", "古丽娜尔", "阮文雄", "汤姆"])
@pytest.mark.parametrize("label", ["姓名：{}\n", "员工姓名: {}，", '{{"姓名": "{}", "age": 33}}'])
def test_behind_a_label_for_names_anything_is_a_name(name: str, label: str) -> None:
    assert found(label.format(name)) == {name}


@pytest.mark.parametrize("name", ["Madonna", "Suharto", "Nguyen Van An", "Nguyễn Thị Hoa"])
def test_names_in_latin_letters_behind_such_a_label_may_be_one_word(name: str) -> None:
    assert found(f"姓名：{name}\n") == found(f'"name": "{name}", "gender": "f"') == {name}
    assert found('"name": "Kubernetes", "version": "1.2"') == set()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"name": "李向东"', {"李向东"}),
        ("李向东的手机号是多少", {"李向东"}),
        ("由行长陆知远任组长，组长由钱其昌担任", {"陆知远", "钱其昌"}),
        ("参会：陆知远、李向东，王有为", {"陆知远", "李向东", "王有为"}),
        ("经办人：钱其昌，已办", {"钱其昌"}),
        ("患者王有为入院", {"王有为"}),
        ("总统比尔·克林顿说，总统克林顿已经离开", {"比尔·克林顿", "克林顿"}),
        ("张总您好，李工，尊敬的向女士", {"张", "李", "向"}),
    ],
)
def test_what_stands_beside_a_name_decides_where_its_odds_do_not(text: str, names: set[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "黄河与曹娥江的治理，企业主管部门，建筑工程公司总经理，线程大小",
        "黄茅海跨海通道和黄茅海大桥将于明年通车",
        "培训内容：黄河治理、李子树栽培；负责人：黄河水利委员会。《孙子兵法》导读。杨树苗每年三月栽种。",
        "姓名：待定；联系人：财务部；申请人：公司；审批：通过",
        "普惠金融、任职期间、高度重视、于是、向有关部门报告，两国总统",
    ],
)
def test_no_surname_begins_inside_a_word(text: str) -> None:
    assert found(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "林江手机银行常见问题",
        "收件人：林江银行客户服务中心",
        "张坤先生：易方达基金知名基金经理",
        "今年第5号台风“杜苏芮”来袭，要有“四梁八柱”",
        "2021年3月在伊夫林省抢劫",
        "粉红燕鸥栖息于海岸，常与其他燕鸥混群活动。",
        "史灌河作为淮河的一级支流",
    ],
)
def test_what_firms_storms_and_birds_are_called_is_no_name(text: str) -> None:
    assert found(text) <= {"张坤"}


@pytest.mark.parametrize(
    "text", ["王芳手机银行密码忘了", "王芳银行卡丢失", "王芳银行流水异常", "年轻王芳来了", "记者：王芳"]
)
def test_what_belongs_to_a_person_leaves_the_name_one(text: str) -> None:
    assert found(text) == {"王芳"}


# A name and what is none, and which of the two is likelier by its characters and words.
@pytest.mark.parametrize(
    ("name", "word"),
    [("张建国", "张贴画"), ("李婷", "李子"), ("陆知远", "陆续有"), ("王晓彬", "王国的"), ("欧阳晨", "欧阳的")],
)
def test_names_have_better_odds_than_words(name: str, word: str) -> None:
    assert odds(name) > 2.0 > odds(word)


def test_a_surname_has_one_character_or_two() -> None:
    assert [surname_of(name) for name in ("欧阳晨", "王芳", "的士")] == ["欧阳", "王", None]


def test_every_word_list_says_where_it_is_from() -> None:
    for file in data.files():
        first, *entries = file.read_text(encoding="utf-8").splitlines()
        assert first.startswith("# "), file.name
        assert entries, file.name
        assert all(entries), file.name


# --- tables ------------------------------------------------------------------------------------------

STAFF = ["李向东", "4402 1234 5678", "23456789", "城关镇东街12号"]
HEADER = ["姓名", "银行账号", "联系电话", "家庭住址"]


@pytest.mark.parametrize(
    "rows",
    [
        [HEADER, STAFF],
        [["员工花名册", "", "", ""], ["2024年5月", "", "", ""], HEADER, STAFF],
        [["姓名", "银行账号", "联系", "联系"], ["", "", "电话", "地址"], STAFF],
        [[HEADER[0], STAFF[0], HEADER[1], STAFF[1]], [HEADER[2], STAFF[2], HEADER[3], STAFF[3]]],
        [[label, value] for label, value in zip(HEADER, STAFF, strict=True)],
    ],
    ids=["header", "title and date above", "two rows of names", "form", "form of two columns"],
)
def test_the_labels_of_a_table_are_found_wherever_they_stand(rows: Sequence[Sequence[str]]) -> None:
    table = Element("Table", rows_to_text(rows), html=rows_to_html(rows, header=False))
    masked = MASKER.mask_document(CleanedDocument((table,)))
    element = masked.elements[0]
    assert not any(value in element.text + str(element.html) for value in STAFF)
    assert len(PSEUDONYM.findall(element.text)) == 4
    assert masked.privacy_counts == {"PERSON": 1, "BANK_ACCOUNT": 1, "CN_LANDLINE": 1, "ADDRESS": 1}


def test_products_have_names_too() -> None:
    rows = [["产品名称", "型号"], ["黄河大米", "H-1"], ["Name", "Version"], ["Kubernetes", "1.2"]]
    assert not MASKER.mask_html(rows_to_html(rows, header=True)).counts


def test_amounts_of_a_table_are_masked_alike() -> None:
    rows = [["费用表（单位：元）", ""], ["项目", "金额"], ["差旅", "5000"], ["会议", "5,000"]]
    assert not MASKER.mask_html(rows_to_html(rows, header=False)).counts
    masked = STRICT.mask_html(rows_to_html(rows, header=False))
    assert masked.counts == {"AMOUNT": 2}
    assert STRICT.mask("共5000元").text[1:] in masked.text.replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize(
    "text", ["awk '{print $1, $2}' f; echo $12", "=SUM($B$2:$C$5)", "$10^{6}$ and $2 < k$", "10 pounds of sugar"]
)
def test_parameters_cells_formulas_and_weights_are_no_amounts(text: str) -> None:
    assert STRICT.mask(text).text == text


# --- queries and paths -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "query"),
    [
        ("由行长陆知远任组长", "陆知远"),
        ("姓名：买买提", "买买提"),
        ("患者王有为入院", "王有为的住院记录"),
        ("联系电话：23456789", "23456789"),
        ("账号：8801234567", "8801234567"),
        ("家庭住址：城关镇东街12号", "城关镇东街12号"),
        ("姓名：Suharto", "suharto"),
        ("出生日期：1990年5月17日", "1990-05-17"),
    ],
)
def test_a_query_may_stand_for_whatever_a_document_was_masked_to(stored: str, query: str) -> None:
    (pseudonym,) = PSEUDONYM.findall(MASKER.mask(stored).text)
    assert pseudonym in MASKER.possible_stand_ins(query)


def test_a_path_that_is_masked_already_stays() -> None:
    once = MASKER.mask_paths(["客户_李向东_13800138000/a_b@example.com.pdf"])
    assert MASKER.mask_paths(once) == once
    assert not any(character in once[0] for character in "李@")
