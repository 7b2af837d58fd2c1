"""What callers mean at any step: the built-in intents, with what they say.

Each has whole sentences (they also go to the recogniser, see `expect.py`) and patterns that are sure
when they match. Scenarios add their objections and questions, with sentences of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SURE = 86.0
"""At this score and above, nobody need be asked."""
LIKELY = 66.0
"""Below this the words match nothing."""


@dataclass(frozen=True, slots=True)
class Intent:
    """`hear`: whole sentences, plain. `patterns`: regular expressions over plain words, sure."""

    hear: tuple[str, ...]
    patterns: tuple[str, ...] = ()


BUILT_IN: Mapping[str, Intent] = {
    "yes": Intent(("yes", "yes please", "sure", "okay", "that is right", "correct", "yes that is right")),
    "no": Intent(("no", "no that is wrong", "not really", "no that is not right")),
    "human": Intent(
        (
            "can i speak to a person", "can i talk to a human", "i want to speak to a human",
            "i want to talk to a real person", "let me speak to someone", "put me through to a person",
            "can you transfer me", "give me a human", "i would rather talk to a person",
            "can i speak to your manager", "i want to speak to a real person please",
        ),
        (
            (
                r"\b(speak|talk|put me through|connect me|transfer me|hand me over)\b.*\b(human|person|"
                r"someone|"
                r"somebody|"
                r"people|manager|supervisor|agent|operator|colleague|representative|your boss|staff)\b"
            ),
            r"\b(a|real|actual|live) (human|person)( being)?\b(?=.*\b(please|now|get|want|give|need)\b)",
            (
                r"\b(get|give|want|need) (me )?(to (speak|talk) to )?(a|an|your) (real |actual |live )?"
                r"(human|person|manager|supervisor|operator|representative)\b"
            ),
            (
                r"\b(prefer|rather|want|need) (to )?(speak|talk|have|with|to|a|an)\b.*\b(human|person|"
                r"somebody real)\b"
            ),
            r"\b(somebody|someone|anybody|anyone|somebody real) (else )?(i|we) (can|could) (talk|speak) to\b",
            (
                r"\b(pass|put|hand|give) me (on |over |through )?(to )?(a |an |your |somebody |someone )"
                r"(colleague|person|human|manager|real|supervisor)\b"
            ),
            r"\b(real|actual|live) (human|person)\b.*\b(speak|talk)\b",
            r"\bdo not (talk|speak) (to|with) (machines|robots|computers|bots)\b",
            r"^(human|operator|representative|agent|a human please|real person)$",
        ),
    ),
    "opt_out": Intent(
        (
            "stop calling me", "do not call me again", "take me off your list", "remove me from your list",
            "do not call this number again", "never call me again", "please take me off your list",
            "stop calling", "remove my number", "put me on the do not call list",
        ),
        (
            r"\b(stop|quit) (calling|ringing|phoning|bothering|contacting)\b",
            (
                r"\b(do not|never|not) (ever )?(call|ring|phone|contact|bother) (me|us|this number|"
                r"here)( any ?more| again|$)"
            ),
            r"\bdo not (ever )?(call|ring|phone|contact) again\b",
            (
                r"\b(take|remove|delete) (me|us|my number|our number|this number|my name|my data)\b.*\b(list|"
                r"database|"
                r"system|records?|off)\b"
            ),
            r"\b(remove|delete|erase) (all )?my (details|information|records?|contact)\b",
            r"\b(want|get|take|have) (my|our|this) (number|name|details) (gone|off|out|removed|deleted)\b",
            r"\b(never|do not) want to (hear|be called|be contacted|get calls)\b|\bno more (phone )?calls\b",
            r"\b(keep|always) calling\b.*\bstop\b|\bstop (it|this|that|these calls|with the calls)\b",
            (
                r"\b(remove|delete) my (number|data)\b|\bdo not call list\b|\bunsubscribe\b|\blose (my|"
                r"this) number\b"
            ),
        ),
    ),
    "robot": Intent(
        (
            "are you a robot", "are you a machine", "are you a real person", "am i talking to a machine",
            "are you human", "is this a robot", "are you an ai", "am i talking to a computer",
            "is this a real person",
        ),
        (
            (
                r"\b(are you|is this|am i (talking|speaking) to) (really |actually |just )?(an? )?(real |"
                r"actual |"
                r"live )?"
                r"(robot|bot|machine|computer|ai|a i|human|person|chatbot|artificial)\b"
            ),
            r"\b(some|any) kind of (robot|bot|machine|computer|ai)\b|\byou are not (real|human|a person)\b",
            (
                r"\b(is|are) there (a |an |any )?(real |actual )?(human|person|people) (there|on the line|"
                r"at all)\b"
            ),
            r"\b(talking|speaking) to an? (automated|automatic|artificial|computer)\b",
            r"\byou (are|sound like) (an? )?(robot|bot|machine|computer)\b",
        ),
    ),
    "repeat": Intent(
        (
            "can you repeat that", "sorry what was that", "say that again", "could you say that again",
            "i did not hear you", "pardon", "what did you say", "come again", "please repeat",
            "sorry i did not catch that", "i beg your pardon", "one more time please",
        ),
        (
            r"\b(say|repeat|ask) (that|it|this|the question) ?(again|once more|one more time|please)?$",
            (
                r"\bsay (that|it) again\b|\brepeat (that|it|the question)\b|^(sorry )?(pardon|what|huh|"
                r"excuse me)( me)?$"
            ),
            (
                r"\bwhat (did you say|was that|was the question)\b|\bdid not (hear|catch|get) (that|you|it|"
                r"the question)\b"
            ),
        ),
    ),
    "callback": Intent(
        (
            "call me later", "call me back later", "can you call me back", "i have no time now",
            "i do not have time right now", "i am in a meeting", "call me another time",
            "i am busy right now",
            "call me <day> at <time>", "call me back <day> at <time>", "can you call me <day> at <time>",
            "i am busy call me <day> at <time>", "i am driving", "it is a bad time", "not a good time",
            "call me back <day>", "i have no time call me <day> at <time>", "please call me <day> at <time>",
            "could you call back later", "try me again <day> at <time>",
        ),
        (
            (
                r"\b(call|ring|phone|try|reach) (me |us )?(back|again|later|another time|some other time|"
                r"tomorrow|on|"
                r"next|monday|tuesday|wednesday|thursday|friday|saturday|sunday|at|in the|after|this)\b"
            ),
            (
                r"\b(i am|i am a bit|we are) (very |really |quite |so |too |a bit )?(busy|driving)\b|"
                r"\bin a meeting\b"
            ),
            r"\b(tied up|in the middle of|not (a )?great (time|for me)|not a good|catch me|try me)\b",
            r"\b(no|not (the|enough|got)|do not have (the|any)?|have no|not have) ?time\b",
            r"\b(bad|not a good|wrong|terrible) (time|moment)\b|\banother (time|day)\b",
        ),
    ),
    "wrong_person": Intent(
        (
            "you have the wrong number", "wrong number", "wrong person", "you have the wrong person",
            "there is nobody here by that name", "that is not me", "he does not work here any more",
            "she does not work here any more", "i am not the right person",
        ),
        (
            (
                r"\bwrong (number|person|guy|company)\b|\b(nobody|no one) (here )?(by|with|of) (that|"
                r"this) name\b"
            ),
            (
                r"\b(dialed|dialled|called|got|reached) the wrong\b|\bleft (the company|years|months|"
                r"long) ?\w*\b"
            ),
            r"\bnot the (one|person|right).*\b(deals|handles|decides|in charge|person|responsible)\b",
            r"\b(does not|no longer) (work|live) here\b|\bwrong (department)\b",
        ),
    ),
    "abuse": Intent(
        (),
        (
            (
                r"\b(fuck|fucking|fuck off|shit|bullshit|bitch|asshole|arsehole|bastard|idiot|moron|"
                r"stupid|dumb|"
                r"cunt|"
                r"go to hell|piss off|screw you|shut up|get lost|wanker|scum|scammer)\b"
            ),
        ),
    ),
    "rules": Intent(
        (),
        (
            (
                r"\b(ignore|forget|disregard|override|bypass) (all |everything |any )?(of )?(the |your |my |"
                r"previous |prior |"
                r"these |those |above )*(instructions?|rules?|prompts?|guidelines?|programming|you were told|"
                r"training)\b"
            ),
            (
                r"\b(system prompt|your (prompt|instructions|rules)|developer mode|jailbreak|debug mode|"
                r"admin mode)\b"
            ),
            (
                r"\b(pretend|act|behave|role ?play) (to be|as|like|that|you)\b|\byou are now\b|"
                r"\bfrom now on you\b"
            ),
            (
                r"\brepeat (after me|the words|everything)\b|\bsay exactly\b|\bi am (your|the) (developer|"
                r"admin|"
                r"administrator|boss|creator|programmer|ceo|owner)\b"
            ),
            (
                r"\bother (customers?|callers?|clients?|people)s? .*\b(name|number|data|address|paying|pay|"
                r"details|told)\b"
            ),
            r"\b(name|number|data|address|details|price)s? of (your |the )?other (customer|client)s?\b",
            (
                r"\b(give|tell|read) me .*\b(another|other|someone|somebody|neighbou?r|customer)s?.*"
                r"\b(number|address|"
                r"data|email|name|details|record)s?\b"
            ),
        ),
    ),
    "goodbye": Intent(
        ("goodbye", "bye", "bye bye", "i have to go", "i am hanging up", "that is all goodbye"),
        (r"^(okay |well |thanks |thank you )*(good ?bye|bye( bye)?)$", (r"\b(i am hanging up|i have to go|"
        r"i must go)\b")),
    ),
    "hold": Intent(
        ("one moment", "hold on", "just a moment", "wait a moment", "hang on a second", "let me think"),
        (
            (
                r"^(just )?(hold on|hang on|one (moment|second|sec|minute)|wait|a moment|give me a (moment|"
                r"second|minute)|"
                r"wait a (moment|second|minute)|let me (think|check|see|look))( please)?$"
            ),
        ),
    ),
    "greeting": Intent(
        ("hello", "hi", "good morning", "good afternoon", "speaking"),
        (r"^(hello|hi|hey|good (morning|afternoon|evening)|speaking|yes hello|hello there)$",),
    ),
    "minor": Intent(
        ("i am only twelve years old", "i am a kid"),
        (
            (
                r"\bi am (only |just )?([4-9]|1[0-7]|four|five|six|seven|eight|nine|ten|eleven|twelve|"
                r"(thir|four|fif|six|seven)teen) years old\b"
            ),
            r"\bi am (only |just |still )?an? (kid|child|minor)$",
            r"\bmy (mum|mom|mummy|mommy|dad|daddy|parents) (said|says|told) (i|not|that i|me)\b",
        ),
    ),
    "language": Intent(
        ("i do not speak english", "do you speak spanish", "sorry no english"),
        (
            (
                r"\bi (do not|can not|only) (speak|understand) (any |much |good )?"
                r"(english|spanish|french|german|polish|italian|portuguese|chinese|arabic|turkish|russian)\b"
            ),
            (
                r"\b(do you|can you|does anybody|anyone) (speak|talk) (any )?(hindi|urdu|"
                r"spanish|french|german|polish|italian|portuguese|chinese|arabic|turkish|russian)\b"
            ),
            r"^(sorry )?no english( sorry)?$|\bno (hablo|entiendo)\b|\bhabla(s)? espa\w*ol\b",
            r"\b(parlez vous|je ne parle pas|je ne comprends pas)\b|\bnon parlo\b|\bn[aã]o falo\b",
            r"\b(ich spreche|sprechen sie|ich verstehe) (kein|nicht|deutsch|sie nicht)\b|\bnie m[oó]wi[eę]\b",
        ),
    ),
    "who": Intent(
        ("hello who is this", "who is this", "who am i speaking with", "who are you", "sorry who is this"),
        (
            r"\bwho (is|are) (this|you|calling|speaking)\b|\bwho am i (speaking|talking) (to|with)\b",
            r"\bwhat (is|was) your name( again)?$|\bwhich company (is this|are you)\b",
        ),
    ),
    "backchannel": Intent(
        ("mm hm", "uh huh", "i see", "right", "okay", "got it"),
        (r"^(m+ ?h?m+|mhm|uh huh|i see|hm+|ah|aha|got it|right|oh|okay|okay i see|interesting)$",),
    ),
}  # fmt: skip

FIRST = ("opt_out", "rules", "human", "wrong_person", "minor", "language", "robot", "abuse")
"""Those that count wherever they stand in a turn, in this order; the rest compete by score."""
