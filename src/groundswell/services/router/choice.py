"""Chooses the agent for a question, or none; says how sure it is, who else could answer, and why."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from groundswell.core.agent import Agent
from groundswell.core.records import Alternative, Route
from groundswell.services.router import features, intents
from groundswell.services.router.classifier import NONE, Classifier, Seen, trained

Vector = Callable[[str], Awaitable[Sequence[float] | None]]  # a text's MiniLM vector, where there is one

MENTION = re.compile(r"\s*@([A-Za-z][\w-]*)[\s,:]*")
LEANS = {  # by how much a run's only kind of source speaks for an agent; `ask` names the current folder's repository
    "repo": ("coding", 1.0),
    "kubernetes": ("observability", 2.0),
    "prometheus": ("observability", 2.0),
    "pages": ("web", 2.0),
}
# Documents may be about anything, so that a question that seems to be for nobody is one for them: they say it or do not
OF_DOCUMENTS = ("web", 3.5)
ASKS = re.compile(
    r"^\W*(?:and |so |but )?(?:who|whom|whose|what|which|when|where|why|how|does|do|did|is|are|was|were|can|could|may"
    r"|must|should|will|has|have)\b|\?\s*$",
    re.IGNORECASE,
)
SHORT = frozenset({"few words", "three words"})  # signs of what is too little to go by
ASKS_ELSE = frozenset(  # signs of what no document answers, however it is put
    {"you", "text to write", "errand", "errand in a cluster", "sum", "advice"}
)
_UNITS = (  # of measure: a question with two of them is a sum
    r"(?:(?:milli|centi|kilo)?(?:met(?:er|re)|gram|lit(?:er|re))s?|mm|cm|km|kg|mg|ml|inch(?:es)?|f(?:oo|ee)t|yards?|miles?"
    r"|ounces?|oz|pounds?|lbs?|stones?|cups?|(?:tea|table)spoons?|pints?|gallons?|fahrenheit|celsius|kelvin|acres?|hectares?"
    r"|seconds?|minutes?|hours?|days?|weeks?|months?|years?|dozens?)"
)
OF_NO_DOCUMENT = re.compile(  # what only who asks, this moment or arithmetic can tell
    rf"^\W*(?:how (?:many|much|long)|what(?:'s| is)?)\b.{{0,80}}\b{_UNITS}\b.{{0,60}}\b{_UNITS}\b(?! (?:of|for)\b)"
    r"|\d ?(?:times|divided by|multiplied by|to the power of|per ?cent of|% of|mal|geteilt durch|prozent von) ?\d"
    r"|\bsquare root\b|\bwhat percentage is \d|\bas a (?:decimal|fraction)\b|\buntil (?:christmas|easter|new year)"
    r"|\b(?:did|was|were|had) (?:i|we)\b|\b(?:i|we) (?:last|just)\b"
    r"|(?<!since )\b(?:right now|at the moment|tonight|yesterday|tomorrow|last night)\b"
    r"|^\W*(?:who|what|where|when|which)(?:'s| is| are| was| were) my\b",
    re.IGNORECASE,
)
LEAD = "No agent here is for that: they look things up and answer on evidence."
LEADS = {  # what is said first, by what the text is seen to be
    "is an errand": "That is something to do, and the agents here only look and answer.",
    "has few words": "That is too little to go by.",
}
EASIER = 0.1  # of the threshold, for the likeliest agent where the source is its own, too
LEAVES, STAYS = 0.9, 0.05  # a follow-up leaves its thread's agent for one this sure, if its own is less than this
LEAVING_WORDS = 4
NO_LONGER = 0.99  # the confidence of `none` from which a follow-up is out of scope, if it refers to nothing said before
REFERS = re.compile(
    r"\b(?:it|its|that|this|these|those|they|them|their|there|here|then|one|ones|same|others?|another|else|again|more|next|last"
    r"|above|before|after|below|earlier|both|either|second|third|previous|so far)\b"
    r"|^\W*(?:and|or|but|so|then|also|ok|okay|yes|no|sure|go on|what about|how about|what if)\b",
    re.IGNORECASE,
)
BEYOND = 0.5  # the confidence of `none` from which a text is out of scope, rather than unclear
WORDS_READ = 4000  # characters: more is not read anyway


@dataclass(frozen=True)
class Asked:
    """What a choice is made on."""

    question: str
    attached: str = ""
    sources: tuple[str, ...] = ()  # their kinds
    configured: tuple[str, ...] = ()  # the kinds that the run would get beside them
    current: str = ""  # the agent of the thread, for a follow-up
    earlier: str = ""  # the question that was asked back about

    @property
    def text(self) -> str:
        """All that is read."""
        return "\n".join(part for part in (self.earlier, self.question, self.attached[:WORDS_READ]) if part)


@dataclass(frozen=True)
class Weighed:
    """What the classifier makes of a text."""

    seen: Seen
    confidences: dict[str, float]  # of installed agents, and `none`
    threshold: float

    @property
    def best(self) -> str:
        """The likeliest agent."""
        return max((name for name in self.confidences if name != NONE), key=lambda name: self.confidences[name])


def mentioned(text: str, agents: Mapping[str, Agent]) -> tuple[str, str]:
    """The agent that a text begins with as `@agent`, and the rest of it; `@app.route` names no agent."""
    match = MENTION.match(text)
    if match and match[1].lower() in agents:
        return match[1].lower(), text[match.end() :]
    return "", text


def _for_none(classifier: Classifier, seen: Seen) -> bool:
    """Whether the words say that nobody here is asked."""
    found = classifier.confidences(seen)
    return max(found, key=found.__getitem__) == NONE


@dataclass(frozen=True)
class Chooser:
    """Chooses among the installed agents."""

    agents: Mapping[str, Agent]
    vector: Vector | None = None
    threshold: float | None = None  # in place of the trained one

    async def choose(self, asked: Asked) -> Route:
        """Who answers. With one agent there is nothing to choose; a route without an agent has a question back."""
        if len(self.agents) == 1:
            return Route(agent=next(iter(self.agents)), confidence=1.0, reason="the only agent that is installed")
        weighed = await self.weighed(asked)
        best, sure = weighed.best, weighed.confidences[weighed.best]
        if asked.current in self.agents:
            own = weighed.confidences[asked.current]
            other = best != asked.current and sure >= LEAVES
            beyond = weighed.confidences[NONE] >= NO_LONGER and not REFERS.search(asked.question)
            leaves = own <= STAYS and (other or (beyond and not asked.attached))
            if not leaves or len(weighed.seen.words) < LEAVING_WORDS:
                return self._route(weighed, asked.current, max(own, 0.5), "is a follow-up in a thread of this agent")
        if sure >= weighed.threshold and sure >= weighed.confidences[NONE]:
            return self._route(weighed, best, sure, self._why(weighed, best))
        return self._abstained(weighed)

    async def weighed(self, asked: Asked) -> Weighed:
        """The confidence of every installed agent, and of none."""
        classifier, text = trained(), asked.text
        kinds = {LEANS[kind] for kind in asked.sources or asked.configured if kind in LEANS}
        lean = dict(kinds) if len({name for name, _ in kinds}) == 1 else {}
        seen = classifier.seen(text)
        if "pages" in (*asked.sources, *asked.configured) and _for_none(classifier, seen):
            shown, asks = {features.SIGNS[sign].name for sign in seen.signs}, ASKS.search(asked.question)
            if ASKS_ELSE & shown or OF_NO_DOCUMENT.search(features.read(asked.question)):
                lean.pop(OF_DOCUMENTS[0], None)
            elif asks and not SHORT & shown:
                lean = {**lean, **dict([OF_DOCUMENTS])}
        vector: Sequence[float] | None = None
        found = classifier.confidences(seen, None, lean)
        if self.vector is not None and (max(found.values()) < classifier.sure or self._untrained(classifier)):
            vector = await self.vector(text)
            found = classifier.confidences(seen, vector, lean) if vector is not None else found
        confidences = await self._installed(classifier, found, text, vector)
        threshold = classifier.threshold(vector) if self.threshold is None else self.threshold
        weighed = Weighed(seen, confidences, threshold)
        if self.threshold is None and weighed.best in lean:
            return Weighed(seen, confidences, threshold - EASIER)
        return weighed

    def _untrained(self, classifier: Classifier) -> list[str]:
        """The agents of third parties: the classifier knows none of their questions."""
        return [name for name in self.agents if name not in classifier.labels]

    async def _installed(
        self, classifier: Classifier, found: Mapping[str, float], text: str, vector: Sequence[float] | None
    ) -> dict[str, float]:
        """What is for an agent that is not installed is for none; third parties' agents get shares by their intents."""
        known = {name: share for name, share in found.items() if name in self.agents}
        theirs = {
            name: await intents.likeness(text, self.agents[name].intents, vector, self.vector)
            for name in self._untrained(classifier)
        }
        most, whole = max(theirs.values(), default=0.0), sum(theirs.values())
        shares = {name: share * (1 - most) for name, share in known.items()}
        shares |= {name: most * each / whole if whole else 0.0 for name, each in theirs.items()}
        return {**dict(sorted(shares.items())), NONE: 1 - sum(shares.values())}

    def _route(self, weighed: Weighed, agent: str, confidence: float, reason: str) -> Route:
        return Route(
            agent=agent,
            confidence=round(confidence, 3),
            alternatives=self._alternatives(weighed, agent),
            reason=reason,
        )

    def _alternatives(self, weighed: Weighed, chosen: str) -> tuple[Alternative, ...]:
        others = [(name, share) for name, share in weighed.confidences.items() if name not in (chosen, NONE)]
        ranked = sorted(others, key=lambda each: (-each[1], each[0]))
        return tuple(Alternative(agent=name, confidence=round(share, 3)) for name, share in ranked)

    def _why(self, weighed: Weighed, label: str) -> str:
        classifier = trained()
        if label not in classifier.labels:
            return f"is like what {label} is for"
        said = classifier.said(weighed.seen, label)
        if label == NONE:
            return "; ".join(said)
        return "; ".join(said) or f"is close in meaning to what {label} is asked"

    def _abstained(self, weighed: Weighed) -> Route:
        """A question back, which names what the agents can do."""
        none = weighed.confidences[NONE]
        if none >= BEYOND:
            why = self._why(weighed, NONE)
            reason = "nothing an agent here answers" + (f": it {why}" if why else "")
            lead = next((text for said, text in LEADS.items() if said in why), LEAD)
        else:
            near = [name for name, share in weighed.confidences.items() if name != NONE and share >= 0.1]
            near.sort(key=lambda name: -weighed.confidences[name])
            reason = f"it could be for {' or '.join(near) or 'any agent'}"
            lead = "I am not sure who should answer this."
        lines = [f"- @{name}: {'; '.join(agent.intents[:2])}" for name, agent in self.agents.items()]
        ask = "What do you want to know? Say more, or begin with an agent's name:"
        question = "\n".join([f"{lead} {ask}", *lines])
        return Route(
            agent="",
            confidence=round(none, 3),
            alternatives=self._alternatives(weighed, ""),
            reason=reason,
            question=question,
        )
