"""What says nothing of what a question is about, in scripts that put no space between words."""

import re

UNSPACED_LANGUAGE = "zh"
FUNCTION_CHARACTERS = frozenset(
    "一不上下个为之也了于些人从他她以们会但何使来便做像再出到及又只叫可各吗向吧呢和哪啊呀嘛因在多如它"
    "完就已很得怎想我您你或所把拿时是最有没然用由的着种等给自至若要让该说谁跟还这那都里每样被将能去"
)
"""Characters that stand in words of no content, or where two words meet."""

_CHINESE = """
    请问 麻烦问 告诉我 想知道 我想问 想问 知道 帮我 请教
    什么时候 什么时间 什么地方 什么意思 什么原因 什么样 什么东西 为什么 是什么 干什么 什么 啥时候 为啥 为何 啥
    怎么回事 怎么办 怎么样 怎么弄 怎么做 怎么才能 怎样才能 怎么 怎样 如何 咋办 咋
    哪里 哪儿 哪个 哪些 哪种 哪位 哪天 哪年 哪家 哪几个 哪几 哪
    多长时间 多少 多久 多长 多高 多大 多远 多重 多宽 多深 多厚 多快 多热 多早 多晚
    几点钟 几点 几天 几次 几年 几个月 几个 几号 几岁 几分钟 几小时 几
    是否 能否 可否 是不是 有没有 能不能 可不可以 要不要 会不会 用不用 行不行 好不好 需不需要
    可以 可能 能够 应该 应当 需要 必须
    我们家 我们 我家 咱们家 咱们 咱家 咱 你们 他们 她们 别人 有人 家里的 家里
    这个 那个 这些 那些 这里 那里 这样 那样 这种 那种
    意思 情况 东西 事情 的时候 时候 一下 以后 之后
    如果 要是 假如 万一 因为 所以 但是 而且 以及 或者 还是 并且 然后 大概 大约 一般 通常 平时
    一直 总是 老是 经常 已经 正在 刚刚 突然 总共 一共
    的 了 吗 呢 吧 啊 呀 嘛 我 你 您 它 他 她 是 该 得
"""
_WORDS_WITH_THEM = (
    "目的 的确 的士 几乎 茶几 了解 其他 其它 吉他 酒吧 获得 取得 应得 所得 得到 得分 记得 觉得 心得"
)
"""Words in which the short ones above stand by chance."""
_JAPANESE = """
    ですか ますか でしょうか ください とは どうやって どうすれば どのように どこ なに 何ですか いつ なぜ どう
    する します した して です ます いい は が を に の と へ も か
"""
_THAI = "อย่างไร อะไร เมื่อไหร่ ที่ไหน ทำไม เท่าไหร่ คือ ไหม ครับ ค่ะ"
_STOP_WORDS = sorted(f"{_CHINESE} {_JAPANESE} {_THAI}".split(), key=len, reverse=True)
_STOP = re.compile(f"({'|'.join(_WORDS_WITH_THEM.split())})|{'|'.join(_STOP_WORDS)}")
_AMOUNT_FOLLOWS = "年月日号点时分秒天周个次元块角度米升克斤公千毫厘平立人位张把件岁层节条台级倍名瓦伏安兆%"
_NAME = re.compile(f"(?<![0-9.:])[0-9]+(?![0-9.:]| ?[{_AMOUNT_FOLLOWS}])")
_CUT = "\n"


def content_runs(run: str) -> list[str]:
    """Cut a run of Chinese, Japanese or Thai at its question words and particles."""
    return [part for part in _STOP.sub(lambda found: found[1] or _CUT, run).split(_CUT) if part]


def numbers_that_name(text: str) -> list[str]:
    """The numbers of a text that count nothing: 错误 15, but not 15 分钟."""
    return _NAME.findall(text)
