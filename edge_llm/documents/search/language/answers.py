"""Patterns of questions, and of what their answers contain: an amount of money, a telephone number."""

import re
from dataclasses import dataclass
from functools import lru_cache

from edge_llm.documents.search.language import answers_european
from edge_llm.documents.tokens import UNSPACED

_NUMBER = "(?:[0-9][0-9.,]*|[一二两三四五六七八九十百千万半几]+) ?"
_MONEY = "万?(?:元|块|角)"
_TIME = "多?(?:秒|分|刻|个?半?小时|个?半?钟头|天|夜|周|个?星期|个?礼拜|个?半?月|个?季度|个?学期|年)"
_LENGTH = "公里|千米|[厘毫]?米|(?:km|[cm]?m)(?![a-z])"
_WEIGHT = "公斤|[千毫]?克|斤|吨|[km]?g(?![a-z])"
_VOLUME = "毫?升|立方|m?l(?![a-z])|[大小]?[勺杯碗桶]"
_DEGREES = "度|℃|°"
_TURNS = "[次节遍回下]"
_MEASURE = "[个人位张把枚件片种层格台本口步条声级项部名瓦伏安兆岁圈只颗支盏瓶袋辆户扇根块双套]"
_THINGS = f"[{UNSPACED}]{{0,4}}"
_DAY = "[0-9一二三四五六七八九十] ?[年月日号]|(?:周|星期|礼拜)[一二三四五六日天末]|[每当]天|工作日|节假日"
_CLOCK = "[0-9]:[0-9]{2}|[0-9一二两三四五六七八九十] ?[点时]|[早晚]上|[上中下]午|凌晨|夜"


def _amount(unit: str, *others: str) -> tuple[str, str]:
    """Return the patterns of a question for an amount, which may have ``others``, and of the amount."""
    return "|".join((f"(?:几|多少)(?:{unit})", *others)), f"{_NUMBER}(?:{unit})"


_money, _any_money = _amount(_MONEY, "多少钱|价格|什么价|怎么收费|[费收交付扣赔花罚退值][用要了]?多少")
_time, _any_time = _amount(_TIME, "多久|多长时间")
_CHINESE = (
    (_money, f"{_any_money}|[¥￥€$]|免费"),
    (_time, f"{_any_time}|当天|每[天日周月年季]"),
    _amount(_DEGREES, "多[热冷]|多高的?温|温.{0,4}多少"),
    _amount(_LENGTH, "多[高宽深厚远长]"),
    _amount(_WEIGHT, "多重"),
    _amount(_VOLUME),
    _amount(_TURNS),
    (f"(?:几|多少)(个)({_THINGS})", f"{_NUMBER}{_MEASURE}"),
    (f"(?:几|多少)({_MEASURE})({_THINGS})", f"{_NUMBER}{{}}"),
    ("分贝|噪音.{0,4}多[大少]|多大声", "分贝|db"),
    ("卡路里", "卡"),
    ("(?:哪个?|什么)(?:公司|厂|品牌|牌)", "公司|厂|牌"),
    ("地址.{0,3}(?:哪|什么|多少)", "[路街道巷] ?[0-9]|[0-9] ?号"),
    ("密码(?:是|为)?(?:多少|什么)", "密码"),
    ("哪.{0,3}买的?|什么时候买|哪.?年.?买", "买|购|发票|订单"),
    ("什么颜色|哪种颜色", "[红绿蓝黄白黑橙灰紫棕粉]"),
    ("几点|什么时间", _CLOCK),
    ("哪一?年", "[0-9]{2} ?年"),
    ("哪一?[天月日]|哪几[天年个]|哪些[日天]|几号|(?:星期|周|礼拜)几|什么日[期子]", _DAY),
    ("什么时候|何时|啥时候", f"{_DAY}|{_CLOCK}|{_any_time}|[前后时]"),
    (
        "电话|热线|打给|打哪|手机号|号码",
        "(?<![0-9])(?:1[12][0-9](?![0-9])|0[0-9]{2}|[0-9]{3,}-[0-9]|[0-9]{5})",
    ),
    ("[编型单账证牌卡户同]号|序列号", "[a-z]+[-·]?[0-9]|[0-9]{4}|[0-9]-[0-9]"),
    ("百分之几|多少比例|多大比例|几成", f"百分之|%|{_NUMBER}成"),
    ("多少", _NUMBER),
)
_EXISTS = re.compile(f"{answers_european.EXISTS}|(?<!还)有没有|有.{{1,8}}吗")
_KINDS = tuple((re.compile(asked), given) for asked, given in (*answers_european.KINDS, *_CHINESE))


@dataclass(frozen=True, slots=True)
class Answer:
    """A pattern that a line contains if it answers a question."""

    pattern: re.Pattern[str]
    """Of the line in lower case."""
    counted: str
    """What stands after "how many", two words or four characters; empty where something else is asked for."""


def expected(question: str) -> Answer | None:
    """Return what the answer to a normalised question contains; None where that can be anything."""
    question = " ".join(question.split())
    for asked, given in _KINDS:
        if found := asked.search(question):
            *measure, counted = found.groups() or ("",)
            return Answer(_compiled(given.replace("{}", "".join(measure))), counted)
    return None


def asks_whether_there_is(question: str) -> bool:
    """Tell whether a normalised question asks if there is something."""
    return bool(_EXISTS.search(question))


@lru_cache(maxsize=200)
def _compiled(given: str) -> re.Pattern[str]:
    return re.compile(given)
