"""What a site's robots.txt lets us read, by RFC 9309: the longest rule that fits wins, and allow wins a tie."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_LINE = re.compile(r"\s*([A-Za-z-]+)\s*:\s*([^#]*)")


@dataclass(frozen=True)
class Robots:
    """The rules for us, and how long to wait between requests."""

    rules: tuple[tuple[str, bool], ...] = ()  # pattern, allowed
    delay: float = 0.0

    def allows(self, url: str) -> bool:
        """Whether an address may be read."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fitting = [(len(pattern), allowed) for pattern, allowed in self.rules if _fits(pattern, path)]
        return max(fitting, default=(0, True))[1]


EVERYTHING, NOTHING = Robots(), Robots((("/", False),))


def parsed(text: str, product: str) -> Robots:
    """The group that names us, else the one for all. Groups that name the same agent are one."""
    groups: dict[str, list[tuple[str, bool]]] = {}
    delays: dict[str, float] = {}
    agents: list[str] = []
    in_rules = False
    for line in text[:500_000].splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        field, value = match.group(1).lower(), match.group(2).strip()
        if field == "user-agent":
            agents = [*(() if in_rules else agents), value.lower()]
            in_rules = False
            groups.setdefault(value.lower(), [])
        elif field in ("allow", "disallow"):
            in_rules = True
            if value:
                for agent in agents:
                    groups[agent].append((value, field == "allow"))
        elif field == "crawl-delay":
            in_rules = True
            for agent in agents:
                delays[agent] = _seconds(value)
    ours = product.lower() if product.lower() in groups else "*"
    return Robots(tuple(groups.get(ours, ())), delays.get(ours, 0.0))


def _fits(pattern: str, path: str) -> bool:
    """Whether a path begins as a pattern says: `*` stands for anything, a final `$` for the end.

    Each part is looked for once, where it first can stand: a site cannot write a rule that takes long.
    """
    first, *parts = (pattern.removesuffix("$") if pattern.endswith("$") else f"{pattern}*").split("*")
    if not parts:
        return path == first
    last = parts.pop()
    at, end = len(first), len(path) - len(last)
    if not path.startswith(first) or not path.endswith(last):
        return False
    for part in parts:
        at = path.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return at <= end


def _seconds(value: str) -> float:
    try:
        return min(max(float(value), 0.0), 10.0)
    except ValueError:
        return 0.0
