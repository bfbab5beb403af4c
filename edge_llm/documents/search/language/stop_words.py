"""Words of a question that say nothing of what it is about, by language."""

_WORDS = {
    "en": """
        a about after all also am an and any are as at be been before but by can could d did do does
        doing explain for from get got had happen happens has have having he her him his how i if in
        into is it its know ll m many may me mean means might much my need no not of on once or our
        out over please re s shall she should show so some such t tell than that the their them then
        there these they this those to too under until up us use used ve was we were what when where
        which while who whom whose why will with would you your
        """,
    "de": """
        ab aber als also am an auf aus bedeuten bedeutet bei beim bin bis bitte da damit dann darf
        das dass dein deine dem den denn der des dich die dies diese dieser dieses dir doch du durch
        durfen ein eine einem einen einer eines er erklare erklaren es fur gibt habe haben hat hatte
        heisst ich ihr im in ins ist ja kann kannst konnen lange mache machen macht man mein meine
        meinem meinen meiner mich mir mit muss mussen nach nicht noch nur ob oder oft ohne sag sein
        sich sie sind so soll sollen sollte tun uber um und uns unser viel viele vom von vor wann
        war waren warum was wegen weil welche welchem welchen welcher welches wem wen wenn wer
        werden wie wir wird wo wofur woher wohin womit woran wozu wurde zu zum zur zwischen
        """,
    "es": """
        al algo cada como con cual cuales cuando cuanta cuantas cuanto cuantos de debe debo del
        desde donde dos el ella ellos en es esta estan este esto hace hacer hay la las le les lo los
        me mi mis muy no nos o para pero por porque puede puedo que quien se sea ser si significa
        sin sobre su sus te tengo tiene tu un una uno y ya
        """,
    "fr": """
        a ai au aux avec c ce ces cet cette combien comment d dans de des dois doit du elle en est
        et etre faire fait faut il ils j je l la le les leur lui ma mais me mes mon n ne nous on ou
        par pas peut peux pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se
        ses si signifie son sont sur ta te tes ton tu un une vos votre vous y
        """,
    "nl": """
        aan als betekent bij dat de den der deze die dit doe doen door een en er ga gaat geen haar
        had heb hebben heeft het hij hoe hoeveel hun ik in is je jij kan kun kunnen lang maar me mee
        met mij mijn moet moeten na naar niet nog nu of om onder ons ook op over te tot u uit uw
        vaak van veel voor waar waarom wanneer was wat we welk welke werd wie wil word worden wordt
        ze zich zij zijn zo zou
        """,
}
_WEAK = {
    "en": """
        amount colour color height length size weight width name type brand
        actually add against ago ahead allow alone already although always around ask away back bad
        become begin begins being best better big both bring built buy call came causes change check
        choose come comes coming contain contains correct day days different during either else end
        enough ever every everything exactly explain fill find first fit fits fix full give given
        gives go goes going gone good great half hand happen happened happens hard help high hold
        holds home house just keep keeps kind known large last later least leave left less let lies
        like list little long look lot low made make makes making matter maximum maybe means meant
        more most move moved must name near need needed needs never new newer next nothing now
        number ok okay old one only open other own owner part parts people person place please
        possible prefer problem put question rather read really remember report right run said same
        say says second see seem seems set several show shown shows side since small somebody
        someone something sometimes soon spend stand stands start starts stay stays still stop sure
        take takes tells thing things think time times today together told tomorrow tonight took
        touch tried try turn turned turns two type upon used using usually very wait want wanted
        wants watch way went whatever without work works write writes written wrong wrote yes yet
        according accordingly actual afterward afterwards allows anybody anyone anything anyway anywhere
        asked asking became because becomes beforehand behind below beneath beside besides between beyond
        bringing brings brought cannot couldn despite didn doesn don dont each earlier especially etc
        everybody everyone everywhere exact except few further furthermore gets getting gonna gotta gotten
        happening hello hence herself hey hi himself however indeed itself keeping kept latter likely lots
        main mine moreover mostly myself namely neither nevertheless nobody none nor nowhere others
        otherwise ought ours ourselves per perhaps puts putting quite saying shouldn somehow somewhere taken
        taking thank thanks theirs themselves therefore though throughout thus till toward towards twice
        unless unlike uses various via wanna wasn weren whenever wherever whether whichever whoever whole
        within won wouldn yours yourself onto far isn aren hasn haven hadn mustn
        """,
    "de": """
        anzahl breite farbe gewicht grosse hohe lange menge name sorte
        ablauf alle allein allem allen alles andere anderen anders anfang ausser beachten bedeutung
        beginnen beim bekomme bekommen benutzen bereits besser beste bitte brauche brauchen braucht
        bringen dafur dagegen daher danach daran darauf daruber dauer dauert dran drei eigentlich
        einfach einmal ende erst erste fest finde finden funktioniert ganz geben gehen gehort geht
        genau gerade gern gilt gross gut halten heute hier hilft hoch immer jeden jeder jedes jemand
        jetzt kein keine keinen klein komme kommen kommt krieg kriege kurz lassen lautet leer lege
        legen letzte liegen liegt machen maximal mehr melden mitten mochte moglich morgen muss
        nachste nehmen nenne neu neue neuen nie nimmt nummer nutzen oben ort passiert passt rein
        richtig sagen sagt schon schreib schreibe schreiben sehen seinen seiner setzen sofort sonst
        spat steckt stehen steht stelle stellen stimmt tauchen teil tut unser unsere unserem unseren
        unserer unten unterwegs verstehe versuche verwenden voll vorher warten weg weiss weiter
        wenig wieder will wirklich wissen wo wohl wollen wurden zeige zeigen zeigt zeit zwei
        aller anderem anderer anderes ausserdem bald bedeute bekommst bekommt bevor bist bleibe bleiben
        bleibt bloss brauchst bringe bringt bzw ca circa dabei dahin darfst darum dasselbe dazu deinem
        deinen deiner deines demselben dennoch denselben derer derselbe derselben deshalb desselben dessen
        deswegen dieselbe dieselben dort dorthin durft durfte durften eben einig einige einigen einiger
        einiges etwa etwas euch euer eure eurem euren eurer eures eventuell falls findet gab gebe gebraucht
        gebt gegangen gegeben gegen gehabt gehe gehst gekommen gelassen gemacht gemeinsam genommen getan
        gewesen gibst ging gleich hab habt halt hast hatten hattest hattet heissen hierher hin hinter ihm
        ihn ihnen ihre ihrem ihren ihrer ihres indem insgesamt inwiefern irgendein irgendwann irgendwas
        irgendwie irgendwo jedem jemals jemandem jemanden jene jenem jenen jener jenes jeweils kam keinem
        keiner keines knapp kommst konnt konnte konnten konntest kriegst kriegt lasse lasst laut legt machst
        mag magst mal manche manchem manchen mancher manches manchmal meines meist meistens miteinander
        mogen musst musste mussten musstest nachdem nahm nehme nichts niemals niemand niemanden nimmst
        nochmal nochmals normalerweise nun pro rund sehe sehr seid seine seinem seines selber selbst setzt
        siehst sieht sobald sodass sofern sogar solange solche solchem solchen solcher solches sollst sollt
        sollten solltest sondern stellt trotzdem tue tust uberall uberhaupt ublicherweise unbedingt ungefahr
        unseres usw vielleicht wahrend ware warst weitere weiteren weiterer werde werdet weshalb wessen
        wieso wieviel wieviele willst wirst wobei wodurch wogegen wollte wollten wolltest wonach worauf
        woraus worden worin woruber worum wovon wovor wurdest zb zuerst zuletzt zusammen zwar
        standig dauernd andauernd immerzu plotzlich leider komisch gerne lieber weiterhin ubrigens naturlich
        her mitten weit
        """,
}
_WEAK_BY_LANGUAGE = {language: frozenset(words.split()) for language, words in _WEAK.items()}
_BY_LANGUAGE = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def languages_of(words: list[str]) -> list[str]:
    """The language, or languages, of which most stop words stand in ``words``; none where none stands."""
    found = {language: sum(word in stops for word in words) for language, stops in _BY_LANGUAGE.items()}
    most = max(found.values())
    return [language for language, count in found.items() if count == most] if most else []


def stop_words(languages: list[str]) -> frozenset[str]:
    """The stop words of these languages, of all where there is none: a rubbish bin is not German."""
    return frozenset().union(*(_BY_LANGUAGE[language] for language in languages or _BY_LANGUAGE))


def weak_words(languages: list[str]) -> frozenset[str]:
    """Words that say little of what a question is about: common verbs and the like."""
    return frozenset().union(*(_WEAK_BY_LANGUAGE.get(language, ()) for language in languages or _BY_LANGUAGE))
