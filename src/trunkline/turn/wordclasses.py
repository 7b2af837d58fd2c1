"""Closed classes of English words, as completeness and the count of clauses need them."""

from __future__ import annotations

from trunkline.turn.wording import words_of

CONJUNCTIONS = words_of("and or but because so if when while although though since unless than that whether")
PREPOSITIONS = words_of(
    "to of in on at for with from by about into onto over under between near around after before until "
    "without within through during against like as per via off up down behind inside outside since"
)
PARTICLES = words_of(
    "up off on in out down over back away around through along by before after since about outside "
    "inside behind"
)
"""What can end a sentence though it looks like a preposition: "it is switched off"."""
ARTICLES = words_of("a an the my your our their its every whose")
DETERMINERS = ARTICLES | words_of("this these those each some any no his another which all most both")
BE = words_of(
    "is are was were am be been i'm we're you're they're he's she's it's that's there's what's who's "
    "isn't aren't wasn't weren't where's how's here's"
)
MODALS = words_of(
    "will would can could should shall may might must have has had do does did i'll i'd i've we'll "
    "we've we'd you'd you've you'll they'd they've they'll he'd she'd he'll she'll it'll don't doesn't "
    "didn't can't won't couldn't wouldn't shouldn't haven't hasn't hadn't gonna wanna gotta let's "
    "cannot"
)
AUXILIARIES = BE | MODALS
SUBJECTS = words_of("i we he she they")
PRONOUNS = SUBJECTS | words_of("you it that this there who")
OBJECTS = words_of("me him her us them")
SUBORDINATORS = words_of("if when because although though since unless while whenever once until whether")
QUESTIONS = words_of(
    "what when where who why how which whose can could would will do does did is are was were may "
    "should have has what's where's who's how's"
)
WH_WORDS = words_of("what when where who why how which whose what's where's who's how's")
INTENSIFIERS = words_of("very really quite pretty too so more most less least")
BARELY = words_of("very quite pretty just only even almost nearly rather")
"""Adverbs that something always follows."""
SAYING = words_of("think guess believe suppose hope say says said thought")
GIVING = words_of("give gives gave tell tells told send sends sent show shows showed lend offer bring get")
"""Verbs with two objects: "send me" is half a wish."""
WANTING = words_of(
    "want need like love prefer have make give book tell ask find send bring put let wants needs likes "
    "has makes means mean think thought guess believe suppose wonder looking trying calling asking "
    "hoping wondering called named buy sell rent explain show hope wish meant says said keeps use uses"
)
TIMES = words_of(
    "today tomorrow tonight now later soon yesterday morning afternoon evening week month year pm am "
    "o'clock noon midnight monday tuesday wednesday thursday friday saturday sunday january february "
    "march april may june july august september october november december summer winter spring autumn"
)
CLOSERS = words_of(
    "please thanks thank yet anymore more though either too well again already anyway myself sorry fine "
    "good great perfect okay bye goodbye it that him her me us them"
)
ADVERBS = words_of(
    "again all already always both just never usually up down off out still twice though also only "
    "almost too before later back away through once yet ever often sometimes soon possible long not "
    "maybe please really actually well even properly probably obviously absolutely completely basically"
)
INTERJECTIONS = words_of(
    "well so um okay ok right sorry look listen actually basically honestly unfortunately usually "
    "obviously hello hi hey yes no yeah yep nope sure and but or because please then also maybe just "
    "great alright fine anyway oh ah uh"
)
OPENERS: tuple[tuple[str, ...], ...] = tuple(
    sorted(
        (
            tuple(phrase.split())
            for phrase in (
                "to be honest",
                "to be fair",
                "to tell you the truth",
                "i'll be honest with you",
                "let me see",
                "let me think",
                "let me check",
                "let me count",
                "first of all",
                "as far as i know",
                "you see",
                "you know",
                "i mean",
                "for now",
                "for example",
                "at the moment",
                "at least",
                "the thing is",
                "the problem is",
                "the point is",
                "the question is",
                "in fact",
                "as a matter of fact",
                "in that case",
                "on the other hand",
                "on top of that",
                "by the way",
                "after all",
                "as i said",
                "like i said",
                "one more thing",
                "i guess",
                "i suppose",
                "i think",
                "i believe",
                "i would say",
                "i'd say",
                "i don't know",
                "i'm sorry",
                "i'm afraid",
                "excuse me",
                "thank you",
                "hang on",
                "hold on",
                "never mind",
                "no worries",
                "of course",
                "what if",
            )
        ),
        key=len,
        reverse=True,
    )
)
"""What opens a sentence and is none, the longest first."""
WHOLE_BY_THEMSELVES = frozenset(
    tuple(phrase.split())
    for phrase in (
        "thank you", "never mind", "no worries", "of course", "thanks a lot", "excuse me", "maybe", "fine",
        "i see", "i understand", "how come", "how so", "who's calling",
    )
)  # fmt: skip
"""Openers and short answers that are also all that somebody may say."""
