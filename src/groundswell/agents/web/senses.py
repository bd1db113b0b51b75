"""Words that ask for the same thing, and words that say what a question asks for."""

import re
from functools import lru_cache

from groundswell.agents.words import stem

_SENSES = """
cost price fee charge pricing pay tariff expensive cheap rate
limit maximum max cap quota ceiling most exceed longest largest highest
minimum min least lowest smallest shortest
remove delete erase drop uninstall purge clear deletion removal
create make add new generate build creation
start begin launch run boot startup
stop end terminate shut quit halt shutdown
cancel cancellation terminate
change modify edit update alter adjust switch
allow permit support accept let enable permission
require need must mandatory necessary requirement prerequisite
forbid prohibit ban disallow deny
show display list print view see
size big capacity large
duration long period last window
release publish ship introduce announce
author write creator maintain maintainer wrote
location place located site headquarter office based
default preset standard
setting option configuration config parameter configure
folder directory
error fail failure problem fault exception
fix resolve correct repair solve mend
return refund reimburse money
buy purchase order
employee staff worker colleague
vacation holiday leave
customer user client
login sign log signin authenticate authentication
email mail
phone telephone
contact reach
restore recover recovery
backup copy
often frequency frequent every
keep retain retention store stored save
expire expiry expiration valid validity
install setup installation
upgrade migrate migration update
deprecate deprecated obsolete remove
replace replacement successor instead supersede
average mean typical
speed fast quick throughput
respond response reply answer
deliver delivery ship shipping
fast quick speed
open opening hour
close closing closed
weigh weight heavy
tall height high
wide width
deep depth
forget lose lost forgotten
claim request apply ask demand
get obtain receive pick collect fetch
finish complete end done ready
accept take
sick sickness ill illness
wage salary pay
fine penalty
notify inform tell announce report
freeze frozen froze
internet network online offline connection
availability available uptime reach reachable
exclude skip leave omit ignore out
safe danger dangerous risk harm harmful
vacation leave absence
price cost charge
last keep
laptop device computer machine
clean wash
gift present donate donation
people person passenger inhabitant guest
support accept work run compatible available
password passphrase
found founded founder establish established
name call called known
responsible owner lead head charge
approve approval authorize
automatic automatically auto
guarantee warranty
compensation credit reimbursement
happen occur
reset restore
listen port
kind type
order sort sorted
disable deactivate
enable activate
handle process catch
register registration
send submit transmit
test testing
use usage
access reach open
serve server serving
render template rendering
""".strip()

_GROUPS: dict[str, set[int]] = {}
for _number, _line in enumerate(_SENSES.splitlines()):
    for _word in _line.split():
        _GROUPS.setdefault(stem(_word), set()).add(_number)

# verbs that say little: where nothing stands for them, the nouns beside them may still be answered
LIGHT = frozenset(
    stem(word)
    for word in """come go give put hold include contain have provide offer promise enter pick get obtain receive claim
    happen become follow bring leave turn choose count handle deal apply start quickly soon often usually safe possible
    set specify type value define able main correct right proper good best normal""".split()  # noqa: SIM905
)
_PHRASES = tuple(
    (re.compile(pattern, re.IGNORECASE), frozenset(map(stem, words.split())))
    for pattern, words in (
        (r"\b(?:up to|at most|no more than|not more than|limited to)\b", "maximum limit"),
        (r"\b(?:at least|or newer|or later|or more|no less than)\b", "minimum need require"),
        (r"\b(?:no longer|is gone|are gone|was removed|were removed)\b", "remove drop end"),
        (r"\b(?:free of charge|for free|is free|are free)\b", "cost price fee"),
        (r"\b(?:not allowed|must not|may not|forbidden|never)\b", "allow forbid safe"),
        (r"\b(?:instead of|in place of|replaced by|replaces)\b", "replace"),
        (r"\bby default\b", "default"),
        (r"\b(?:Linux|macOS|Windows|Unix)\b", "operating system platform"),
        (r"\d\s?(?:kg|g|lbs?|tons?|tonnes?|grams?|kilograms?|pounds?|ounces?)\b", "weight weigh heavy"),
        (r"\d\s?°\s?[CF]?", "temperature hot cold warm"),
        (r"[$€£]\s?\d|\d\s?(?:EUR|USD|GBP|CHF|euros?|dollars?)\b", "price cost"),
        (r"\d\s?(?:[KMGTP]i?B|bytes)\b", "size storage space memory"),
        (r"\d\s?(?:knots|km/h|mph|m/s|kn)\b", "speed fast"),
        (r"\d\s?(?:people|persons|passengers|seats|guests)\b", "capacity hold"),
        (r"\d\s?(?:mm|cm|m|km|met(?:re|er)s?|feet|ft|inch(?:es)?|miles?)\b", "length distance"),
        (r"\b(?:around the clock|at all hours|at any time)\b", "open hour"),
    )
)


@lru_cache(8192)
def said(text: str) -> frozenset[str]:
    """The stems of what phrases in a text say in other words."""
    return frozenset(word for pattern, words in _PHRASES if pattern.search(text) for word in words)


SYNONYM, KIN = 0.8, 0.85


@lru_cache(65536)
def alike(one: str, other: str) -> float:
    """How far one stem stands for another: 1 the same, less for a synonym or one of the same root, 0 for neither."""
    if one == other:
        return 1.0
    if _GROUPS.get(one, set()) & _GROUPS.get(other, set()):
        return SYNONYM
    shared = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared += 1
    shorter, longer = sorted((len(one), len(other)))
    is_kin = shared >= 4 and shared >= shorter - 1 and longer - shared <= 5
    return KIN if is_kin and shared >= 5 or (is_kin and shared == shorter and longer - shared <= 4) else 0.0
