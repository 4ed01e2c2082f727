"""Chinese and English business prose, drawn from word lists and sentence patterns.

The sentences mean little, but they have the length, punctuation and mixture of scripts of the real thing.
A pattern names its slots in braces; a slot is filled from the list of that name, whose entries may have
slots themselves.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence


def _parts(text: str) -> list[str]:
    return text.split("|")


ZH: Mapping[str, Sequence[str]] = {
    "unit": _parts(
        "采购部|财务中心|信息技术部|人力资源部|法务合规部|华东分公司|研发中心|客户服务部|质量管理部|"
        "战略规划办公室|生产计划科|仓储物流部|海外事业部|内部审计处|投资者关系部"
    ),
    "person": _parts(
        "部门负责人|项目经理|经办人员|值班工程师|审批人|供应商代表|外部顾问|系统管理员|财务专员|授权签字人"
    ),
    "thing": _parts(
        "年度预算|采购合同|设备台账|客户档案|质量记录|付款申请|验收报告|库存清单|培训计划|风险清单|项目章程|"
        "数据字典|应急预案|服务协议|报销单据|访问权限|生产排程|投标文件|保密协议|审计底稿"
    ),
    "field": _parts(
        "供应链|信息安全|资金管理|产品研发|市场营销|人才发展|工程建设|售后服务|数据治理|环境保护|固定资产|"
        "对外投资|合同履行|知识产权|安全生产|税务筹划"
    ),
    "aspect": _parts(
        "总体目标|适用范围|职责分工|工作流程|审批权限|考核办法|实施步骤|风险防控|监督检查|保障措施|统计口径|"
        "费用标准|时间安排|评估方法|变更管理|信息披露|档案保存|技术要求|验收标准|经验总结"
    ),
    "verb": _parts("审核|登记|汇总|复核|归档|提交|跟踪|评估|调整|公示|备案|通报"),
    "adverb": _parts("及时|定期|逐项|严格|统一|分批|如实|全面|书面|共同"),
    "quality": _parts("完整|准确|可追溯|符合规定|及时有效|真实可靠|相互一致|清晰明确"),
    "period": _parts(
        "每月五日前|每季度末|次年一月|三个工作日内|项目启动后|合同签订前|年度终了时|收到通知当日|"
        "二〇二五年上半年|试运行期间"
    ),
    "cause": _parts(
        "市场需求持续回暖|原材料价格波动较大|新系统上线初期数据尚不稳定|人员流动有所增加|监管要求进一步细化|"
        "部分项目进度滞后|汇率变化影响结算|客户结构发生调整|物流时效明显改善|线上渠道增长较快"
    ),
    "result": _parts(
        "整体成本下降了{pct}|平均处理时间缩短到{num}小时|客户满意度提高{num}个百分点|存货周转天数减少{num}天|"
        "毛利率保持在{pct}左右|逾期款项控制在{num}万元以内|一次验收合格率达到{pct}|新增合同{num}份"
    ),
    "system": _parts("OA 系统|ERP 平台|CRM 模块|统一门户|数据中台|电子签章平台|MES 终端|BI 看板"),
    "city": _parts("上海|苏州|成都|武汉|青岛|西安|佛山|合肥|长沙|厦门"),
    "sentence": [
        "{unit}应当在{period}{adverb}{verb}{thing}，并将结果抄送{unit}。",
        "凡涉及{field}的{thing}，由{unit}会同{unit}{adverb}{verb}，任何人不得擅自变更。",
        "由于{cause}，{result}，{unit}对相关{thing}进行了{adverb}{verb}。",
        "{person}对{thing}的内容负责，确保其{quality}、{quality}。",
        "本期{field}投入合计{num}.{digit}万元，较上年同期增长{pct}，其中{city}地区占{pct}。",
        "如发现{thing}存在差错，{person}应在{period}通过{system}提出更正申请，经{person}批准后执行。",
        "为加强{field}工作，公司决定由{unit}牵头，{unit}和{unit}配合，{period}完成{thing}的{verb}。",
        "在{city}和{city}两地的试点表明，{cause}，但{result}。",
        "{system}上线以后，{thing}的{verb}全部在线完成，{result}。",
        "需要说明的是，上述{thing}不包括已经{verb}的部分，具体口径见{unit}的说明。",
        "{unit}每年至少组织{digit}次{field}检查，检查结果作为{person}考核的依据。",
        "金额超过{num}万元的{thing}，除按前款规定{verb}外，还应报{unit}备案。",
        "考虑到{cause}，建议把{field}列入下一阶段的重点，{adverb}推进{thing}的{verb}。",
        "{person}离岗前应办理{thing}的移交手续，移交双方在{system}中确认后方可生效。",
        "从结构上看，{field}类支出占比为{pct}，{field}类支出占比为{pct}，其余为{thing}相关费用。",
    ],
    "heading": [
        "{field}{aspect}",
        "{thing}的{aspect}",
        "{aspect}与{aspect}",
        "{field}与{field}",
        "{aspect}",
        "{unit}{aspect}",
    ],
    "long_heading": [
        "关于{field}和{field}有关{thing}的{aspect}以及{period}{thing}{verb}工作的{aspect}要求说明与补充规定"
    ],
    "title": [
        "{field}管理办法",
        "{city}项目{thing}{verb}报告",
        "关于加强{field}与{field}工作的意见",
        "{unit}年度工作总结",
        "{field}白皮书",
        "{thing}操作手册",
    ],
    "company": ["{city}恒远实业股份有限公司", "{city}明川科技有限公司", "{city}泰和集团", "{city}云岭电气股份有限公司"],
    "item": [
        "{thing}的{verb}与{verb}",
        "{unit}提交的{thing}，应当{quality}",
        "{field}方面的{aspect}，由{person}{verb}",
    ],
    "caption": ["{field}{aspect}一览", "各单位{thing}统计", "{city}地区{field}情况"],
    "cell": ["{thing}", "{unit}", "{field}", "{person}", "{city}"],
    "column": _parts("项目|单位|负责人|金额|数量|占比|完成时间|状态|备注|类别|编号"),
    "note": ["数据来源：{unit}整理。", "此处所称{thing}，不含{city}地区。", "参见{unit}印发的{thing}。"],
    "stamp": ["内部资料 请勿外传", "机密", "草稿", "仅供{unit}使用", "征求意见稿", "样本"],
    "contents": ["目录", "目 录"],
    "link": _parts("首页|产品中心|新闻动态|关于我们|联系我们|招贤纳士|网站地图|隐私政策|使用条款|登录|注册"),
}

EN: Mapping[str, Sequence[str]] = {
    "unit": _parts(
        "the procurement team|the finance department|Internal Audit|the regional office|Human Resources|"
        "the legal department|Customer Support|the quality board|Plant Operations|the data platform group|"
        "Investor Relations|the steering committee"
    ),
    "person": _parts(
        "project manager|account holder|duty engineer|line manager|supplier representative|contract owner|"
        "system administrator|approving officer|external adviser|warehouse lead"
    ),
    "thing": _parts(
        "purchase order|service agreement|asset register|customer record|inspection report|payment request|"
        "delivery schedule|training plan|risk log|change request|retention schedule|incident summary|"
        "budget forecast|access list|tender file|maintenance window|travel claim|release note"
    ),
    "field": _parts(
        "supply chain|information security|working capital|product development|field service|data governance|"
        "regulatory reporting|facility management|talent development|revenue recognition|vendor management|"
        "energy efficiency|business continuity|export control"
    ),
    "aspect": _parts(
        "objectives|scope|responsibilities|process overview|approval limits|performance measures|"
        "implementation steps|risk mitigation|monitoring|transition arrangements|cost standards|timeline|"
        "evaluation method|change control|disclosure|record keeping|technical requirements|"
        "acceptance criteria|lessons learned"
    ),
    "verb": _parts("reviewed|registered|approved|reconciled|archived|submitted|tracked|assessed|published|withdrawn"),
    "adverb": _parts("promptly|quarterly|individually|in writing|jointly|consistently|without delay|carefully"),
    "quality": _parts("complete|accurate|traceable|consistent|up to date|verifiable|properly documented"),
    "period": _parts(
        "by the fifth working day of each month|at the end of every quarter|within three business days|"
        "before the contract is signed|during the trial period|after the project has started|"
        "in the first half of 2025"
    ),
    "cause": _parts(
        "demand recovered faster than expected|raw material prices remained volatile|"
        "several deliveries were postponed|the new system was still being calibrated|"
        "staff turnover increased|reporting rules became more detailed|exchange rates affected settlement|"
        "online channels grew strongly"
    ),
    "result": _parts(
        "total cost fell by {pct}|the average handling time dropped to {num} hours|"
        "customer satisfaction rose by {digit} points|inventory days were reduced by {digit}|"
        "gross margin stayed close to {pct}|overdue items were kept below {num} thousand dollars|"
        "{num} new agreements were concluded"
    ),
    "system": _parts(
        "the ERP platform|the ticketing system|the shared portal|the e-signature service|the reporting dashboard"
    ),
    "city": _parts("Rotterdam|Leeds|Toronto|Singapore|Gdansk|Austin|Lyon|Nairobi|Osaka|Bogota"),
    "sentence": [
        "Every {thing} must be {verb} {period} and copied to {unit}.",
        "Because {cause}, {result}, and {unit} {adverb} updated the related {thing}.",
        "The {person} is responsible for keeping the {thing} {quality} and {quality}.",
        "Spending on {field} came to {num}.{digit} million, up {pct} on the previous year; {city} accounted for {pct}.",
        "If a {thing} turns out to be wrong, the {person} raises a correction through {system} {period}.",
        "To strengthen {field}, {unit} takes the lead while {unit} provides the {thing} {period}.",
        "Pilot work in {city} and {city} showed that {cause}, yet {result}.",
        "Since the introduction of {system}, each {thing} is {verb} online and {result}.",
        "It should be noted that these figures exclude any {thing} that has already been {verb}.",
        "At least {digit} times a year, {unit} examines how {field} is organised and reports to the {person}.",
        "A {thing} above {num} thousand dollars is also {verb} by {unit}, irrespective of its purpose.",
        "Given that {cause}, {field} should remain a priority and every {thing} be {adverb} {verb}.",
        "Before leaving the post, the {person} hands over the {thing}, which both sides confirm in {system}.",
        "Within {field}, about {pct} of the effort went into the {thing} and {pct} into training.",
    ],
    "heading": [
        "{Field} {aspect}",
        "{Aspect} of the {thing}",
        "{Aspect} and {aspect}",
        "{Field} and {field}",
        "{Aspect}",
        "The {thing}",
    ],
    "long_heading": [
        "{Aspect} and {aspect} for every {thing} that concerns {field}, including {aspect} of a {thing} already {verb}"
    ],
    "title": [
        "{Field} policy",
        "Annual report on {field}",
        "{City} {thing} review",
        "Handbook of {field} and {field}",
        "{Thing} operating manual",
    ],
    "company": [
        "Harwick Industries Ltd.",
        "Northfield & Sons",
        "Brenner Logistics GmbH",
        "Calder Energy Group",
        "Tallow Street Systems Inc.",
    ],
    "item": [
        "the {thing} as {verb} by {unit}",
        "{field}, as far as {unit} is concerned",
        "a {thing} that is {quality} and {verb}",
    ],
    "caption": ["{Field} by region", "Overview of the {thing}", "{Aspect} in {city}"],
    "cell": ["{Thing}", "{Field}", "{person}", "{city}"],
    "column": _parts("Item|Unit|Owner|Amount|Quantity|Share|Due date|Status|Remarks|Category|Code"),
    "note": [
        "Source: compiled by {unit}.",
        "The term {thing} does not cover {city}.",
        "See the {thing} kept by {unit}.",
    ],
    "stamp": ["CONFIDENTIAL", "DRAFT", "INTERNAL USE ONLY", "Do not distribute", "SAMPLE COPY"],
    "contents": ["Contents", "Table of Contents"],
    "link": _parts(
        "Home|Products|News|About us|Contact|Careers|Site map|Privacy notice|Terms of use|Sign in|Subscribe"
    ),
}  # fmt: skip

# What documents hold besides these texts: numbers of headings, markers, furniture.
_FURTHER = "零一二三四五六七八九十第章节条附录表页共编号：（）、；。，　•–—①②③④⑤·…月年"
_SLOT = re.compile(r"\{(\w+)\}")


def characters() -> set[str]:
    """Every character that a document of this benchmark can hold."""
    words = (text for lists in (ZH, EN) for texts in lists.values() for text in texts)
    return {chr(code) for code in range(0x20, 0x7F)}.union(_FURTHER, *words)


class Writer:
    """Draws text in one language; the same random numbers give the same text."""

    def __init__(self, language: str, rng: random.Random) -> None:
        self.language = language
        self._lists = ZH if language == "zh" else EN
        self._rng = rng
        self._used: set[str] = set()

    def entries(self, slot: str) -> Sequence[str]:
        """All entries of a list, as they stand there."""
        return self._lists[slot]

    def text(self, slot: str) -> str:
        """One entry of a list with its slots filled; a capitalised slot name gives a capital first letter."""
        return _SLOT.sub(lambda found: self._fill(found[1]), self._rng.choice(self._lists[slot]))

    def unused(self, slot: str) -> str:
        """As `text`, different from all that this method gave before, as long as the lists allow."""
        for _ in range(50):
            text = self.text(slot)
            if text not in self._used:
                break
        self._used.add(text)
        return text

    def paragraph(self, sentences: int) -> str:
        joint = "" if self.language == "zh" else " "
        return joint.join(_capital(self.text("sentence")) for _ in range(sentences))

    def table(self, rows: int, columns: int) -> list[list[str]]:
        """A header row and `rows` rows: text in the first column, text and figures in the others."""
        header = self._rng.sample(list(self._lists["column"]), columns)
        numeric = [column > 0 and self._rng.random() < 0.65 for column in range(columns)]  # fmt: skip
        gaps = self._rng.choice((0.0, 0.0, 0.1))
        body = [[self._cell(column, numeric[column], gaps) for column in range(columns)] for _ in range(rows)]
        return [header, *body]

    def _cell(self, column: int, numeric: bool, gaps: float) -> str:
        if column and self._rng.random() < gaps:
            return ""
        return self._figure() if numeric else _capital(self.text("cell"))

    def _figure(self) -> str:
        number = self._rng.choice([self._rng.randint(2, 99), self._rng.randint(100, 99_999)])
        return self._rng.choice([f"{number:,}", f"{number / 7:,.2f}", f"{number % 100}.{number % 10}%", str(number)])

    def _fill(self, slot: str) -> str:
        match slot:
            case "num":
                return str(self._rng.randint(11, 980))
            case "digit":
                return str(self._rng.randint(2, 9))
            case "pct":
                return f"{self._rng.randint(1, 48)}.{self._rng.randint(1, 9)}%"
            case _ if slot[0].isupper():
                return _capital(self.text(slot.lower()))
            case _:
                return self.text(slot)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
