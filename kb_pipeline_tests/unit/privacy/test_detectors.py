"""What is found where, and what is not: each text as somebody wrote it, the value between the brackets."""

from __future__ import annotations

import pytest

from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy

MASKER = Masker(MaskingPolicy(), bytes(32))


def _found(marked: str) -> tuple[str, set[str], set[str]]:
    """The text without its marks, the values that were marked, and what of it is found."""
    pieces = marked.replace("⟧", "⟦").split("⟦")
    text = "".join(pieces)
    return text, set(pieces[1::2]), {text[found.start : found.end] for found in MASKER.findings(text)}


@pytest.mark.parametrize(
    "marked",
    [
        "姓　名：⟦陈雨⟧\n性　别：女",
        "姓名：⟦阿卜杜拉·买买提⟧ 民族：维吾尔族",
        "受益人：⟦伊万·彼得罗维奇·西多罗夫⟧",
        "出席：⟦贾刚⟧、⟦欧阳娟⟧；缺席：⟦尉迟红⟧",
        "审判长 ⟦黄俊⟧\n人民陪审员 ⟦余丹⟧",
        "主治医师：⟦肖雅⟧",
        "配送员⟦付芬玉⟧正在配送",
        "被告⟦何亮⟧应于十日内偿还原告⟦司马涵超⟧借款",
        "独立董事⟦孙洁⟧、⟦庄建华⟧发表了同意的独立意见",
        "兹证明⟦李丽⟧先生系我公司员工",
        "由⟦谢林⟧负责与供应商对接，⟦刘峰⟧协助",
        "一、⟦田桂珍⟧经理汇报了销售情况",
        "⟦徐伟⟧总，您好！",
        "⟦陈阳⟧老师您好",
        "⟦张宁⟧，女，本科",
        '{"name": "⟦王志强⟧", "city": "上海"}',
        "09:12:33 ⟦冉玲东⟧：收到了",
        "申请人：⟦傅红雪⟧",
        "评审专家：⟦张金⟧、⟦赵森⟧",
        "原告⟦吴杰⟧诉被告⟦李建平⟧买卖合同纠纷",
        "兹授权⟦王泽⟧（身份证号见后）",
        "Passenger: ⟦Todd Kane⟧, seat 12A",
        "英文姓名：⟦Kenneth B. Brown⟧",
        "聯絡人：⟦陳俊豪⟧",
        "部门主管:⟦黄欣凤⟧ 总经理:⟦王琴⟧ 班组长：⟦杨杰⟧ 经办：⟦张柳⟧ 用户：⟦朱玉梅⟧",
        "户主⟦周芳⟧，配偶⟦陈春梅⟧，共有两处房产",
        "记录\n⟦程岩⟧ 10:22\n好的",
        "甲方代表：⟦孟阳⟧ 主诊医生：⟦彭荣⟧ 直属上级:⟦李婷⟧ 签约代表（签字）：⟦嵇凤⟧",
        "今借到⟦李淑华⟧人民币，论文作者⟦柴杰⟧已提交，工会主席⟦余东⟧出席",
        "⟦杨东宇⟧同学请假",
        "Interviewer: ⟦Max Leach⟧; candidate: ⟦Laura B. Delgado⟧",
        "Talk soon. Cheers, ⟦David⟧",
        "足协任命⟦尼高·高华⟧为国家队新领队，名字是由乔治·温哥华命名的",
        "副总裁⟦肖建国⟧；公司任命⟦廖立⟧为经理",
        "收件人: ⟦Siobhan O'Brien⟧",
        "Dear Ms ⟦McDonald⟧,",
        "My name is ⟦Anna Klein⟧.",
        "My name is ⟦Rubija⟧. Her maiden name is ⟦Königová⟧, but everyone calls me ⟦Ann⟧",
        "Please ask Mr. ⟦Wiśniewski⟧",
        "Kind regards,\n⟦Tom Barton-O'Neill⟧",
        "Attendees: ⟦Wei Zhang⟧, ⟦Mark Mack⟧, ⟦Jing-yi Liu⟧",
        'made between Brown Ltd ("Seller") and ⟦Diane Bell⟧ ("Buyer")',
        "⟦Carol Cooper⟧\nPhone: see below",
        "Customer ⟦Harry Dobson⟧ opened an account",
    ],
)
def test_a_name_is_found_by_what_stands_beside_it(marked: str) -> None:
    _, values, found = _found(marked)
    assert found == values


@pytest.mark.parametrize(
    "marked",
    [
        "昨天⟦张建国⟧和⟦李婷⟧一起去了工商局，回来后⟦张建国⟧把材料放在了前台",
        "请⟦唐玉梅⟧、⟦王岩⟧两位同志到会；抄送⟦童玉兰⟧，⟦薛志强⟧",
        "感谢⟦程秀华⟧对本项目的支持，客户⟦赵玉珍⟧来电投诉",
        "经查，⟦杨桂荣⟧（曹县人）与⟦王静⟧系夫妻关系",
        "一等奖⟦姚旭⟧；二等奖⟦白丽娟⟧、⟦冯浩⟧；三等奖：⟦欧阳晨⟧",
        "⟦祝建华⟧ 销售一部",
        "姓名：⟦陆军⟧，联系人：⟦江宁⟧，收件人：⟦项国强⟧",
    ],
)
def test_a_common_surname_and_what_given_names_are_written_with_are_a_name(marked: str) -> None:
    _, values, found = _found(marked)
    assert found == values


@pytest.mark.parametrize(
    "text",
    [
        "江苏和安徽两省的陆军和海军；东吴大学、武汉东湖、黄海海域、黄浦江边、江津、许昌、苏丹、南非",
        "许多新产品周期长，工程师范本，感谢信，任何时候，十分钟内，国王子女",
        "金融街、钟楼区、段落、董事会、唐山、田园、贺信、毛利率、罗列、周年、叶片",
        "温泉路、明月路、高阳山、巴黎东区、万美元、宁夏石嘴山、丽江古城、历史文献",
    ],
)
def test_words_and_places_with_a_surname_in_them_stay(text: str) -> None:
    assert MASKER.mask(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "项目经理负责进度，产品经理和客户经理每周同步，部门经理审批后由总经理签发",
        "先生们、女士们；尊敬的先生/女士；任何先生或女士均可参加",
        "客户满意度、员工安全、用户时长、患者平均住院日、客户方面、员工全部到场",
        "被告应当于十日内；原告方面；证人陈述；记者从会上获悉；申请人陆续到场",
        "住在学生宿舍，取得哲学和教授文学博士，前任劳动部长、法学院历史系主任、副总统办公室",
        "全班同学、各位同学、高中同学和班主任都到了；作者单位、作者简介、运维平台、工会主席团",
        "审批：通过　处理：成功　验收：全部　经理：应当　组长：任期　主管：常务　签发：时间　编制：方案\n周一 10:22",
        "联系人：（待定）　负责人：各部门主任　审核人：财务部　申请人：公司",
        "员工花名册；客户时间；用户位置；由银监会负责；由国务院牵头；由公司负责",
        "工资条 应发：见附件 实发：见附件；范围：全国；方案：待定；时间：周一",
        "高管增持、白酒板块、黄金期货、江苏银行、方正富邦、华夏基金",
        "Name: Quarterly Report; Subject: Review. To: All Staff. From: Human Resources",
        "By the Securities and Exchange Commission (the “SEC”), Managing Director",
    ],
)
def test_words_that_look_like_names_stay(text: str) -> None:
    assert MASKER.mask(text).text == text


@pytest.mark.parametrize(
    "marked",
    [
        "Yesterday ⟦Karen Whitfield⟧ and ⟦Luca Ferrandino⟧ signed for the parcel.",
        "The claim of ⟦John Q. Hathersage⟧ was dismissed; ⟦Mary-Ann O'Donovan⟧'s was not.",
        "Neither ⟦Grace Johnson⟧ nor ⟦Will Thompson⟧ came; ⟦Mark Novák⟧ did.",
        "We hired ⟦Wolfgang von Trotha⟧, ⟦Maria de la Cruz⟧ and ⟦Sjoerd van den Heuvel⟧.",
        "⟦Krzyś Wiśniewski⟧, ⟦Ögmundur Sigurðsson⟧ and ⟦Tlotlo Hernandez⟧ won.",
        "Our partners ⟦Zhang Wei⟧, ⟦Li Xiaoming⟧, ⟦WANG Fang⟧ and ⟦Haoran Chen⟧ agreed.",
        "The shares of ⟦PATRICIA HENDERSON⟧ and of ⟦R. J. Thornton⟧ were sold.",
        "⟦Priyanka Deshmukh⟧ asked ⟦Youssef Benali⟧ to call back.",
        "Thanks ⟦Jennifer⟧, and sorry ⟦Will⟧!",
        "His sister, ⟦Sylvana Tschentscher⟧, lives here; ⟦Ekapad Koshy⟧ and his wife do not. ⟦Zinal Goyal⟧, 54, died.",
        "Their children: Tom, ⟦Hannah⟧, ⟦Anthony⟧ and ⟦Kim⟧",
        "Go home, ⟦Nicholas⟧! The parcel is for ⟦Monica⟧.\n⟦Kevin⟧: Yes\n⟦Susan⟧, can you call?",
        "⟦Stephen⟧ said he would come. I told ⟦Monica⟧ to wait, but ⟦Nicole⟧'s phone was off.",
    ],
)
def test_a_name_in_english_prose_needs_nothing_beside_it(marked: str) -> None:
    _, values, found = _found(marked)
    assert found == values


@pytest.mark.parametrize(
    "text",
    [
        "In April Fools won; Grace Period, Mark Up, Will Call, Bill Payment, Rose Garden, Victoria Street",
        "the Robert Bosch Foundation, John Hopkins University, Edward Jones Inc., Hope Street, King George Hospital",
        "Morgan Stanley, Wells Fargo, Johnson & Johnson, Ernst & Young, Philip Morris and the Ford Motor Company",
        "St. John Baptist, Mount Elizabeth Novena, Lake Charles Bank, San Antonio Spurs, Ann Arbor",
        "Austin City Limits, Georgia Power, Virginia Electric, Jordan River, Charlotte Square, Paris Agreement",
        "the Adam Smith lecture; Kaplan Meier estimator; Thomas Young effect; Sherman Antitrust Act; Elizabeth Line",
        "Hong Kong, Tai Chi, Feng Shui, Wu Han; Sun Screen; Long Range Plan; He Can Do It",
        "Please Contact Support. Daniel Industries Annual Report; Martin Engineering; Charles River Laboratories",
        "Alexa is a program, Petra was a city, and the Marina is closed. Thanks Team, and dear Customer,",
        "McDonald's was full, and BoBrandon said no; tools-Monica is an e-mail list",
        "Vitamin D Deficiency, Hepatitis B Vaccine, Class A Shares, Appendix C Methods",
    ],
)
def test_words_firms_and_places_that_bear_names_stay(text: str) -> None:
    assert MASKER.mask(text).text == text


@pytest.mark.parametrize(
    "marked",
    [
        "Tel: ⟦(217)953-3428x617⟧",
        "Fax: ⟦259.735.7502x459⟧",
        "Phone: ⟦001-912-647-5230x4788⟧",
        "Call me on ⟦(0113) 496 0018⟧",
        "電話：⟦04-5757710⟧",
        "咨询电话⟦021-68933486（分机601）⟧",
        "电　话：⟦010-87654321⟧",
        "手机⟦(+86) 138 0013 8000⟧",
        "（⟦138 0013 8000⟧/⟦0898 85630124⟧）",
        "A,110105,⟦13800138000⟧,x",
        "快递签收人：⟦黄刚玉⟧（⟦13571002011⟧），发票寄给⟦13571002012⟧",
    ],
)
def test_a_telephone_number_is_found_with_its_extension_and_country(marked: str) -> None:
    _, values, found = _found(marked)
    assert found == values


@pytest.mark.parametrize(
    "marked",
    [
        "Address: ⟦06 Glenn Loop\nNew Karenburgh\nB29 9TU⟧",
        "Ship to ⟦1283 Kathryn Path Apt. 936\nGilbertburgh, RI 62997⟧.",
        "Home address: ⟦PSC 8683, Box 4497\nAPO AP 52058⟧",
        "office is located at ⟦809 North 1500 West, Salt Lake City, UT 84116⟧, open daily",
        '"address": "⟦浙江省杭州市西湖区学院南路38号⟧"',
        "汉族，住⟦广东省深圳市南山区科技路8号⟧。",
        "地址电话：⟦河南省郑州市金水区学院南路219弄49号2370室⟧ ⟦022-79079373⟧",
        "地址、电话：⟦北京市朝阳区光华里479号16幢230室⟧ ⟦010-87654321⟧",
        "现居：⟦上海市浦东新区望京街453弄18号988室⟧",
        "家住⟦北京市朝阳区幸福路3号⟧的客户来电，他们一直住在这个广场的酒店里",
        "发顺丰，⟦13800138000⟧，⟦四川省成都市武侯区人民南路5号⟧",
    ],
)
def test_an_address_is_found_down_to_its_end(marked: str) -> None:
    _, values, found = _found(marked)
    assert found == values


@pytest.mark.parametrize(
    "marked",
    [
        "The goods are stored at ⟦1600 Amphitheatre Parkway, Mountain View, CA 94043⟧ until May.",
        "Write to ⟦P.O. Box 4471, Duluth, MN 55804⟧ or ⟦PO Box 12, Leeds LS1 4AB⟧.",
        "They met at ⟦Flat 3, 19 Elgin Crescent, London W11 2JA⟧ in the evening.",
        "The garage at ⟦1425 Old Mill Run, Austin, Texas 78704⟧ is full.",
        "The fire at ⟦7 Orchard Grove, Suite 12⟧ spread quickly.",
        "From ⟦12 rue de la Paix, 75002 Paris⟧ we moved to ⟦Via Garibaldi 23, 20121 Milano⟧.",
        "She has lived in ⟦Lindenweg 7⟧ and in ⟦Industriestraße 14, 70565 Stuttgart⟧.",
        "⟦Keizersgracht 112, 1015 CV Amsterdam⟧, not ⟦Calle Mayor 45⟧",
    ],
)
def test_an_address_in_prose_needs_a_number_and_a_street_only(marked: str) -> None:
    _, values, found = _found(marked)
    assert found == values


@pytest.mark.parametrize(
    "text",
    [
        "Take 5 Road tests and 3 Drive units; 10 Court decisions; 1 Way out; Section 5 Drive.",
        "In 2019 Main Street banks lost; by 1999 Fleet Street was empty. On 12 May Church Street was closed.",
        "Office 365 Suite 2019, 20 units Suite 300, Apartment 5 is vacant, Windows 10 Way 2, Version 3 Via Voice",
    ],
)
def test_numbers_before_and_behind_words_for_streets_stay(text: str) -> None:
    assert MASKER.mask(text).text == text


@pytest.mark.parametrize(
    "marked",
    [
        "卡号：⟦503890547220⟧",
        "账　号：⟦199012460434⟧",
        "开户行及账号：中国银行北京中关村支行 ⟦897991217374719⟧",
        "IP：⟦230f:1e81:120a:e1c2:8485:5fa0:9ab7:ed35⟧",
        "密码改成 ⟦Xy9-hq27⟧ 了",
        "Authorization: Bearer ⟦k3Jd82hNsl20dkQmZp91⟧",
        '"dob": "⟦13/01/1967⟧"',
        "DOB: ⟦3-Feb-1960⟧",
    ],
)
def test_other_values_are_found_in_the_forms_people_write(marked: str) -> None:
    _, values, found = _found(marked)
    assert found == values


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 Chrome/120.0.0.0",
        "netmask 255.255.255.0",
        "Message-ID: <0792978115.abc@mail.example.com>",
        "事故发生于2008年7月21日，方案诞生于1998年8月5日",
        "order_id = '15516940102'",
        "快递单号 13571002011，订单13571002011，发票号码：13571002011",
        "Amyburgh 86196\n2015 - 2019 University",
        "SHA1 AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD",
        "503890547220",
    ],
)
def test_numbers_of_machines_and_orders_stay(text: str) -> None:
    assert MASKER.mask(text).text == text
