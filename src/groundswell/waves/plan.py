"""The plan: every line of the roadmap, what proves it, and the profile of the place that must prove it."""

import difflib
import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from groundswell.core.errors import ConfigError
from groundswell.core.records import Line, Profile, Wave

HERE = Path(__file__).parent
LAPTOP = HERE / "laptop.toml"


@dataclass(frozen=True)
class Plan:
    """The waves and all lines."""

    waves: tuple[Wave, ...]
    lines: tuple[Line, ...]

    def wave(self, number: int) -> Wave:
        """One wave, which is there."""
        return next(wave for wave in self.waves if wave.number == number)

    def of(self, wave: int | None) -> list[Line]:
        """The lines of a wave; of None, the completion criteria."""
        return [line for line in self.lines if line.wave == wave]

    def line(self, identity: str) -> Line:
        """One line; raises KeyError."""
        return next((line for line in self.lines if line.id == identity), None) or _missing(identity)


@functools.cache
def plan() -> Plan:
    """The packaged plan."""
    read = tomllib.loads((HERE / "plan.toml").read_text(encoding="utf-8"))
    waves = tuple(Wave.model_validate(each) for each in read["wave"])
    return Plan(waves, tuple(Line.model_validate(each) for each in read["line"]))


def profile(file: Path | None = None) -> Profile:
    """A place's profile; without a file a laptop's. Raises ConfigError for one that leaves a line open."""
    file = file or LAPTOP
    try:
        found = Profile.model_validate(_own_part(tomllib.loads(file.read_text(encoding="utf-8")), file))
    except OSError as error:
        raise ConfigError("unreadable_profile", f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("bad_toml", f"{file} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError("bad_profile", f"{file}, {where or 'it'}: {first['msg']}") from error
    _checked(found, plan(), file)
    return found


def _own_part(tree: dict[str, Any], file: Path) -> dict[str, Any]:
    """What of a profile.toml is about proof: its parts and `[lines]`. The rest is about deployment, and read there."""
    parts = {name: each["is"] if isinstance(each, dict) else each for name, each in tree.get("parts", {}).items()}
    if file != LAPTOP:
        parts = {"kubernetes": "existing(in-cluster:)", **parts}
    return {
        "name": file.stem if file.name != "profile.toml" else file.parent.name,
        "parts": parts,
        **tree.get("lines", {}),
    }


def required(place: Profile, line: Line) -> bool:
    """Whether a place must prove a line: what is written out wins over a pattern, and `must` over `cannot`."""
    if line.deferred:
        return False
    if line.id in place.must:
        return True
    return line.id not in place.cannot and _fits(line.id, place.must)


def excuse(place: Profile, name: str) -> str:
    """Why a place cannot prove a line or run a check; empty where it does not say so."""
    if name in place.cannot:
        return place.cannot[name]
    return next((reason for pattern, reason in place.cannot.items() if fnmatchcase(name, pattern)), "")


def _checked(place: Profile, ledger: Plan, file: Path) -> None:
    """Every line is either owed or excused, and every name means something: nothing is left out by a typing error."""
    names = [line.id for line in ledger.lines] + [check for line in ledger.lines for check in line.checks]
    for written in (*place.must, *place.cannot):
        if not any(fnmatchcase(name, written) for name in names):
            near = difflib.get_close_matches(written, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else "docs/waves/ lists them"
            raise ConfigError("unknown_line", f"{file}: there is no line or check {written!r}", hint)
    for line in ledger.lines:
        if not (line.deferred or required(place, line) or excuse(place, line.id)):
            message = f"{file} says nothing about {line.id} ({line.words})"
            raise ConfigError(
                "line_left_open", message, "put it under `must` of [lines], or under [lines.cannot] with a reason"
            )


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _missing(identity: str) -> Any:
    raise KeyError(identity)
