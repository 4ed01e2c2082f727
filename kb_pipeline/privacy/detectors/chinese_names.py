"""Chinese names by what stands beside them; no model.

A name is a surname with one or two more characters, or names of other languages joined by dots (阿卜杜拉·买买提).
It stands behind a label (联系人：) or a role (被告), before a title (先生, 经理), before what belongs to a person
(a sex, a mobile number, an e-mail address) or at the beginning of a line of talk. It ends before words that follow
names. A common surname with characters that given names are written with (张建国) needs nothing beside it but a place
where a word begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kb_pipeline.privacy.detection import Span, emails_behind
from kb_pipeline.privacy.detectors.surnames import (
    COMMON_SURNAMES,
    DOUBLE_SURNAMES,
    ENDING_IN_SURNAME,
    GIVEN_CHARACTERS,
    LONE_GIVEN_CHARACTERS,
    RARER_SURNAMES,
    SURNAMES,
    WORD_SURNAMES,
    WORDS,
    WORDS_ALONE,
)

_HAN = "\u3400-\u9fff"
_SURNAME = f"(?:{DOUBLE_SURNAMES}|[{SURNAMES}])"
# No name has these behind its surname.
_NOT_IN_NAME = (
    "的了是在与和及或为以从向对将被由至于有无等个年日号每各其他此该已未不可并按经之所者我你他她它们这那哪什么谁请您"
)
# Words that begin like a name. Names that begin with one, such as 高度 or 平安, are rarer than the word.
_GIVEN = f"[{_HAN}]"
_AFTER_NAME = (
    r"先生|女士|小姐|太太|同志|老师|医生|律师|教授|博士|经理|主任|总监|总裁|董事|会计"
    r"|工程师|科长|处长|局长|部长|院长|校长|行长|主管|秘书|助理"
    r"|电话|手机|身份|证件|地址|住址|邮箱|邮编|微信|性别|男|女|年龄|出生|生日|职务|职位|职业"
    r"|部门|单位|工号|联系|账号|帐号|账户|卡号|开户|签字|签名|盖章|日期|时间|代表|负责|提供"
    r"|提交|申请|办理"
    r"|本人|于|在|是|为|的|与|和|及|或|等|已|将|向|从|对|由|经|按|因|被|把|给|让|说|称|表示|认为|来自|前来|到|请"
)
_FOLLOWS = rf"(?:{_AFTER_NAME})"
_STOP = rf"(?=[^{_HAN}]|\Z|{_FOLLOWS})"
# A second character that begins a word is still the name's when nothing follows: 王建和, 李向东.
_WHOLE_NAME = rf"{_SURNAME}{_GIVEN}[{_HAN}](?<![男女的])(?=[^{_HAN}]|\Z)"
_CHINESE_NAME = rf"(?:{_WHOLE_NAME}|{_SURNAME}(?:{_GIVEN}{{1,2}}?{_STOP}|[·•]{_GIVEN}{{1,8}}))"
_SPACED_NAME = rf"[{SURNAMES}] {{1,2}}{_GIVEN}(?![{_HAN}])"
_FOREIGN_IN_CHINESE = (
    rf"(?![由以和与及]){_GIVEN}{{1,8}}[·•](?:{_GIVEN}{{1,8}}[·•])?(?:{_GIVEN}{{1,8}}?{_STOP}|{_GIVEN}{{1,8}})"
)

_LABEL = (
    r"(?:姓\s{0,4}名|户\s{0,4}名|代表|医生|护士|上级|主席|用户|经理|主管|总监|总裁|董事|助理|秘书|会计"
    r"|[部处科局院校行队组班店厂站所会社团事]长|经办|审批|发起|处理|对接|跟进|制单|验收|质检|审定|核准|批准|签发|编制|拟稿|收款人|付款人|汇款人|持卡人"
    r"|开户人|账户名|法定代表人|法人代表|授权代表|法人|客户经理|客户姓名|客户|员工姓名|员工|名字|真实姓名|本人"
    r"|患者|病人|学生|家长|原告|被告|甲\s{0,2}方|乙\s{0,2}方|丙\s{0,2}方"
    r"|抄送|主送|审核|复核|制表|主持|记录|出席|列席|缺席|请假|参会人员|与会人员|参加人员|开票|出纳|收款"
    r"|作者|记者|编辑|责任编辑|校对|保荐代表人"
    r"|签字会计师|经办律师|项目经理|产品经理|值班人员|值班人|值班|讲师|导师|班主任|签名|签字"
    r"|全称|声明|授权|用户名称|用户姓名|乘客|旅客|车主|业主|租户|房东|户主|配偶|父亲|母亲|司机|推荐人|证明人|监护人"
    r"|审判长|(?:代理)?审判员|人民陪审员|书记员|法官助理"
    r"|人|员|师|者|官|专家|领导"
    r"|房主|借入方|出借方|出租方|承租方)"  # 联系人, 收件人, 申请人, 经办人, 负责人, 主治医师, 配送员, ...
)
_LABEL_BEFORE = re.compile(rf"{_LABEL}\Z")
_LONGEST_LABEL = 12
# Begins with the last character of a label, which few texts hold before a colon; the label is looked at afterwards.
_BEHIND_LABEL = re.compile(
    r"[人员师者官家导名方户表理工字生长管监裁事书计办批起接进单收检定准发制稿告送核持录席假票纳款辑对班任称明权客主东偶亲机级士]"
    r"(?:\([^()\n]{1,8}\))?(?:[:：]\s{0,2}|\s{1,3}|[|]\s?|为|是"
    rf"|叫)[“\"]?(?P<name>{_FOREIGN_IN_CHINESE}|{_CHINESE_NAME}|{_SPACED_NAME})"
    rf"(?P<more>(?:[、,，/;； ] ?(?:{_FOREIGN_IN_CHINESE}|{_CHINESE_NAME})(?![:：])){{0,30}})"
)
_BARE_LABEL = re.compile(
    rf"(?:联系人|收件人|收货人|姓名|持卡人|户名|我叫|名叫)(?P<name>{_SURNAME}{_GIVEN}{{1,2}}?{_STOP})"
)
_MORE = re.compile(rf"[{SURNAMES}] {{1,2}}[{_HAN}](?![{_HAN}])|[{_HAN}·•]{{2,}}")
# Words for people that stand right before a name: 被告何亮应于, 旅客陈丽娟已.
_ROLE = re.compile(
    "原告|被告人?|上诉人|申请人|申诉人|被执行人|第三人|证人|嫌疑人|受害人|被害人|报案人|记者|通讯员|独立董事"
    "|控制人|班主任|执行人|借款人|出借人|贷款人|保证人|担保人|承租人|出租人|受让人|转让人|委托人"
    "|受益人|投保人|被保险人|旅客|乘客|患者|病人|学生|同学|驾驶人|驾驶员|司机|车主|员工|职工|客户|用户|业主"
    "|储户|配送员|快递员"
    "|销售员|业务员|收银员|经办人|负责人|代理人|代表人|法人代表|联系人|推荐人|证明人|医师|医生|护士|律师"
    "|会计师|经理|兹有"
    "|兹证明|证明|我是|本人|开户人|收款人|付款人|汇款人|持卡人|女儿|儿子|妻子|丈夫|父亲|母亲|同事|候选人"
    "|考核人|家属|股东|指定|聘任|任命|授权|房主|收到"
    "|董事长|监事|秘书|总裁|总监|副总(?![裁经统督])|主任|处长|科长|局长|部长|院长|校长|行长|书记|教授|老师|面试官"
    "|公司的|联系|HR[ :]|作者|主席|运维|借到|户主|配偶"
)
_BEHIND_ROLE = re.compile(
    rf"\s{{0,2}}(?P<name>{_SURNAME}{_GIVEN}{{1,2}}?)(?=[,，。;；:：()（）、“”\"!！?？|<>/]|\s|\Z|{_FOLLOWS}"
    r"|应|须|未|同意|承诺|签订|签署|支付|偿还|持|驾驶|入职|入院|出院|名下|归还|购买|投诉|反映|来电|协助|通过"
    r"|人民币|现金|自\d|拥有|使用|承担|借款|补充|说明|介绍|指出|强调|汇报|进行|参加|出席|列席|主持"
    r"|证实|辩称|诉称|陈述|供述|报道|获得|取得|担任|发表|发言|报告|家的|家中|交来|送来|正在|正为|诉|致辞|民间|买卖|合同)"
    rf"|\s{{0,2}}(?P<foreign>{_FOREIGN_IN_CHINESE})"
)
_DOING = re.compile("负责|协助|牵头|主持|汇报|发言|跟进|对接|陪同|借到|借款|转账|汇款|归还|偿还|遗失")
_DOER = re.compile(
    rf"(?<![{_HAN}])(?P<name>(?:{DOUBLE_SURNAMES}|[{COMMON_SURNAMES}]){_GIVEN}{{1,2}})\Z"
    rf"|[由向](?P<by>{_SURNAME}{_GIVEN}{{1,2}})\Z"
)
# In a chat log, who speaks: 09:12:33 陈晨：; and the value of a key: {"name": "王芳"}.
_SPEAKER = re.compile(rf"\d:\d\d[\])]?\s{{1,2}}(?P<name>{_SURNAME}{_GIVEN}{{1,2}})[:：]")
_LINE_OF = re.compile(  # who speaks or is spoken to, at the beginning of a line
    rf"(?:\A|\n)[ \t]{{0,4}}(?P<name>(?:{DOUBLE_SURNAMES}|[{COMMON_SURNAMES}]){_GIVEN}{{1,2}})"
    r"(?=(?:\([^()\n]{1,12}\))?[:：]|[ \t]{1,4}\d{1,2}:\d\d|[,，]? ?[你您]好)"
)
_KEYED = re.compile(
    rf"(?:[Nn]ame|姓名|联系人)[\"'>]{{1,2}}\s?:?\s?[\"']?(?P<name>{_SURNAME}{_GIVEN}{{1,2}}"
    rf"|{_FOREIGN_IN_CHINESE})(?=[\"'<])"
)
# What stands behind a name and nowhere else: a sex, a number that belongs to a person.
_BELONGS = re.compile(
    rf"[男女1-8公身护手](?:(?<=[男女])(?:(?![{_HAN}])|(?=汉族|回族|满族|壮族|苗族|博士|硕士|本科|大专))"
    r"|(?<=1)[3-9]\d[ .-]?\d{4}[ .-]?\d{4}(?!\d)|(?<=[1-8])\d{16}[\dXx](?![A-Za-z0-9])"
    r"|(?<=公)民身份|(?<=身)份证|(?<=护)照|(?<=手)机)"
)
_BEFORE_BELONGINGS = re.compile(
    rf"(?<![{_HAN}·•])(?P<name>{_SURNAME}{_GIVEN}{{1,2}}|{_FOREIGN_IN_CHINESE})[\"']?[ \t]{{0,2}}[,，、"
    rf"|/(（:：\ue000 \t]"
    rf"[ \t]{{0,2}}[\"']?(?:\(?(?:\+|00)?86\)?[ -]?)?\Z"
)
_BEFORE_BELONGINGS_WINDOW = 40
_POLITE = frozenset({"先生", "女士", "小姐", "太太", "阿姨", "同志"})
_OFFICES = (
    "同学|总经理|副总经理|经理|董事长|副董事长|总监|副总裁|总裁|主任|教授|律师|医生|大夫|老师|工程师|局长|处长"
    "|科长|部长|院长|校长"
    "|行长|主管|会计师|会计|秘书|书记|博士|法官|检察官|警官|站长|队长|组长|店长|厂长"
)
_SHORT_TITLES = ("总", "工")
_TITLE = re.compile(
    "|".join(
        (
            *(f"{title}(?![们口])" for title in sorted(_POLITE)),
            *(f"(?:{title})(?![们级])" for title in _OFFICES.split("|")),
            *(rf"{title}(?=[,，:：。!！?？\s]|\Z|您|你)" for title in _SHORT_TITLES),
        )
    )
)
_TITLE_ENDS = re.compile(
    rf"[^{_HAN}]|\Z|{_FOLLOWS}|您|你|好|汇报|指出|强调|介绍|补充|提出|要求|确认|审批|批准|签字|签发"
)
_BEFORE_NAME = re.compile(
    rf"(?<![{_HAN}])|(?<=[由与和及或请致给向是找跟让对叫问的])"
    r"|(?<=联系|感谢|通知|告知|委托|邀请|询问|转交|客户|员工|咨询|抄送|以及|收到|经办|证明|尊敬|兹有)|"
    r"(?<=负责人|联系人|收件人)"
)
_TITLED_NAME = re.compile(rf"{_SURNAME}{_GIVEN}{{0,2}}")
# Words that begin like a name and stand before a title.
_NO_NAME = re.compile(
    r"(?:纪委|董事会|监事会|项目|产品|客户|基金|应当|包含|包括|大堂|部门|高级|资深|区域|销售"
    r"|市场|运营|业务|财务|行政|人事|技术|投资|理财|信贷|风险|执行|常务|独立|名誉|安全|质量"
    r"|施工|监理|公司|银行|支行|分行|管理|国际|中国"
    r"|全国|全体|任何|各位|诸位|有关|相关|该|本|原|前|现任|时任|历任|兼任|担任|聘任|新任|曾任"
    r"|责任|主任|办公室|委员会|文化|农业|商务|金融|成都|高校|国家|方面|关于|解放|党委|党组"
    r"|支部|全班|公安|司法|海关|华东|华南|华北|安徽|江苏|江西|云南|河|湖|广|浙江)"
)
_SURNAMES_ALL_THE_SAME = frozenset("任高方金施安常查路时成万单华明平关古和")
_BEFORE_DOING_WINDOW = 6
# Where a word begins for sure: behind what is no Chinese character, or behind one that stands alone.
_WORD_BEGINS = rf"(?:(?<![{_HAN}·•])|(?<=[由与和及或请致给向是找跟让对叫问为经被把将的了在]))"
_NAME_ENDS = (
    rf"(?=[^{_HAN}·•]|\Z|{_FOLLOWS}|一起|共同|都|也|还|又|就|才|则|曾|正|没|不|要|去|会|能|可|应|须|作|做|告诉|两位|二人"
    r"|系|之|家|处|名下|签|出|入|请假|代|所|主|同|任|接|当|获|指|反|使|领|加|回)"
)
_PLACES = "路道街巷区县省市镇乡村州国洲族语河湖江海山岛湾港站桥寺庙塔园店厂校院馆队社派战堡"
_LONG_NAME = (
    rf"(?:(?!东方|百里|第五)(?:{DOUBLE_SURNAMES})[{GIVEN_CHARACTERS}]{{1,2}}"
    rf"|[{COMMON_SURNAMES}][{GIVEN_CHARACTERS}]{{2}}(?:(?<![和同向来为有可能力强])|(?![{_HAN}])))"
    rf"(?![·•{_PLACES}])"
)
_SHORT_NAME = rf"[{COMMON_SURNAMES}][{LONE_GIVEN_CHARACTERS}]{_NAME_ENDS}"
_ALONE = rf"(?<![{_HAN}·•])[{COMMON_SURNAMES}][{GIVEN_CHARACTERS}](?![{_HAN}·•])"
_RARER_NAME = rf"[{RARER_SURNAMES}][{GIVEN_CHARACTERS}]{{2}}(?<![山江河])(?![·•{_PLACES}]){_NAME_ENDS}"
_BY_ITSELF = re.compile(
    rf"(?P<sure>{_WORD_BEGINS}(?:{_LONG_NAME}|{_SHORT_NAME}|{_RARER_NAME})|{_ALONE})"
    rf"|(?<![·•])(?:{_LONG_NAME}{_NAME_ENDS}|{_SHORT_NAME})"
)
# In a list of names: what stands beside one that is known.
_LISTED = rf"[{RARER_SURNAMES}][{GIVEN_CHARACTERS}]{{1,2}}"
_NEXT_IN_LIST = re.compile(rf" ?[、，,;；和与及] ?(?P<name>{_LISTED}){_NAME_ENDS}")
_LISTED_WINDOW = 6
_PREVIOUS_IN_LIST = re.compile(
    rf"(?:{_WORD_BEGINS}(?=[{_HAN}]{{2}}[^{_HAN}])|(?=[{_HAN}]{{3}}[^{_HAN}]))(?P<name>{_LISTED}) ?[、，,;；] ?\Z"
)
_SURE, _LIKELY = 0.6, 0.55
_BEFORE_EMAIL = re.compile(rf"(?P<name>(?<![{_HAN}]){_SURNAME}{_GIVEN}{{1,2}})[\"”']? ?\Z")
_BEFORE_EMAIL_WINDOW = 8


def find_chinese_names(text: str) -> Iterator[Span]:
    """Names behind a label or a role, before a title, before what belongs to a person, and by themselves."""
    yield from _labelled_names(text)
    yield from _names_of_roles(text)
    yield from _names_of_doers(text)
    yield from _owners(text)
    yield from _names_alone(text)
    for title in _TITLE.finditer(text):
        span = _before_title(text, title)
        if span:
            yield span


def _labelled_names(text: str) -> Iterator[Span]:
    """联系人：王芳, 出席：李明、陈晨."""
    for match in _BARE_LABEL.finditer(text):
        if not _is_word(match["name"]):
            yield Span(*match.span("name"), _SURE)
    for match in _BEHIND_LABEL.finditer(text):
        end = match.start() + 1
        if not _LABEL_BEFORE.search(text, max(0, end - _LONGEST_LABEL), end):
            continue
        for name in _MORE.finditer(text, match.start("name"), match.end()):
            if not _is_word(name[0]):
                yield Span(name.start(), name.end(), _SURE)


def _names_of_roles(text: str) -> Iterator[Span]:
    """被告何亮应于; 独立董事孙洁、庄建华."""
    for role in _ROLE.finditer(text):
        name = _BEHIND_ROLE.match(text, role.end())
        while name:
            value = name["name"] or name["foreign"]
            if not _is_word(value) and not _is_weak(value):
                yield Span(*name.span(name.lastgroup or 0), _LIKELY)
            name = _BEHIND_ROLE.match(text, name.end() + 1) if text.startswith("、", name.end()) else None


def _names_of_doers(text: str) -> Iterator[Span]:
    """由谢林负责; who speaks in a log of talk; the value of a key."""
    for pattern in (_SPEAKER, _LINE_OF, _KEYED):
        for match in pattern.finditer(text):
            if not _is_word(match["name"]):
                yield Span(*match.span("name"), _LIKELY)
    for doing in _DOING.finditer(text):
        name = _DOER.search(text, max(0, doing.start() - _BEFORE_DOING_WINDOW), doing.start())
        if name and name.lastgroup and not _is_word(name[name.lastgroup]):
            yield Span(*name.span(name.lastgroup), _LIKELY)


def _owners(text: str) -> Iterator[Span]:
    """王芳，女; 李明 13800138000; 陈晨（身份证号; 赵敏 <zhao@…."""
    for anchors, pattern, window in (
        (_BELONGS.finditer(text), _BEFORE_BELONGINGS, _BEFORE_BELONGINGS_WINDOW),
        (emails_behind(text), _BEFORE_EMAIL, _BEFORE_EMAIL_WINDOW),
    ):
        for anchor in anchors:
            name = pattern.search(text, max(0, anchor.start() - window), anchor.start())
            if name and not _is_word(name["name"]):
                yield Span(*name.span("name"), _LIKELY)


def _names_alone(text: str) -> Iterator[Span]:
    """张建国 where a word begins, or where it ends like a name and what stands before it makes no word with it."""
    for name in _BY_ITSELF.finditer(text):
        start = name.start()
        in_word = name["sure"] is None and text[start - 1 : start + 1] in ENDING_IN_SURNAME
        if in_word or _is_word_alone(name[0]):
            continue
        yield Span(*name.span(), _LIKELY)
        for beside in (
            _PREVIOUS_IN_LIST.search(text, max(0, start - _LISTED_WINDOW), start),
            _NEXT_IN_LIST.match(text, name.end()),
        ):
            if beside and not _is_word_alone(beside["name"]):
                yield Span(*beside.span("name"), _LIKELY)


def _before_title(text: str, title: re.Match[str]) -> Span | None:
    """The name of one to four characters that ends where `title` begins."""
    end = title.start()
    polite = title[0] in _POLITE
    ends = polite or title[0] in _SHORT_TITLES or _TITLE_ENDS.match(text, title.end()) is not None
    for length in (4, 3, 2, 1):
        start = end - length
        name = text[start:end] if start >= 0 else ""
        if not _TITLED_NAME.fullmatch(name) or _is_word(name):
            continue
        if title[0] == "工" and name not in DOUBLE_SURNAMES and length > 1:
            continue
        if length == 1 and name in WORD_SURNAMES and not polite:
            continue
        if _BEFORE_NAME.match(text, start):
            believed = ends or length > 1
        else:  # 兹证明李丽先生: what stands before the name may be part of a word
            in_word = text[start - 1 : start + 1] in WORDS
            believed = ends and not in_word and name[0] in COMMON_SURNAMES and (polite or length > 1)
        if believed:
            return Span(start, end, _SURE)
    return None


def _is_weak(name: str) -> bool:
    """Whether a name is one character behind a surname that is a word more often: 位高, 全新."""
    return len(name) == 2 and name[0] in WORD_SURNAMES and name[0] not in _SURNAMES_ALL_THE_SAME


def _is_word_alone(name: str) -> bool:
    return name[:2] in WORDS_ALONE or _is_word(name)


def _is_word(name: str) -> bool:
    if "·" in name or "•" in name:
        return False
    return (
        (name[:2] in WORDS and name[:2] not in DOUBLE_SURNAMES)
        or _NO_NAME.match(name) is not None
        or any(character in _NOT_IN_NAME for character in name[1:])
    )
