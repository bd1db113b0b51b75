"""Judge an answer about an incident against what is known of it, and the floor every answer has to beat."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent
READ = 600  # characters of an answer that count: a person on call reads no further
LINES = 20  # of the floor

CALM = re.compile(
    r"""\bnothing\ (?:here\ )?(?:is\ |looks\ |seems\ |appears\ |currently\ |now\ )*
          (?:wrong|broken|failing|amiss|down|affected|to\ (?:repair|fix|do)|needs)\b
      | \bnothing\ wrong\b
      | \bno\ (?:(?:current|active|present|ongoing|open|actual|real|live|sign\ of\ an?|signs\ of)\ )*
          (?:problem|incident|fault|failure|issue|outage|action|trouble)s?\b
      | \b(?<!not\ )(?:healthy|as\ intended|as\ expected|by\ design|on\ purpose|intentional(?:ly)?|deliberate(?:ly)?|
          harmless|already\ (?:resolved|recovered)|working\ (?:normally|as)|(?:is|are)\ (?:fine|well)|
          not\ (?:broken|affected|down|failing|an?\ (?:incident|failure|problem)))\b""",
    re.IGNORECASE | re.VERBOSE,
)
DENIAL = re.compile(r"\b(?:no|not|nor|never|neither|without|rather than|instead of|ruled out)\b|n't\b", re.IGNORECASE)
DENIED = re.compile(rf"(?:{DENIAL.pattern})[^.;]{{0,30}}$", re.IGNORECASE)
UNSURE = re.compile(r"\b(?:not enough|cannot (?:tell|say|determine)|can't tell|unknown|not found|inconclusive)\b", re.I)
TROUBLE = re.compile(
    r"error|fail|fatal|panic|exception|traceback|denied|refused|timed? ?out|unable|cannot|can't|crash|back-?off|"
    r"kill|warn|unhealthy|evict|forbidden|exceed|not found|no such|unavailable|oom",
    re.IGNORECASE,
)
WORSE = re.compile(r"fatal|panic|exception|traceback|error|oom|killed|crash", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """What is known of one incident: the question, one right answer, and what every right answer says."""

    question: str
    answer: str
    cause: str
    objects: tuple[str, ...]
    must_mention: tuple[tuple[str, ...], ...]
    must_not: tuple[str, ...]
    provenance: dict[str, str]
    dump: str = "dump"  # two cases may ask about one

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to repair."""
        return self.cause == "none"


@dataclass(frozen=True)
class Verdict:
    """How an answer was judged, and why."""

    kind: Literal["right", "missed", "false alarm"]
    reason: str


TUNED, HELD_OUT = "cases", ("first-holdout", "second-holdout")


def read(folder: Path) -> Case:
    """Read a case from its folder."""
    told: dict[str, Any] = tomllib.loads((folder / "case.toml").read_text())
    objects = ([told["object"]] if "object" in told else []) + told.get("also", [])
    return Case(
        question=told["question"],
        answer=told.get("answer", ""),
        cause=told["cause"],
        objects=tuple(objects),
        must_mention=tuple(tuple(group) for group in told.get("must_mention", [])),
        must_not=tuple(told.get("must_not", [])),
        provenance=told["provenance"],
        dump=told.get("dump", "dump"),
    )


def cases(*sets: str) -> Iterator[tuple[str, Path, str, Case]]:
    """Every case in order: its name, the folder of its dump, the question, and what is known."""
    for each in sets or (TUNED,):
        for file in sorted(HERE.glob(f"{each}/*/case.toml")):
            case = read(file.parent)
            yield file.parent.name, (file.parent / case.dump).resolve(), case.question, case


def judge(case: Case, answer: str) -> Verdict:
    """Say whether an answer is right, misses the cause or raises a false alarm; its first 600 characters count."""
    head = " ".join(answer[:READ].split())
    opening = " ".join(re.split(r"(?<=[.!?])\s", head, maxsplit=2)[:2])
    wrong = _claimed(case.must_not, opening)
    if case.healthy:
        return _judge_healthy(head, opening, wrong)
    if wrong is not None:
        return Verdict("missed", f"names a wrong cause: {wrong!r}")
    if not any(re.search(_named(one), head, re.IGNORECASE) for one in case.objects):
        return Verdict("missed", f"does not name {' or '.join(case.objects)}")
    for group in case.must_mention:
        if not any(re.search(pattern, head, re.IGNORECASE) for pattern in group):
            return Verdict("missed", f"says nothing like {' | '.join(group)}")
    return Verdict("right", "names cause and object")


def _claimed(patterns: tuple[str, ...], text: str) -> str | None:
    """What of this is said, unless it is said not to be so."""
    for pattern in patterns:
        for found in re.finditer(pattern, text, re.IGNORECASE):
            denied = DENIED.search(text[: found.start()]) or (DENIAL.search(found[0]) and not DENIAL.search(pattern))
            if not denied:
                return found[0]
    return None


def _judge_healthy(head: str, opening: str, wrong: str | None) -> Verdict:
    if wrong is not None:
        return Verdict("false alarm", f"blames what is well: {wrong!r}")
    if CALM.search(opening):
        return Verdict("right", "says that nothing is wrong")
    if UNSURE.search(head) or not head:
        return Verdict("missed", "does not commit itself")
    return Verdict("false alarm", "does not say at its start that nothing is wrong")


def _named(known: str) -> str:
    """A pattern for an object's name or that of a pod made from it; `orders-db` is not `orders`."""
    name = known.split()[-1].rpartition("/")[2]
    return rf"(?<![\w-]){re.escape(name)}(?!\w|-[a-z]{{2,}}\b)"


def floor(folder: Path) -> str:
    """The twenty most error-looking lines of all logs and events, the worst first: what grep would give."""
    found: dict[str, tuple[int, int]] = {}
    for order, line in enumerate(_lines(folder)):
        weight = len(TROUBLE.findall(line)) + 2 * len(WORSE.findall(line))
        if weight:
            found.setdefault(line, (-weight, order))
    return "\n".join(sorted(found, key=found.__getitem__)[:LINES])


def _lines(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("events.json")):
        for event in json.loads(file.read_text())["items"]:
            one = event["involvedObject"]
            said = f"{event.get('type')} {event.get('reason')}"
            yield f"{said} {one.get('kind')} {one.get('name')}: {event.get('message')}"
    for file in sorted(folder.rglob("*logs.txt")):
        for line in file.read_text(errors="replace").splitlines():
            if line.strip() and not line.startswith("===="):
                yield f"{file.parent.name}: {line.strip()}"
