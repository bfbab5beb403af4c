"""What the answer to a Chinese question has in it: an amount of money, a length of time, a telephone number."""

import re

_NUMBER = "(?:[0-9][0-9.,]*|[一二两三四五六七八九十百千万半几]+) ?"
_TIMES = "秒|分钟?|刻|个?半?小时|个?半?钟头|天|夜|周|个?星期|个?礼拜|个?半?月|个?季度|个?学期|年"
_DAY = "[0-9一二三四五六七八九十] ?[年月日号]|(?:周|星期|礼拜)[一二三四五六日天末]|[每当]天|工作日|节假日"
_CLOCK = "[0-9]:[0-9]{2}|[0-9一二两三四五六七八九十] ?[点时]|[早晚]上|[上中下]午|凌晨|夜"
_LENGTHS = "公里|千米|里|[厘毫]?米|km|[cm]?m"
_WEIGHTS = "公斤|[千毫]?克|斤|吨|[km]?g"
_VOLUMES = "[毫]?升|立方|ml|l|大?小?[勺杯碗桶]"
_MEASURES = "次|个|节|人|位|张|把|枚|件|片|种|层|格|台|本|口|步|条|回|遍|声|下|级|项|部|名|瓦|伏|安|兆|度"

_KINDS = tuple(
    (re.compile(asked), re.compile(given))
    for asked, given in (
        # What the question asks for, and what a line that answers it has.
        ("多少钱|几块|几元|价格|什么价|[费收交付扣赔花罚退值][用要了]?多少|怎么收费|多少元", f"{_NUMBER}万?[元块角]|[¥￥€$]|免费"),
        (f"多久|多长时间|(?:几|多少)(?:{_TIMES})", f"{_NUMBER}多?(?:{_TIMES})|[每当]天"),
        (f"(?:几|多少)(?:{_LENGTHS})|多[高宽深厚远]|多长", f"{_NUMBER}(?:{_LENGTHS})"),
        (f"(?:几|多少)(?:{_WEIGHTS})|多重|几斤", f"{_NUMBER}(?:{_WEIGHTS})"),
        (f"(?:几|多少)(?:{_VOLUMES})", f"{_NUMBER}(?:{_VOLUMES})"),
        ("[几少]度|多热|多冷|温.{0,4}多少", f"{_NUMBER}(?:度|℃|°)"),
        ("几岁|多大年", f"{_NUMBER}岁"),
        ("几点|什么时间", _CLOCK),
        ("哪一?[天年月日]|哪几[天年个]|哪些[日天]|几[月号]|(?:星期|周|礼拜)几|什么日[期子]", _DAY),
        ("什么时候|何时|啥时候", f"{_DAY}|{_CLOCK}|{_NUMBER}(?:{_TIMES})|时候|[之以]?[前后]"),
        ("电话|热线|打给|打哪", "[0-9]{3}"),
        ("编号|型号|单号|账号|证号|牌号|卡号|户号|同号|序列号", "[a-z]+[-·]?[0-9]|[0-9]{4}|[0-9]-[0-9]"),
        ("百分之几|多少比例|几成|多大比例", f"百分之|%|{_NUMBER}成"),
        (f"(?:几|多少)(?:{_MEASURES})", f"{_NUMBER}(?:{_MEASURES})"),
        ("多少", _NUMBER),
    )
)


def expected(question: str) -> re.Pattern[str] | None:
    """What a line that answers a normalised question has in it; None where that can be anything."""
    return next((given for asked, given in _KINDS if asked.search(question)), None)
