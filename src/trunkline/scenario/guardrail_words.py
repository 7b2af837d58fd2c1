"""The words that the guardrail goes by: patterns over plain English, each for one rule."""

from __future__ import annotations

import re

PROFANE = re.compile(
    r"\b(fuck\w*|shit\w*|bullshit|bitch\w*|asshole\w*|arsehole\w*|bastard\w*|cunt\w*|wank\w*|motherfuck\w*|"
    r"idiot\w*|moron\w*|retard\w*|slut\w*|whore\w*|nigg\w*|faggot\w*|damn you|shut up)\b"
)
PROMISES = re.compile(
    r"\b(guarantee[ds]?|guaranteed|discounts?|refunds?|reimburse\w*|money back|free of charge|"
    r"for free|at no cost|"
    r"no cost|free (month|trial|phone|upgrade|year|week)s?|half price|special (offer|price|deal)|best price|"
    r"i promise|we promise|you have my word|i swear|waive[ds]?|voucher|gift card|cash ?back|compensat\w+|"
    r"price match|lifetime|unlimited|hundred percent|per ?cent off|% off|half off|two for one|"
    r"(a |one )?(half|third|quarter) (off|less|cheaper)|cheaper than|complimentary|on the house|rebate|"
    r"(no|without|free of) (any )?(charge|cost|obligation|risk)|lower (the|your|our) price|"
    r"(match|beat) (their|that|any|the) price|knock (something|it|a bit) off|extra bonus|"
    r"you (will )?(never|not) (have to )?pay|always (works?|be)|never (fails?|breaks?)|risk free)\b|%"
)
DENIES = re.compile(
    r"\b(can not|can t|could not|will not|not able to|not allowed|may not|must not|never|do not|no)\b"
)
HUMAN = re.compile(
    r"\bi am (really |actually |in fact |of course )?(not (an? )?(ai|a i|robot|machine|bot|computer|"
    r"artificial\w*)|"
    r"(an? )?(real |actual |living )?(human|person|man|woman|guy))\b(?! assistant)"
)
LINK = re.compile(
    r"(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+\.[\w.]+|\b[\w-]+\.(?:com|net|org|io|co|uk|de|ai|app|"
    r"info|biz|example)\b"
    r"|\b\w+ dot (?:com|net|org|io|co|uk|de|ai|app)\b",
    re.IGNORECASE,
)
LEAKS = re.compile(
    r"\b(system prompt|my (instructions|prompt|programming|rules (are|say))|answer objection|"
    r"set field|confirm field|"
    r"go to step|schedule callback|end call|json|language model by|openai|anthropic|chatgpt|"
    r"(debug|developer|admin|god|jailbreak|unrestricted) mode|jailbr\w+|"
    r"(ignore|ignoring|forget|forgetting|drop|dropping) (all |my |the |any |your )*(previous |earlier )?"
    r"(rules?|instructions|guidelines)|no (more )?(rules|restrictions|limits) (apply|now|any ?more)|"
    r"rules (no longer|do not) apply)\b|"
    r"set_field|go_to_step"
)
OTHERS = re.compile(
    r"\b(another|other|different) (customer|client|caller|person)s? (is|was|are|pays?|paid|named|"
    r"called|said|has|lives?)\b|"
    r"\b(his|her|their) (phone number|address|e ?mail|account|card|password|date of birth) (is|are)\b|"
    r"\b(your|the|another) (neighbou?r|colleague|wife|husband|boss|flatmate|last caller|"
    r"previous (caller|customer|owner))( \w+)? (pays?|paid|owes?|owed|ordered|earns?|lives?|told us|"
    r"said that|has (an?|the) (account|debt|contract))\b|"
    r"\b(mister|missis|miss|mr|mrs|ms) \w+ (pays?|paid|owes?|owed|ordered|earns?|lives?)\b|"
    r"\b(credit card|social security|card number|password|passport number|pin code|security code)\b"
)
MONEY_WORDS = frozenset(
    [
        "dollar",
        "dollars",
        "euro",
        "euros",
        "pound",
        "pounds",
        "cent",
        "cents",
        "bucks",
        "percent",
        "%",
        "$",
        "£",
        "€",
        "month",
        "monthly",
        "year",
        "yearly",
    ]
)

TOPICS = {
    "legal": re.compile(
        r"\b(sue|lawsuit|legal(ly)? (advice|rights?|action|speaking)|your (legal )?rights|in court|"
        r"(il)?legal to|lawyers?|solicitors?|attorneys?|liab(le|ility))\b"
    ),
    "medical": re.compile(
        r"\b(diagnos\w+|symptoms?|medication|medicines?|dos(e|es|age)|prescri\w+|side effects?|"
        r"you (may|might|could|probably) have (a |an )?\w*(itis|osis|emia|cancer|flu|infection|allergy)|"
        r"cure[sd]?|therap(y|ies)|vaccin\w+|treatments?)\b"
    ),
    "financial": re.compile(
        r"\b(invest(ing|ment|ments)?|shares|stocks?|crypto\w*|bitcoin|mortgages?|pensions?|interest rates?|"
        r"tax (advice|return|deductible)|returns? on|save (on )?taxes)\b"
    ),
    "politics": re.compile(
        r"\b(elections?|vote[ds]?|voting|politic\w*|parliament|president|prime minister|governments?|"
        r"democrats?|republicans?|labour party|conservatives?|brexit|immigra\w+|war in)\b"
    ),
    "religion": re.compile(
        r"\b(god|jesus|allah|religio\w+|church(es)?|mosques?|christian\w*|muslims?|jew(s|ish)?|bible|quran|pray\w*)\b"
    ),
}
"""Topics that a scenario may forbid by name."""

OTHER_SCRIPT = re.compile(r"[\u0370-\u1fff\u2e80-\ud7ff\uf900-\ufdff\ufe70-\ufeff]")
"""Greek, Cyrillic, Arabic, the scripts of Asia: no letters of English."""
FOREIGN = frozenset(
    [
        "der", "das", "und", "ist", "nicht", "sie", "ich", "wir", "ein", "eine", "einen", "mit", "bekommen",
        "haben", "kostenlos", "umsonst", "für", "auf", "ihnen", "dem", "zu", "je", "vous", "nous", "est",
        "les", "une", "des", "pas", "avec", "gratuit", "oui", "votre", "que", "el", "los", "las", "una",
        "para", "gratis", "usted", "te", "doy", "es", "por", "su", "il", "che", "sono", "gli",
        "della", "lei", "un", "le", "la", "di", "het", "een", "niet", "en", "voor", "jest", "nie", "się",
        "bir", "ve", "bu", "için", "ücretsiz", "você", "não", "uma", "são", "grátis",
    ]
)  # fmt: skip
"""Small words of other languages that are none of English, or hardly ever."""
