"""Industries by GB/T 4754-2017: 20 sections (门类), 97 divisions (大类), and the few finer codes that decide
a size.

Section ranges as in the standard; the finer codes are those at which the size table of
工信部联企业〔2011〕300号 leaves the division (loading 591, property development 701, property management
702).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from app.core.working import N_


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its letter, names, and first and last division."""

    letter: str
    name_zh: str
    name_en: str
    first: int
    last: int


class Industry(NamedTuple):
    """An industry for choice lists: code (text of two to four digits), names, section letter."""

    code: str
    name_zh: str
    name_en: str
    section: str


SECTIONS: tuple[Section, ...] = (
    Section("A", N_("农、林、牧、渔业"), "Agriculture, forestry, animal husbandry and fishery", 1, 5),
    Section("B", N_("采矿业"), "Mining", 6, 12),
    Section("C", N_("制造业"), "Manufacturing", 13, 43),
    Section("D", N_("电力、热力、燃气及水生产和供应业"), "Electricity, heat, gas and water supply", 44, 46),
    Section("E", N_("建筑业"), "Construction", 47, 50),
    Section("F", N_("批发和零售业"), "Wholesale and retail", 51, 52),
    Section("G", N_("交通运输、仓储和邮政业"), "Transport, storage and post", 53, 60),
    Section("H", N_("住宿和餐饮业"), "Accommodation and catering", 61, 62),
    Section(
        "I",
        N_("信息传输、软件和信息技术服务业"),
        "Information transmission, software and IT services",
        63,
        65,
    ),
    Section("J", N_("金融业"), "Finance", 66, 69),
    Section("K", N_("房地产业"), "Real estate", 70, 70),
    Section("L", N_("租赁和商务服务业"), "Leasing and business services", 71, 72),
    Section("M", N_("科学研究和技术服务业"), "Scientific research and technical services", 73, 75),
    Section("N", N_("水利、环境和公共设施管理业"), "Water, environment and public facilities", 76, 79),
    Section("O", N_("居民服务、修理和其他服务业"), "Household services, repair and other services", 80, 82),
    Section("P", N_("教育"), "Education", 83, 83),
    Section("Q", N_("卫生和社会工作"), "Health and social work", 84, 85),
    Section("R", N_("文化、体育和娱乐业"), "Culture, sports and entertainment", 86, 90),
    Section(
        "S", N_("公共管理、社会保障和社会组织"), "Public administration and social organisations", 91, 96
    ),
    Section("T", N_("国际组织"), "International organisations", 97, 97),
)

_NAMES: tuple[tuple[str, str, str], ...] = (
    ("01", N_("农业"), "Farming"),
    ("02", N_("林业"), "Forestry"),
    ("03", N_("畜牧业"), "Animal husbandry"),
    ("04", N_("渔业"), "Fishery"),
    ("05", N_("农、林、牧、渔专业及辅助性活动"), "Support activities for agriculture"),
    ("06", N_("煤炭开采和洗选业"), "Coal mining and washing"),
    ("07", N_("石油和天然气开采业"), "Extraction of petroleum and natural gas"),
    ("08", N_("黑色金属矿采选业"), "Mining of ferrous metal ores"),
    ("09", N_("有色金属矿采选业"), "Mining of non-ferrous metal ores"),
    ("10", N_("非金属矿采选业"), "Mining of non-metal ores"),
    ("11", N_("开采专业及辅助性活动"), "Support activities for mining"),
    ("12", N_("其他采矿业"), "Other mining"),
    ("13", N_("农副食品加工业"), "Processing of farm and sideline food"),
    ("14", N_("食品制造业"), "Manufacture of food"),
    ("15", N_("酒、饮料和精制茶制造业"), "Manufacture of liquor, beverages and refined tea"),
    ("16", N_("烟草制品业"), "Manufacture of tobacco"),
    ("17", N_("纺织业"), "Manufacture of textiles"),
    ("18", N_("纺织服装、服饰业"), "Manufacture of clothing and apparel"),
    ("19", N_("皮革、毛皮、羽毛及其制品和制鞋业"), "Leather, fur, feather products and footwear"),
    ("20", N_("木材加工和木、竹、藤、棕、草制品业"), "Wood, bamboo, rattan, palm and straw products"),
    ("21", N_("家具制造业"), "Manufacture of furniture"),
    ("22", N_("造纸和纸制品业"), "Manufacture of paper and paper products"),
    ("23", N_("印刷和记录媒介复制业"), "Printing and reproduction of recorded media"),
    ("24", N_("文教、工美、体育和娱乐用品制造业"), "Articles for culture, crafts, sports and entertainment"),
    ("25", N_("石油、煤炭及其他燃料加工业"), "Processing of petroleum, coal and other fuels"),
    ("26", N_("化学原料和化学制品制造业"), "Manufacture of chemical materials and products"),
    ("27", N_("医药制造业"), "Manufacture of medicines"),
    ("28", N_("化学纤维制造业"), "Manufacture of chemical fibres"),
    ("29", N_("橡胶和塑料制品业"), "Manufacture of rubber and plastics"),
    ("30", N_("非金属矿物制品业"), "Manufacture of non-metallic mineral products"),
    ("31", N_("黑色金属冶炼和压延加工业"), "Smelting and rolling of ferrous metals"),
    ("32", N_("有色金属冶炼和压延加工业"), "Smelting and rolling of non-ferrous metals"),
    ("33", N_("金属制品业"), "Manufacture of metal products"),
    ("34", N_("通用设备制造业"), "Manufacture of general-purpose machinery"),
    ("35", N_("专用设备制造业"), "Manufacture of special-purpose machinery"),
    ("36", N_("汽车制造业"), "Manufacture of motor vehicles"),
    (
        "37",
        N_("铁路、船舶、航空航天和其他运输设备制造业"),
        "Railway, ship, aerospace and other transport equipment",
    ),
    ("38", N_("电气机械和器材制造业"), "Manufacture of electrical machinery"),
    ("39", N_("计算机、通信和其他电子设备制造业"), "Computers, communication and other electronic equipment"),
    ("40", N_("仪器仪表制造业"), "Manufacture of measuring instruments"),
    ("41", N_("其他制造业"), "Other manufacturing"),
    ("42", N_("废弃资源综合利用业"), "Utilisation of waste resources"),
    ("43", N_("金属制品、机械和设备修理业"), "Repair of metal products, machinery and equipment"),
    ("44", N_("电力、热力生产和供应业"), "Production and supply of electricity and heat"),
    ("45", N_("燃气生产和供应业"), "Production and supply of gas"),
    ("46", N_("水的生产和供应业"), "Production and supply of water"),
    ("47", N_("房屋建筑业"), "Construction of buildings"),
    ("48", N_("土木工程建筑业"), "Civil engineering"),
    ("49", N_("建筑安装业"), "Construction installation"),
    ("50", N_("建筑装饰、装修和其他建筑业"), "Building decoration and other construction"),
    ("51", N_("批发业"), "Wholesale"),
    ("52", N_("零售业"), "Retail"),
    ("53", N_("铁路运输业"), "Railway transport"),
    ("54", N_("道路运输业"), "Road transport"),
    ("55", N_("水上运输业"), "Water transport"),
    ("56", N_("航空运输业"), "Air transport"),
    ("57", N_("管道运输业"), "Pipeline transport"),
    ("58", N_("多式联运和运输代理业"), "Multimodal transport and transport agency"),
    ("59", N_("装卸搬运和仓储业"), "Loading, unloading and storage"),
    ("60", N_("邮政业"), "Post and courier"),
    ("61", N_("住宿业"), "Accommodation"),
    ("62", N_("餐饮业"), "Catering"),
    ("63", N_("电信、广播电视和卫星传输服务"), "Telecommunication, broadcasting and satellite transmission"),
    ("64", N_("互联网和相关服务"), "Internet and related services"),
    ("65", N_("软件和信息技术服务业"), "Software and IT services"),
    ("66", N_("货币金融服务"), "Monetary and financial services"),
    ("67", N_("资本市场服务"), "Capital market services"),
    ("68", N_("保险业"), "Insurance"),
    ("69", N_("其他金融业"), "Other finance"),
    ("70", N_("房地产业"), "Real estate"),
    ("71", N_("租赁业"), "Leasing"),
    ("72", N_("商务服务业"), "Business services"),
    ("73", N_("研究和试验发展"), "Research and development"),
    ("74", N_("专业技术服务业"), "Professional technical services"),
    ("75", N_("科技推广和应用服务业"), "Science promotion and application services"),
    ("76", N_("水利管理业"), "Water management"),
    ("77", N_("生态保护和环境治理业"), "Ecological protection and environmental management"),
    ("78", N_("公共设施管理业"), "Management of public facilities"),
    ("79", N_("土地管理业"), "Land management"),
    ("80", N_("居民服务业"), "Household services"),
    ("81", N_("机动车、电子产品和日用产品修理业"), "Repair of vehicles, electronics and daily goods"),
    ("82", N_("其他服务业"), "Other services"),
    ("83", N_("教育"), "Education"),
    ("84", N_("卫生"), "Health"),
    ("85", N_("社会工作"), "Social work"),
    ("86", N_("新闻和出版业"), "News and publishing"),
    ("87", N_("广播、电视、电影和录音制作业"), "Radio, television, film and sound recording"),
    ("88", N_("文化艺术业"), "Culture and arts"),
    ("89", N_("体育"), "Sports"),
    ("90", N_("娱乐业"), "Entertainment"),
    ("91", N_("中国共产党机关"), "Organs of the Communist Party of China"),
    ("92", N_("国家机构"), "State organs"),
    ("93", N_("人民政协、民主党派"), "People's political consultative conference and democratic parties"),
    ("94", N_("社会保障"), "Social security"),
    (
        "95",
        N_("群众团体、社会团体和其他成员组织"),
        "Mass organisations, associations and other membership bodies",
    ),
    ("96", N_("基层群众自治组织及其他组织"), "Grass-roots self-governing bodies and others"),
    ("97", N_("国际组织"), "International organisations"),
    ("591", N_("装卸搬运"), "Loading and unloading"),
    ("7010", N_("房地产开发经营"), "Property development"),
    ("7020", N_("物业管理"), "Property management"),
    ("7030", N_("房地产中介服务"), "Property agency"),
    ("7040", N_("房地产租赁经营"), "Property leasing"),
    ("7090", N_("其他房地产业"), "Other real estate"),
)


def section_of(code: str) -> Section | None:
    """The section of an industry code (two to four digits, as text), or None when the code is not one."""
    if not (2 <= len(code) <= 4 and code.isascii() and code.isdigit()):
        return None
    division = int(code[:2])
    return next((s for s in SECTIONS if s.first <= division <= s.last), None)


def _letter(code: str) -> str:
    section = section_of(code)
    if section is None:
        raise ValueError(f"industry outside every section: {code}")
    return section.letter


INDUSTRIES: tuple[Industry, ...] = tuple(
    sorted(
        (Industry(code, zh, en, _letter(code)) for code, zh, en in _NAMES), key=lambda industry: industry.code
    )
)
"""Choices for forms: all 97 divisions, and the finer codes that decide a size, in the order of their
codes."""
