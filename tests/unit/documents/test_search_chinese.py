"""Chinese questions find the passage and the line that answers, though no space parts their words."""

import sqlite3
from collections.abc import Iterator

import pytest

from edge_llm.documents.index import Index
from edge_llm.documents.reading.passages import Section
from edge_llm.documents.search import tables
from edge_llm.documents.search.groups import SYNONYM
from edge_llm.documents.search.language.answers import expected
from edge_llm.documents.search.language.unspaced import content_runs, numbers_that_name
from edge_llm.documents.search.language.words import normalise
from edge_llm.documents.search.tables import FileMark
from edge_llm.documents.search.unspaced import groups_of_run
from edge_llm.documents.search.vocabulary import Vocabulary


def put(index: Index, path: str, title: str, *texts: str) -> None:
    index.put(path, FileMark(1, 1, ""), title, [Section("", n, text, n) for n, text in enumerate(texts)])


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:")
    tables.create(db)
    yield db
    db.close()


def vocabulary(db: sqlite3.Connection, *texts: str) -> Vocabulary:
    sections = [Section("", None, text, number) for number, text in enumerate(texts)]
    tables.put(db, "a.md", FileMark(1, 1, ""), "", sections)
    return Vocabulary(db)


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index(None)
    put(
        index,
        "jiashiqi.md",
        "加湿器",
        "水箱能装四升水,每两天换一次水。加湿器离墙半米。",
        "加湿器的雾太小,就清洗雾化片。错误 3 表示水位太低。错误 8 表示风扇不转。",
        "保修两年。加湿器的价格是 189 元。客服 400-555-0188。",
    )
    put(index, "yugang.md", "鱼缸", "水泵每月拆洗。灯每天开八小时。", "鱼每天喂两次。喂鱼的事交给陈姐。")
    yield index
    index.close()


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("请问加湿器多久换水呢", ["加湿器", "换水"]),
        ("我们家的鱼缸应该放在哪里", ["鱼缸", "放在"]),
        ("其他的鱼是什么鱼", ["其他", "鱼", "鱼"]),
        ("茶几几点送到", ["茶几", "送到"]),
    ],
)
def test_a_question_is_cut_at_the_words_that_say_nothing(question: str, parts: list[str]) -> None:
    assert content_runs(question) == parts


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("加湿器多少钱", "一共 189 元", "用了 189 天"),
        ("加湿器要多久", "三个半小时", "三个人"),
        ("离墙多远", "半米", "半年"),
        ("有多少公斤", "2.5 公斤", "2.5 升"),
        ("水温是多少", "28 度", "28 元"),
        ("几点关门", "晚上九点", "九个人"),
        ("星期几上课", "周四", "四个"),
        ("客服电话", "400-555-0188", "周四"),
        ("合同编号", "AB-2031", "两年"),
        ("可以存几枚", "五十枚", "五十年"),
        ("几张照片", "五张", "五次"),
        ("一期有几次课", "八节", "八个"),
        ("多久擦一次", "每月擦", "马上擦"),
        ("有多少分贝", "45 分贝", "45 度"),
        ("外壳是什么颜色", "白色外壳", "塑料外壳"),
        ("密码是多少", "密码在说明书里", "1234 元"),
        ("是什么牌子", "某某公司", "塑料"),
        ("地址在哪里", "文一路 5 号", "五楼"),
    ],
)
def test_the_question_tells_what_its_answer_has(question: str, answer: str, other: str) -> None:
    found = expected(normalise(question))
    assert found
    assert (bool(found.pattern.search(answer)), bool(found.pattern.search(other))) == (True, False)


@pytest.mark.parametrize("question", ["加湿器怎么清洗", "How do I clean it?"])
def test_the_answer_to_another_question_can_be_anything(question: str) -> None:
    assert expected(normalise(question)) is None


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("加湿器多少钱", "加湿器的价格是 189 元。"),
        ("加湿器离墙要多远", "加湿器离墙半米。"),
        ("加湿器的客服打什么电话", "客服 400-555-0188。"),
        ("鱼缸的灯一天开几个小时", "灯每天开八小时。"),
    ],
)
def test_the_line_with_what_is_asked_for_is_quoted(index: Index, question: str, line: str) -> None:
    assert line in [each.text for each in index.quotation(question).passages]


def test_a_passage_without_what_is_asked_for_comes_after_one_with_it() -> None:
    index = Index(None)
    put(index, "a.md", "", "烤盘烤盘烤盘要先预热。", "烤盘预热十分钟。")
    assert index.nearest("烤盘预热多久")[0].text == "烤盘预热十分钟。"
    index.close()


def test_a_number_that_names_is_told_from_an_amount() -> None:
    assert numbers_that_name("错误 15 等了 20 分钟,版本 2.4,还有 7 天") == ["15"]


def test_the_line_with_the_number_of_an_error_is_quoted(index: Index) -> None:
    found = [each.text for each in index.quotation("加湿器出现错误 8").passages]
    assert "错误 8 表示风扇不转。" in found


def test_a_character_beside_a_word_may_be_a_word_of_its_own(db: sqlite3.Connection) -> None:
    groups = groups_of_run("门票退", vocabulary(db, "门票五元。", "可退。"))
    assert groups["退"].weight > groups["门"].weight


def test_pairs_within_a_long_word_count_less_than_its_words(db: sqlite3.Connection) -> None:
    groups = groups_of_run("电动汽车", vocabulary(db, "电动汽车在车库。"))
    assert groups["动汽"].weight < groups["电动"].weight == groups["汽车"].weight


def test_a_pair_that_no_paper_has_says_little(db: sqlite3.Connection) -> None:
    groups = groups_of_run("门票退", vocabulary(db, "门票五元。", "可退。"))
    assert groups["票退"].weight < groups["门票"].weight / 2


def test_a_synonym_that_is_common_says_less_than_a_rare_one(db: sqlite3.Connection) -> None:
    groups = groups_of_run("冰箱", vocabulary(db, "冰箱。", "冷藏。", "冷藏。", "冷藏。"))
    assert groups["冰箱"].variants["冷藏"] < SYNONYM


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("单车的胎要打多少气", "自行车轮胎"),
        ("门卡丢了怎么办", "遗失"),
        ("AED 在哪里", "除颤仪"),
    ],
)
def test_words_that_mean_the_same_are_found(question: str, text: str) -> None:
    index = Index(None)
    put(
        index,
        "a.md",
        "",
        "自行车轮胎充到三公斤。",
        "遗失门卡请找前台补办。",
        "除颤仪挂在大厅。",
        "花盆在窗台上。",
    )
    assert text in index.nearest(question)[0].text
    index.close()


def test_what_names_the_next_sentence_is_quoted_with_it() -> None:
    index = Index(None)
    put(index, "a.md", "合同", "第二条 用水。 每吨三元。 第三条 卫生。 每户每月十元。")
    found = [each.text for each in index.quotation("打扫卫生要多少钱").passages]
    assert "第三条 卫生。 每户每月十元。" in found
    index.close()


def test_a_semicolon_parts_what_is_quoted() -> None:
    index = Index(None)
    put(index, "a.md", "面包机", "指示灯红色 太烫;指示灯紫色 缺酵母;指示灯白色 待机。")
    assert "指示灯紫色 缺酵母;" in [each.text for each in index.quotation("面包机紫色").passages]
    index.close()


def test_the_end_of_a_long_question_counts(index: Index) -> None:
    question = (
        "我们上个月搬进新房子,客厅电视旁边的柜子上面摆着爷爷送来的大玻璃缸,孩子天天围着看,请问水泵多久拆洗"
    )
    assert "水泵" in index.nearest(question)[0].text


@pytest.mark.parametrize("question", ["加湿器的遥控器是什么颜色", "彩票中奖号码是多少", "今天股票涨了吗"])
def test_what_no_paper_says_is_not_certain(index: Index, question: str) -> None:
    assert not index.quotation(question).is_certain
