"""The papers of a bank that is not, and its staff's questions: a small retrieval set without a download.

Every product of the bank has a page of rules, half of the pages Chinese and half English, with a section for each of
twelve topics: what leaving early costs, who approves, and so on. No two sections say the same figure about one topic.
The pages use the lawyers' words. The staff asks in those half of the time, and else in its own: an *exit toll* is the
fee for redemption before maturity, on all pages and for everybody in the house, but in no dictionary. So there is
something to learn here that holds for pages which no question was asked about, as there is in a real company. How much
of it a model learns is not built in.

All is drawn from a seed: the same pages and questions every time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

PAGES = 64  # at most; every one has a name of its own
QUESTIONS_OF_A_PAGE = 6
FIGURES = range(100, 1000)


@dataclass(frozen=True, slots=True)
class Topic:
    """`rule`: with one {} for a figure. `official`, `in_the_house`: what it is called in questions."""

    heading: str
    rule: str
    official: str
    in_the_house: str


@dataclass(frozen=True, slots=True)
class Asked:
    """`quote`: the words of `document` that answer; `kind`: in whose words the question is."""

    question: str
    document: str
    quote: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Language:
    """The names of products are one of the `first` words and one of the `second`; `ways`: to ask about one."""

    topics: tuple[Topic, ...]
    first: str
    second: str
    between: str
    ways: tuple[str, ...]


_ENGLISH = _Language(
    topics=(
        Topic(
            "Redemption before maturity", "Whoever redeems early pays {} euros.", "early redemption fee", "exit toll"
        ),
        Topic("Protection of deposits", "The scheme guarantees {} euros.", "deposit protection", "umbrella"),
        Topic("Dormant accounts", "It sleeps after {} days without a booking.", "dormancy period", "cold drawer"),
        Topic("Approval", "From {} euros on, two officers sign.", "dual approval", "second lamp"),
        Topic("Cut-off", "Orders of up to {} euros count the same day until noon.", "cut-off time", "alarm clock"),
        Topic("Complaints", "A complaint is answered within {} hours.", "complaint handling", "red slip"),
        Topic("Transfer limit", "At most {} euros leave in one day.", "daily transfer limit", "garden fence"),
        Topic("Opening reward", "New customers receive {} euros.", "welcome bonus", "sugar cube"),
        Topic("Adviser", "One adviser looks after {} customers.", "relationship manager", "gardener"),
        Topic("Minimum amount", "The first payment is {} euros or more.", "minimum deposit", "entrance ticket"),
        Topic("Periodic review", "The file is reviewed every {} days.", "periodic review", "health check"),
        Topic("Change of bank", "A move from elsewhere takes {} hours.", "account switching", "removal van"),
    ),
    first=(
        "Alder Birch Cedar Dogwood Elm Fir Ginkgo Hazel Ivy Juniper Katsura Larch Maple Nutmeg Oak Poplar Quince Rowan "
        "Sorrel Teak Umbel Viburnum Willow Yarrow Aspen Bramble Clover Fennel Lupin Mallow Thistle Bracken"
    ),
    second="Avocet Bunting Curlew Dunlin Egret Godwit Grebe Heron Ibis Jackdaw Kestrel Lapwing",
    between=" ",
    ways=("{name}: what about the {term}?", "How does the {term} work with {name}", "{term} at {name}, please"),
)
_CHINESE = _Language(
    topics=(
        Topic("提前支取", "未到期支取的收取{}元。", "提前支取手续费", "过路费"),
        Topic("存款保险", "保险基金最高偿付{}元。", "存款保险额度", "大雨伞"),
        Topic("睡眠账户", "连续{}天无交易的转为睡眠户。", "睡眠账户期限", "冷抽屉"),
        Topic("审批权限", "{}元以上须经两名主管签字。", "双人审批", "第二盏灯"),
        Topic("受理截止", "{}元以下的指令中午前提交当日生效。", "受理截止时间", "小闹钟"),
        Topic("投诉处理", "投诉在{}小时内答复。", "投诉答复时限", "红条子"),
        Topic("转账限额", "单日转出不超过{}元。", "单日转账限额", "竹篱笆"),
        Topic("开户奖励", "新客户可得{}元。", "开户奖励", "小方糖"),
        Topic("客户经理", "每名经理服务{}户。", "客户经理配置", "老园丁"),
        Topic("起存金额", "首笔存入不低于{}元。", "起存金额", "入场券"),
        Topic("定期复核", "档案每{}天复核一次。", "定期复核", "健康体检"),
        Topic("跨行转入", "自他行转入需{}小时。", "账户迁移", "搬家车"),
    ),
    first=(
        "松涛 云岭 青崖 丹霞 碧溪 白石 金谷 玉泉 寒山 翠屏 赤壁 紫阳 沧浪 鹅湖 桃源 竹海 "
        "朝霞 北斗 长河 星海 晨露 秋水 明珠 琥珀 翡翠 珊瑚 琉璃 水晶 银杏 牡丹 芙蓉 海棠"
    ),
    second="飞鹤 奔马 灵龟 锦鲤 仙鹿 雄鹰 春燕 麒麟 孔雀 鸿雁 画眉 白鹭",
    between="",
    ways=("{name}的{term}怎么定？", "请查{term}，{name}", "办理{name}时{term}有何要求"),
)


def write(folder: Path, pages: int = PAGES, seed: int = 1) -> list[Asked]:
    """Write the pages into `folder`, as Markdown, and return what is asked about them, in no order."""
    chance = random.Random(seed)
    asked = []
    for language in (_ENGLISH, _CHINESE):
        second = language.second.split()
        names = [language.between.join((one, chance.choice(second))) for one in language.first.split()[: pages // 2]]
        figures = {topic: chance.sample(FIGURES, len(names)) for topic in language.topics}
        for number, name in enumerate(names):
            rules = {topic: topic.rule.format(figures[topic][number]) for topic in language.topics}
            sections = [f"## {topic.heading}\n\n{rule}\n" for topic, rule in rules.items()]
            page = folder / f"{name}.md"
            page.write_text("\n".join([f"# {name}\n", *sections]), encoding="utf-8")
            for topic in chance.sample(language.topics, QUESTIONS_OF_A_PAGE):
                kind = chance.choice(("official words", "house words"))
                term = topic.official if kind == "official words" else topic.in_the_house
                question = chance.choice(language.ways).format(name=name, term=term)
                asked.append(Asked(question, page.name, rules[topic], kind))
    chance.shuffle(asked)
    return asked
