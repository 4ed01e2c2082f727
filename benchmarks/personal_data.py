"""Made-up personal data with valid checksums, in the forms that people write, and things that only look like it.

A *case* is a text with the places of the values in it. Nobody's data is here: numbers are drawn at random, and
names are put together from common surnames and given names. The checksums are written for this module and do not
come from the code that is measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import phonenumbers
from stdnum import luhn
from stdnum.cn import uscc


@dataclass(frozen=True, slots=True)
class Case:
    """`places`: (entity, start, end) of every value in `text`; none for a near miss."""

    text: str
    places: tuple[tuple[str, int, int], ...]


SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余杜叶程魏苏吕丁沈姚卢姜崔钟"
    "谭陆汪范廖石金贾夏付方邹熊白孟秦邱侯江尹薛闫雷龙史陶黎贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉萍红娥玲芬燕彬琳宇浩凯健俊帆雪梅婷雅欣怡晨阳思佳"
    "梓轩子涵一诺雨泽浩然欣妍博文志远建国晓东海燕春梅秀英"
)
_FIRST_NAMES = "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan"
_LAST_NAMES = "Smith Johnson Williams Brown Jones Garcia Miller Davis Wilson Anderson Taylor Thomas Moore Martin Clark"
ENGLISH_NAMES = (_FIRST_NAMES.split(), _LAST_NAMES.split())
CITIES = {
    "北京市": ["朝阳区", "海淀区"],
    "上海市": ["浦东新区", "徐汇区"],
    "广东省深圳市": ["南山区", "福田区"],
    "浙江省杭州市": ["西湖区", "余杭区"],
    "四川省成都市": ["武侯区", "锦江区"],
}
STREETS = ["中山路", "人民路", "解放大道", "建国门外大街", "世纪大道", "科苑南路", "文三路", "天府大道"]
REGIONS = ["110105", "310115", "440305", "330106", "510107", "810000", "820000", "830000", "320102", "420106"]


def digits(random_: random.Random, count: int) -> str:
    return "".join(random_.choice("0123456789") for _ in range(count))


def resident_id(r: random.Random) -> str:
    body = f"{r.choice(REGIONS)}{r.randrange(1945, 2012)}{r.randrange(1, 13):02}{r.randrange(1, 29):02}{digits(r, 3)}"
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    number = body + "10X98765432"[sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11]
    return r.choice(
        [number, number, number, number.lower(), f"{number[:6]} {number[6:14]} {number[14:]}", full_width(number)]
    )


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def mobile(r: random.Random) -> str:
    number = f"1{r.choice('3456789')}{digits(r, 9)}"
    parts = (number[:3], number[3:7], number[7:])
    return r.choice(
        [
            number,
            number,
            number,
            " ".join(parts),
            "-".join(parts),
            f"+86{number}",
            f"+86 {number}",
            f"+86-{'-'.join(parts)}",
            f"0086{number}",
            full_width(number),
        ]
    )


def landline(r: random.Random) -> str:
    area = r.choice(["010", "021", "0755", "0571", "028", "0898"])
    number = f"{r.randrange(2, 9)}{digits(r, 7)}"
    return r.choice(
        [
            f"{area}-{number}",
            f"({area}){number}",
            f"{area} {number}",
            f"+86-{area[1:]}-{number}",
            f"（{area}）{number}",
            f"{area}-{number}转{r.randrange(10, 999)}",
            f"{area}-{number}-{r.randrange(100, 999)}",
        ]
    )


def foreign_phone(r: random.Random) -> str:
    region = r.choice(["HK", "MO", "TW", "US", "GB", "SG", "JP", "DE"])
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if number is None:
        raise ValueError(f"phonenumbers has no example for {region}.")
    number.national_number = int(str(number.national_number)[:-3] + digits(r, 3))
    form = r.choice([phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164])
    return str(phonenumbers.format_number(number, form))


def bank_card(r: random.Random) -> str:
    prefix, length = r.choice(
        [("6222", 19), ("6217", 19), ("6228", 19), ("6225", 16), ("4367", 16), ("5187", 16), ("6214", 16), ("9558", 19)]
    )
    body = prefix + digits(r, length - 1 - len(prefix))
    number = body + luhn.calc_check_digit(body)
    groups = [number[i : i + 4] for i in range(0, length, 4)]
    return r.choice([number, number, " ".join(groups), "-".join(groups), full_width(number)])


def credit_code(r: random.Random) -> str:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = "91" + r.choice(REGIONS[:5]) + "MA" + "".join(r.choice(alphabet) for _ in range(7))
    return body + uscc.calc_check_digit(body)


def passport(r: random.Random) -> str:
    return r.choice(
        [f"E{digits(r, 8)}", f"G{digits(r, 8)}", f"E{r.choice('ABCDFGHJK')}{digits(r, 7)}", f"P{digits(r, 8)}"]
    )


def permit(r: random.Random) -> str:
    return r.choice(
        [
            f"H{digits(r, 8)}",
            f"M{digits(r, 10)}",
            f"C{digits(r, 8)}",
            f"CA{digits(r, 7)}",
            f"T{digits(r, 8)}",
            f"L{digits(r, 8)}",
        ]
    )


def plate(r: random.Random) -> str:
    place = r.choice("京沪粤浙川苏鲁豫") + r.choice("ABCDEFGH")
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    tail = r.choice(
        [
            digits(r, 5),
            f"{r.choice(letters)}{digits(r, 4)}",
            f"{digits(r, 2)}{r.choice(letters)}{digits(r, 2)}",
            f"D{digits(r, 5)}",
            f"{digits(r, 5)}F",
        ]
    )
    return place + r.choice(["", "", "·"]) + tail


def amount(r: random.Random) -> str:
    number = r.randrange(1000, 9_999_999)
    capitals = "".join(
        "零壹贰叁肆伍陆柒捌玖"[int(d)] + unit
        for d, unit in zip(f"{r.randrange(11, 99)}", ("拾", "万元整"), strict=True)
    )
    return r.choice(
        [
            f"{number:,}元",
            f"{number}元",
            f"{number / 10000:.2f}万元",
            f"￥{number:,}.00",
            f"¥{number}",
            f"人民币{number:,}元",
            f"RMB {number:,}",
            f"人民币{capitals}",
            f"{number / 100:.1f}亿元",
            f"${number:,}",
            f"USD {number:,}.50",
            f"{number:,}美元",
            f"HK${number:,}",
            f"€{number:,}",
            f"${number / 1e6:.1f} million",
            f"{r.randrange(2, 9)}万元至{r.randrange(10, 90)}万元",
        ]
    )


def email(r: random.Random) -> str:
    name = r.choice(["zhang.san", "li_si", "wangwu", "j.smith", "anna+kb"]) + digits(r, 3)
    return f"{name}@{r.choice(['example.com', 'mail.example.com.cn', 'corp.example.net', 'qq.example.org'])}"


def ip_address(r: random.Random) -> str:
    return r.choice(
        [
            f"{r.randrange(20, 223)}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}",
            f"192.168.{r.randrange(256)}.{r.randrange(20, 255)}",
            f"2001:db8:{r.randrange(1, 9999):x}::{r.randrange(1, 9999):x}",
        ]
    )


def iban(r: random.Random) -> str:
    body = f"{digits(r, 18)}"
    check = 98 - int(body + "131400") % 97
    number = f"DE{check:02}{body}"
    return r.choice([number, " ".join(number[i : i + 4] for i in range(0, 22, 4))])


def credential(r: random.Random) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    random_ = "".join(r.choice(alphabet) for _ in range(36))
    return r.choice([f"sk-{random_}", f"ghp_{random_}", f"AKIA{random_[:16].upper()}", f"LTAI{random_[:20]}"])


def ssn(r: random.Random) -> str:
    return f"{r.randrange(1, 665):03}-{r.randrange(1, 99):02}-{r.randrange(1, 9999):04}"


def birth_date(r: random.Random) -> str:
    year, month, day = r.randrange(1945, 2010), r.randrange(1, 13), r.randrange(1, 29)
    return r.choice(
        [
            f"{year}年{month}月{day}日",
            f"{year}-{month:02}-{day:02}",
            f"{year}/{month}/{day}",
            f"{year}.{month:02}.{day:02}",
            f"{year}年{month}月",
        ]
    )


def name(r: random.Random) -> str:
    return r.choice(SURNAMES) + "".join(r.choice(GIVEN) for _ in range(r.choice([1, 2, 2])))


def english_name(r: random.Random) -> str:
    return f"{r.choice(ENGLISH_NAMES[0])} {r.choice(ENGLISH_NAMES[1])}"


def dotted_name(r: random.Random) -> str:
    """A name of another language in Chinese characters."""
    parts = ["艾合买提", "古丽", "巴特尔", "扎西", "约翰", "玛丽", "史密斯", "买买提", "多吉", "尼古拉"]
    return "·".join(r.sample(parts, r.choice([2, 2, 3])))


def numbered_extension(r: random.Random) -> str:
    """North American and British national forms."""
    number = f"{r.randrange(201, 999)}", f"{r.randrange(200, 999)}", digits(r, 4)
    extension = r.choice(["", f"x{r.randrange(10, 9999)}"])
    return r.choice([f"({number[0]}){number[1]}-{number[2]}", "-".join(number), ".".join(number)]) + extension


def coded_address(r: random.Random) -> str:
    """A street without a word that says so, with the code of the place."""
    street = f"{r.randrange(1, 9999)} {r.choice(['Walnut', 'Harper', 'Linden'])} {r.choice(['Loop', 'Knoll', 'Mews'])}"
    place = r.choice(["Newtown", "East Haven", "Ashford"])
    end = r.choice(
        [f"{place}, {r.choice(['IL', 'TX', 'OR'])} {digits(r, 5)}", f"{place}{{line}}BS{r.randrange(1, 9)} 4QT"]
    )
    line = r.choice(["\n", ", "])
    return f"{street}{line}{end.replace('{line}', line)}"


def address(r: random.Random) -> str:
    city = r.choice(sorted(CITIES))
    return (
        f"{city}{r.choice(CITIES[city])}{r.choice(STREETS)}{r.randrange(1, 999)}号{r.randrange(1, 30)}"
        f"栋{r.randrange(1, 6)}单元{r.randrange(101, 2900)}室"
    )


def english_address(r: random.Random) -> str:
    return (
        f"{r.randrange(1, 9999)} {r.choice(['Main', 'Oak', 'Park', 'Maple'])} "
        f"{r.choice(['Street', 'Ave', 'Road', 'Drive'])}, "
        f"{r.choice(['Springfield', 'Austin', 'Portland'])}, {r.choice(['IL', 'TX', 'OR'])} "
        f"{digits(r, 5)}"
    )


def chat_account(r: random.Random) -> str:
    return str(r.randrange(10**5, 10**10))


def wechat(r: random.Random) -> str:
    return f"{r.choice(['zhang', 'wx_li', 'wangwu'])}{digits(r, 4)}"


Make = Callable[[random.Random], str]
# {v} is the value.
KINDS: dict[str, list[tuple[Make, tuple[str, ...]]]] = {
    "CN_RESIDENT_ID": [
        (
            resident_id,
            (
                "身份证号码：{v}。",
                "客户{v}已完成实名认证",
                "请核对证件号{v}是否有效",
                "ID number {v} was verified.",
                "（{v}）",
            ),
        )
    ],
    "CN_USCC": [
        (credit_code, ("统一社会信用代码：{v}", "供应商（{v}）已备案。", "Unified credit code {v}, registered in 2019"))
    ],
    "PASSPORT": [
        (
            passport,
            (
                "护照号码：{v}",
                "持{v}号护照入境",
                "护照 {v} 有效期至2030年",
                "Passport No. {v}",
                "护照号：{v}，签发地上海",
            ),
        )
    ],
    "TRAVEL_PERMIT": [
        (permit, ("港澳居民来往内地通行证号码{v}", "回乡证：{v}", "往来港澳通行证 {v}", "台湾通行证号：{v}"))
    ],
    "LICENSE_PLATE": [(plate, ("车牌号：{v}", "车辆{v}停放于地下二层", "登记车牌{v}，请核实"))],
    "CN_MOBILE": [
        (
            mobile,
            (
                "联系电话：{v}",
                "请致电{v}咨询",
                "手机号{v}已注册",
                "Tel: {v}",
                "有事打我手机{v}。",
                "如需帮助，{v}随时接听",
            ),
        )
    ],
    "CN_LANDLINE": [(landline, ("电话：{v}", "传真{v}，邮编100000", "请拨打{v}联系我们", "Tel: {v}"))],
    "PHONE_NUMBER": [
        (foreign_phone, ("香港办事处电话 {v}", "Call {v} for details.", "联系方式：{v}", "Phone: {v}")),
        (numbered_extension, ("Phone: {v}", "Call me at {v}.", "电話：{v}")),
    ],
    "BANK_CARD": [
        (bank_card, ("卡号：{v}", "请汇入{v}账户", "信用卡{v}于5月挂失", "Card number {v}", "工资发放至{v}。"))
    ],
    "EMAIL_ADDRESS": [(email, ("邮箱：{v}", "请发送至{v}。", "Write to {v}, please.", "联系人<{v}>"))],
    "IP_ADDRESS": [(ip_address, ("服务器地址 {v} 无法访问", "从{v}登录", "ping {v} failed"))],
    "IBAN_CODE": [(iban, ("IBAN: {v}", "收款账户IBAN {v}。"))],
    "CREDENTIAL": [(credential, ("api_key={v}", "密钥：{v}", "export TOKEN={v}"))],
    "US_SSN": [(ssn, ("SSN: {v}", "Social security number {v} on file."))],
    "DATE_OF_BIRTH": [(birth_date, ("出生日期：{v}", "生于{v}，籍贯浙江", "{v}出生，本科学历", "Date of birth: {v}"))],
    "PERSON": [
        (
            name,
            (
                "联系人：{v}",
                "收件人：{v}，请签收",
                "姓名：{v} 性别：男",
                "请与{v}先生联系",
                "由{v}女士负责接待",
                "{v}经理已批准。",
                "经办人：{v}",
                "姓　名：{v}\n性　别：女",
                "被告{v}应于十日内归还借款",
                "{v}，女，本科学历",
                "主治医师：{v}，已签字",
                "由{v}负责与供应商对接",
                '"name": "{v}", "city": "上海"',
            ),
        ),
        (dotted_name, ("姓名：{v} 民族：维吾尔族", "旅客{v}已登机", "申请人：{v}")),
        (
            english_name,
            (
                "Dear {v},",
                "Contact: {v}",
                "Mr. {v} signed the form.",
                "Attn: {v}",
                "Kind regards,\n{v}",
                "英文姓名：{v}",
                "My name is {v}.",
            ),
        ),
    ],
    "ADDRESS": [
        (address, ("地址：{v}", "家庭住址：{v}，邮编100000", "收货地址：{v}\n电话见下", "现住{v}。")),
        (coded_address, ("Address: {v}", "Ship to:\n{v}\n", "My new address is {v}.")),
        (english_address, ("Address: {v}", "He lives at {v}.", "Ship to {v}")),
    ],
    "CHAT_ACCOUNT": [(chat_account, ("QQ：{v}", "QQ号{v}，加好友请备注")), (wechat, ("微信号：{v}", "WeChat: {v}"))],
    "AMOUNT": [
        (amount, ("合同金额为{v}。", "转账{v}至对方账户", "罚款{v}，限期缴纳", "The fee is {v}.", "授信额度：{v}"))
    ],
}
CHECKSUMMED = ("CN_RESIDENT_ID", "CN_USCC", "BANK_CARD", "IBAN_CODE")

_NEAR_MISSES: tuple[Callable[[random.Random], str], ...] = (
    lambda r: f"订单号：{digits(r, 18)}，已发货",
    lambda r: f"订单编号 1{r.choice('3456789')}{digits(r, 9)}",
    lambda r: f"版本 {r.randrange(20)}.{r.randrange(20)}.{r.randrange(20)}.{r.randrange(20)} 已发布",
    lambda r: f"version {r.randrange(9)}.{r.randrange(99)}.{r.randrange(99)}",
    lambda r: f"ISBN 978-7-{digits(r, 3)}-{digits(r, 5)}-{digits(r, 1)}",
    lambda r: f"第{r.randrange(1, 300)}条规定，第{r.randrange(1, 9)}款除外",
    lambda r: f"{r.randrange(2000, 2026)}年{r.randrange(1, 13)}月{r.randrange(1, 29)}日起施行",
    lambda r: (
        f"会议时间：{r.randrange(2000, 2026)}-{r.randrange(1, 13):02}-{r.randrange(1, 29):02} "
        f"{r.randrange(24):02}:{r.randrange(60):02}:{r.randrange(60):02}"
    ),
    lambda r: f"料号 PN-{digits(r, 4)}-{digits(r, 6)}-{r.choice('ABC')}",
    lambda r: f"GB/T {digits(r, 5)}-{r.randrange(1999, 2024)} 标准",
    lambda r: f"增长{r.randrange(1, 99)}.{r.randrange(9)}%，共{r.randrange(1000, 99999)}人参加",
    lambda r: f"序列号：{digits(r, 16)}",
    lambda r: f"合同编号：HT{digits(r, 12)}",
    lambda r: f"时间戳{1_600_000_000 + r.randrange(10**8)}{digits(r, 3)}",
    lambda r: f"{r.choice(['产品', '项目', '客户', '高级', '基金'])}经理应当每季度汇报一次",
    lambda r: f"{r.choice(['总', '副总', '销售'])}经理办公会讨论通过",
    lambda r: f"客服热线 400-{digits(r, 3)}-{digits(r, 4)}",
    lambda r: f"Tracking number 1Z{digits(r, 16)}",
    lambda r: f"Invoice No. {digits(r, 12)}",
    lambda r: (
        f"图 {r.randrange(1, 9)}-{r.randrange(1, 20)}  "
        f"{r.randrange(2000, 2024)}—{r.randrange(2000, 2024)} 年销量（万吨）{digits(r, 4)} "
        f"{digits(r, 4)} {digits(r, 4)}"
    ),
    lambda _: "2024元旦放假安排，一元二次方程与多元化经营",
    lambda r: f"纬度 {r.randrange(10, 60)}.{digits(r, 6)}，经度 {r.randrange(70, 140)}.{digits(r, 6)}",
    lambda _: "Dear Customer, thank you for your order. See Section 1.2.3.4 of the handbook.",
    lambda r: f"邮编{digits(r, 6)}，行政区划代码{r.choice(REGIONS)}",
)


def cases(seed: int, each: int) -> Iterator[Case]:
    """`each` cases of every entity, and as many near misses as there are entities."""
    r = random.Random(seed)
    for entity, kinds in KINDS.items():
        for number in range(each):
            make, templates = kinds[number % len(kinds)]
            value = make(r)
            before, after = r.choice(templates).split("{v}")
            yield Case(before + value + after, ((entity, len(before), len(before) + len(value)),))
    for number in range(each * 4):
        yield Case(_NEAR_MISSES[number % len(_NEAR_MISSES)](r), ())


FILLER = (
    "各部门应当按照本办法的规定，结合实际情况制定实施细则，并于每季度末向风险管理委员会报告执行情况。",
    "为进一步提升服务质量，客户服务中心将优化受理流程，缩短响应时间，完善回访机制。",
    "The committee reviews the policy every year and publishes the changes on the internal site.",
    "系统升级期间，网上银行和手机银行的部分功能暂停使用，恢复时间另行通知。",
    "本协议自双方签字盖章之日起生效，未尽事宜由双方协商解决，协商不成的提交仲裁。",
    "All staff complete the annual training on information security before the end of the second quarter.",
)


def document(seed: int, length: int, density: float = 0.2) -> Case:
    """About `length` characters of running text, a share `density` of whose sentences holds a value."""
    r = random.Random(seed)
    pool = list(cases(seed, 200))
    parts: list[str] = []
    places: list[tuple[str, int, int]] = []
    position = 0
    while position < length:
        case = r.choice(pool) if r.random() < density else Case(r.choice(FILLER), ())
        places += [(entity, position + start, position + end) for entity, start, end in case.places]
        parts.append(case.text + "\n")
        position += len(case.text) + 1
    return Case("".join(parts), tuple(places))
