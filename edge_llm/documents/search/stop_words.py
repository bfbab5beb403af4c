"""Words of a question that say nothing of what it is about, by language."""

import re

_WORDS = {
    "en": """
        a about after all also am an and any are as at be been before but by can could did do does
        doing for from had has have having how i if in into is it its me mean means much many may
        might my no not of on once or our out over please shall she should so some such tell than
        that the their them then there these they this those to too under until up us use used was
        we were what when where which while who whom whose why will with would you your s t d ll m
        re ve show explain know get got need happens happen
    """,
    "de": """
        ab aber als also am an auf aus bei beim bin bis bitte da damit das dass dein deine dem den
        denn der des dich die dies diese dieser dieses dir doch du durch ein eine einem einen einer
        eines er es fur gibt habe haben hat hatte ich ihr im in ins ist ja kann kannst man mein
        meine meinem meinen meiner mich mir mit muss mussen nach nicht noch nur ob oder ohne sein
        sich sie sind so soll sollen sollte um und uns unser uber vom von vor wann war waren warum
        was wie wird werden wegen weil welche welchem welchen welcher welches wem wen wenn wer wo
        woher wohin wurde zu zum zur zwischen heisst bedeutet bedeuten viel viele lange oft darf
        durfen konnen wozu wofur woran womit mache macht machen tun sag erklare erklaren dann
    """,
    "es": """
        al algo como con cual cuales cuando cuanto cuanta cuantos cuantas de del desde donde dos el
        ella ellos en es esta estan este esto hace hacer hay la las le les lo los me mi mis muy no
        nos o para pero por porque puede puedo que quien se sea ser si sin sobre su sus te tiene
        tengo tu un una uno y ya significa debe debo cada
    """,
    "fr": """
        a ai au aux avec c ce ces cette cet comment combien d dans de des du elle en est et etre
        faire fait faut il ils j je l la le les leur lui ma mais me mes mon n ne nous on ou par pas
        peut peux pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se ses si
        son sont sur ta te tes ton tu un une vos votre vous y signifie dois doit
    """,
    "nl": """
        aan als bij dat de den der deze die dit doe doen door een en er ga gaat geen haar had heb
        hebben heeft het hij hoe hoeveel hun ik in is je jij kan kun kunnen maar me mee met mij mijn
        moet moeten na naar niet nog nu of om onder ons ook op over te tot u uit uw van veel voor
        vaak waar waarom wanneer was wat we welk welke werd wie wil word wordt worden ze zich zij
        zijn zo zou betekent lang
    """,
}
_BY_LANGUAGE = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_UNSPACED = re.compile(
    # Chinese
    "请问|什么时候|为什么|是什么|什么|怎么样|怎么办|怎么|怎样|如何|哪里|哪儿|哪个|哪些|哪种|多长时间|多少|多久|是否|可以|"
    "应该|应当|需要|必须|能否|能不能|可不可以|是不是|有没有|我们|你们|他们|这个|那个|这些|那些|意思|告诉我|一下|的时候|时候|"
    "如果|因为|所以|但是|以及|或者|还是|并且|的|了|吗|呢|吧|啊|我|你|您|它|他|她|是|该|几|"
    # Japanese
    "ですか|ますか|でしょうか|ください|とは|どうやって|どうすれば|どのように|どこ|なに|何ですか|いつ|なぜ|どう|"
    "する|します|した|して|です|ます|いい|は|が|を|に|の|と|へ|も|か|"
    # Thai
    "อย่างไร|อะไร|เมื่อไหร่|ที่ไหน|ทำไม|เท่าไหร่|คือ|ไหม|ครับ|ค่ะ"
)


def content_words(words: list[str]) -> list[str]:
    """Leave out the stop words of the language, or languages, of which most stand in ``words``."""
    found = {language: sum(word in stops for word in words) for language, stops in _BY_LANGUAGE.items()}
    most = max(found.values())
    # Of that language alone: a rubbish bin is not German.
    stops = frozenset().union(*(_BY_LANGUAGE[language] for language, count in found.items() if count == most))
    return [word for word in words if word not in stops]


def content_runs(run: str) -> list[str]:
    """Cut a run of Chinese, Japanese or Thai at its question words and particles."""
    return [part for part in _UNSPACED.split(run) if part]
