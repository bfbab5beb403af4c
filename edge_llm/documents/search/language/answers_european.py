"""Patterns of English and German questions, and of what their answers contain: an amount of money, a date."""

_DIGITS = r"(?<![\w-])[0-9][0-9.,]*"
_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty"
    "|ninety|hundred|half|quarter|several|few"
    "|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|fünfzehn|zwanzig|dreißig"
    "|vierzig|fünfzig|sechzig|neunzig|hundert|halbe[nrs]?|viertel|anderthalb"
)
_COUNT = rf"(?:{_DIGITS}|\b(?:{_WORDS})\b)"
_NUMBER = rf"(?:{_COUNT}|\b(?:an?|ein(?:e[mnrs]?)?)\b)"
_MONTH = (
    "january|february|april|june|july|august|september|october|november|december"
    "|spring|summer|autumn|winter|easter|christmas|(?:may|march) [0-9]|(?<=[0-9] )(?:may|march)"
    "|januar|februar|märz|mai|juni|juli|oktober|dezember|frühling|frühjahr|sommer|herbst|ostern|weihnachten"
)
_DAY = (
    "(?:mon|tues|wednes|thurs|fri|satur|sun)days?|weekdays?|weekends?"
    "|(?:mon|diens|donners|frei|sams|sonn)tage?s?|mittwochs?|werktage?s?|wochenenden?"
)
_YEAR = r"\b(?:1[89]|20)[0-9]{2}\b(?!\.[0-9])"
_DATE = rf"{_YEAR}|\b[0-9]{{1,2}}\.[0-9]{{1,2}}\.|\b(?:{_DAY}|{_MONTH})\b"
_CLOCK = (
    r"\b[0-9]{1,2}[:.][0-9]{2}\b|o'clock|\bnoon\b|midnight|\b[0-9]+ ?[ap]\.?m\b"
    r"|\buhr\b|mittags?\b|mitternacht|\babends\b|\bmorgens\b"
)


def _amount(units: str, number: str = _NUMBER) -> str:
    """Return the pattern of an amount of ``units``, with a word between or without: ten working days."""
    return rf"{number}[ -]?(?:[\w-]+ )?(?:{units})(?![^\W_])"


def _asked_many(english: str, german: str) -> str:
    return rf"\bhow many (?:{english})\b|\bwie ?viele?n? (?:{german})\b"


_TIME = _amount(
    "sec(?:ond)?s?|min(?:ute)?s?|hours?|h|days?|nights?|weeks?|fortnights?|months?|years?"
    "|sekunden?|minuten?|std|stunden?|viertelstunden?|tage?n?|nächten?|wochen?|monate?n?|jahre?n?s?"
)
_LENGTH = _amount(
    "mm|cm|m|km|(?:centi|milli|kilo)?met(?:er|re)s?|inch(?:es)?|feet|foot|miles?|(?:zenti|milli|kilo)?metern?"
)
_EVERY = (
    r"\b(?:every|once|twice|each|times|never|per)\b|\b(?:dai|week|month|year|annual)ly\b"
    r"|\ba (?:day|week|month|year)\b|(?:ein|zwei|drei|vier|fünf|sechs|zehn|[0-9] ?)mal\b|tägig"
    r"|(?:täg|wöchent|monat|jähr)lich|\b(?:alle|jede[mnrs]?|pro|nie)\b|\bim (?:jahr|monat)\b"
)
_SOME_TIME = (
    r"\b(?:before|after|when|as soon as|if|until|from|once|every|while|during)\b|ly\b"
    r"|\b(?:nach|vor|wenn|sobald|bis|ab|bei|alle|während)\b|lich\b"
)
_COLOUR = (
    "red|blue|green|yellow|white|black|orange|gr[ae]y|brown|purple|violet|pink"
    "|rot|blau|grün|gelb|weiß|schwarz|grau|braun|lila|rosa"
)
_PAID = r"(?:cost|costs|pay|paid|charged?|spend|spent)\b"
_GERMAN_PRICE = "(?:beitrag|gebuhr|gebuhren|miete|kaution|preis|kosten|strafe|pfand|rate|betrag|pramie)"

_UNITS = {
    "volts?": "v|volts?",
    "amps?|amperes?|ampere": "a|amps?|ampere",
    "kw": "kw|kilowatts?",
    "watts?": "k?w|watts?",
    "kwh": "kwh|kilowatt ?hours?|kilowattstunden?",
    "qm": "m²|qm|square|quadratmetern?",
    "cbm": "m³|cbm|cubic|kubikmetern?",
    "bars?": "bar",
    "calories|kalorien": "k?cal|calories|kalorien",
    "megabits?|mbit": "mbit|mb",
    "revolutions|rpm|umdrehungen": "rpm|revolutions|u/min|umdrehungen|touren",
}
"""What stands for a unit of which the number is asked."""
EXISTS = r"^(?:do|does|has|have)\b[^?.]* have\b|^(?:is|are) there\b|^hat\b|^gibt es\b"
"""How one asks whether there is something."""
KINDS = (
    (r"\b(?:which|what) year\b|\bwelche[mns] jahr\b", _YEAR),
    (r"\b(?:which|what) (?:date|day)\b|\bwelche[mnrs]? (?:tag|datum|wochentag)\b", _DATE),
    (r"\b(?:which|what) time\b|\bwie ?viel uhr\b", _CLOCK),
    (
        r"\bhow (?:often|many times|frequently)\b|\bwie (?:oft|haufig)\b",
        f"{_EVERY}|{_TIME}|{_amount('times')}",
    ),
    (
        (
            r"\b(?:tele)?phone number|\bnumber (?:do|can|should|must) (?:i|we) (?:call|ring|dial)|\bhotline"
            r"|\b(?:telefon|ruf|handy|notruf|durchwahl)nummer\b|\b(?:unter )?welche[nr]? nummer\b"
        ),
        r"\b0[0-9]{2,}|\b1[12][0-9]\b|\b[0-9]{3,}[ -/][0-9]{3}|\b[0-9]{5}",
    ),
    (
        r"\b(?:which|what) (?:brand|make|company|manufacturer)\b|\bwelche[mnr]? (?:marke|hersteller|firma)\b",
        r"\bltd\b|\bcompany\b|\bfirm\b|brand|\bmade by|gmbh|firma|marke|hersteller",
    ),
    (
        r"\be-?mail address|\bwebsite\b|\bweb address|\be-?mail-?adresse\b|\bhomepage\b|\binternetadresse\b",
        r"@|www|http|[a-z]\.[a-z]{2}",
    ),
    (
        r"\b(?:what|which)\b[^?.]*\baddress\b|\bwelche\b[^?.]*\badresse\b|\banschrift\b",
        (
            r"\b(?:street|road|lane|avenue|http\w*|www)\b|[0-9]\.[0-9]+\."
            r"|stra(?:ß|ss)e|str\.|\w(?:weg|gasse|platz)\b"
        ),
    ),
    (
        (
            r"\bwhat (?:percentage|share)\b|\bwelche[nr]? (?:anteil|prozentsatz)\b"
            f"|{_asked_many('percent|per cent', 'prozent')}"
        ),
        "%|per ?cent|prozent|half|third|quarter|hälfte|drittel|viertel",
    ),
    (
        (
            r"\b(?:which|what|right|best) temperature|\bhow (?:hot|warm|cold)\b"
            r"|\bwelche[rn]? [^\W_]*temperatur|\bwie (?:warm|heiss|kalt)\b|\bwie ?viel grad\b"
            f"|{_asked_many('degrees', 'grad')}"
        ),
        r"°|\bdegrees?\b|\bgrad\b",
    ),
    (
        r"\bdecibels?\b|\bhow (?:loud|noisy)\b|\bdezibel\b|\bwie laut\b|\blautstarke\b",
        r"\bdb\b|decibel|dezibel",
    ),
    (r"\b(?:which|what) colou?r\b|\bwelche[rn]? farbe\b", rf"\b(?:{_COLOUR})"),
    (
        (
            r"\bhow heavy\b|\bweigh\b|\bwhat is the (?:maximum )?weight\b|\bwie schwer\b|\bwiegt\b"
            f"|{_asked_many('kg|kilos?|grams|tonnes', 'kg|gramm')}"
        ),
        _amount("kg|g|t|tonnes?|tons?|kilos?|grams?|gramm|tonnen?"),
    ),
    (
        (
            rf"\bhow much (?:money\b|[^?.]{{0,60}}\b{_PAID})"
            rf"|\bwhat (?:do|does|did|will)\b[^?.]{{0,60}}\b{_PAID}"
            r"|\bwhat (?:is|was|are) the [^?.]{0,20}(?:fee|price|fine|rent|deposit|premium)\b|\bprice\b"
            r"|\bhow expensive\b|\bwie teuer\b|\bwas (?:kostet|kosten|hat [^?.]{0,60}gekostet)\b"
            r"|\bwie ?viel (?:geld|euro|miete|kaution|taschengeld)\b"
            r"|\bwie ?viel\b[^?.]{0,60}\b(?:kostet|kosten|gekostet|zahl|bezahl)"
            rf"|\bwie hoch (?:ist|sind|war) (?:der|die) [^\W_]*{_GERMAN_PRICE}\b"
        ),
        (
            r"[€£$]|\b[0-9]+[.,][0-9]{2}\b(?![.,]?[0-9]|[%:])|\bfree\b|\bkostenlos|\bkostenfrei|\bgratis\b"
            r"|\b[0-9]+,[0-9]{3}\b(?! (?:[klmw]|rpm|square))"
            f"|{_amount('euros?|eur|cents?|pounds?|pence|dollars?')}"
        ),
    ),
    (
        r"\bhow long\b[^?.]*\b(?:warranty|guarantee)\b|\bwie lange?\b[^?.]*(?:garantie|gewahrleistung)\b",
        _amount("months?|years?|monate?n?|jahre?n?", _COUNT),
    ),
    (
        r"\bhow (?:long|quickly|soon|fast)\b|\bwie (?:lange?|schnell|bald)\b|"
        + _asked_many(
            "seconds|minutes|hours|days|weeks|months|years",
            "sekunden|minuten|stunden|tagen?|wochen|monaten?|jahren?",
        ),
        rf"{_TIME}|{_LENGTH}|\buntil\b|\bbis\b|immediately|at once|sofort",
    ),
    (
        r"\bhow (?:wide|tall|deep|thick|far (?:is|are|away))\b"
        r"|\bwie (?:breit|tief|dick|weit (?:ist|sind|liegt))\b|"
        + _asked_many(
            "(?:kilo|centi|milli)?met(?:er|re)s|[ckm]m|miles", "(?:kilo|zenti|milli)?metern?|[ckm]m"
        ),
        f"{_LENGTH}|{_TIME}",
    ),
    (r"\bhow (?:high|big|large)\b|\bwie (?:gross|weit|hoch)\b", _NUMBER),
    (
        r"\bhow old\b|\bwie alt\b",
        rf"{_amount('months?|years?|monate?n?|jahre?n?', _COUNT)}|{_YEAR}|\bborn\b|geboren",
    ),
    (
        _asked_many("lit(?:er|re)s|ml|gallons", "litern?|ml"),
        _amount("l|ml|lit(?:er|re)s?|litern?|gallons?"),
    ),
    *((_asked_many(asked, asked), rf"[0-9] ?(?:{given})(?![^\W_])") for asked, given in _UNITS.items()),
    (
        (
            r"\biban\b|\b(?:account|policy|insurance|customer|contract|serial|order) (?:number|no|nr)\b"
            r"|\b(?:konto|versicherungs|kunden|vertrags|serien|mitglieds|bestell|rechnungs)nummer\b"
        ),
        r"[0-9]{4}|[0-9]-[0-9]|\b[a-z]{1,4}[- ]?[0-9]",
    ),
    (
        (
            r"\b(?:what|which)\b[^?.]*\b(?:password|passcode|pin)\b"
            r"|\b(?:lautet|welche[sn]?|heisst)\b[^?.]*(?:passwort|kennwort|geheimnummer|\bpin)\b"
        ),
        r"pass(?:word|code|phrase)|\bpin\b|\bkey\b|passwort|kennwort|schlüssel",
    ),
    (
        r"\b(?:buy|bought|purchased?)\b|\bgekauft\b",
        r"bought|purchas|deliver|dealer|invoice|receipt|from new|kauf|geliefert|händler|rechnung",
    ),
    (
        r"^when\b|\b(?:until|till|by|from|since) when\b|^wann\b|\b(?:bis|ab|seit|von) wann\b",
        f"{_DATE}|{_CLOCK}|{_TIME}|{_SOME_TIME}",
    ),
    (
        (
            r"\b(?:electricity|energy|power) (?:does|do|is|did)\b"
            r"|\bwie ?viel (?:strom|energie|leistung)\b|\bwatts?\b"
        ),
        r"[0-9] ?k?wh?\b|\bwatts?\b|percent|prozent",
    ),
    (r"\b(?:how many|wie ?vielen?) ([^\W\d_]+(?: [^\W\d_]+)?)", _COUNT),
    (r"\bhow much\b|\bwie ?viel\b", _NUMBER),
)
"""How one asks, in a normalised question, and what is given, in lower case. A group of the first is what is
counted: how many (devices)."""
