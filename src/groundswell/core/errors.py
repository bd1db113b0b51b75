"""What Groundswell raises on purpose: a stable code, a sentence for people, and a hint that says what to do.

    GroundswellError
     ├── ConfigError       exit 2   a setting, an option or the way it was called
     ├── Unauthenticated   401      no key, or not one we know
     ├── Denied            403      policy does not allow it
     ├── NotFound          404      not there, or another tenant's
     ├── Conflict          409      the state it was asked in is over
     ├── Invalid           422      a request that cannot mean anything
     │    └── ToolFailed   422      a tool that could not do what it was asked
     ├── LimitReached      429      a budget, a rate or a size
     └── Unavailable       503      something this needs is not there now

Over HTTP each is an RFC 9457 problem (`problem`, `from_problem`).
"""

from typing import Any, ClassVar


class GroundswellError(Exception):
    """Something went wrong that a person can do something about."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.details = code, message, hint, details

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.code, self.message, self.hint, self.details)

    def problem(self) -> dict[str, Any]:
        """This error as an RFC 9457 problem."""
        return {
            "type": f"about:blank#{self.code}",
            "title": type(self).__name__,
            "status": self.status,
            "code": self.code,
            "detail": self.message,
            "hint": self.hint,
            **self.details,
        }


class ConfigError(GroundswellError):
    """A setting, an option or a file of settings is wrong."""

    status, exit_code = 500, 2


class Unauthenticated(GroundswellError):
    """Nobody we know."""

    status, exit_code = 401, 4


class Denied(GroundswellError):
    """Policy does not allow it."""

    status, exit_code = 403, 4


class NotFound(GroundswellError):
    """Not there; another tenant's things are not there either."""

    status, exit_code = 404, 3


class Conflict(GroundswellError):
    """The state this was asked in is over."""

    status, exit_code = 409, 1


class Invalid(GroundswellError):
    """A request that cannot mean anything."""

    status, exit_code = 422, 2


class ToolFailed(Invalid):
    """A tool could not do what it was asked; the caller may ask otherwise."""

    status, exit_code = 422, 1


class LimitReached(GroundswellError):
    """A budget, a rate or a size is used up."""

    status, exit_code = 429, 5


class Unavailable(GroundswellError):
    """Something this needs is not there now; asking again later may help."""

    status, exit_code = 503, 6


KINDS: tuple[type[GroundswellError], ...] = (
    ConfigError,
    Unauthenticated,
    Denied,
    NotFound,
    Conflict,
    Invalid,
    ToolFailed,
    LimitReached,
    Unavailable,
)


def from_problem(body: dict[str, Any], status: int) -> GroundswellError:
    """The error a problem document describes: the other end of `problem`."""
    by_name = {kind.__name__: kind for kind in KINDS}
    by_status = {kind.status: kind for kind in reversed(KINDS)}
    kind = by_name.get(str(body.get("title"))) or by_status.get(status, GroundswellError)
    known = {"type", "title", "status", "code", "detail", "hint"}
    details = {key: value for key, value in body.items() if key not in known}
    code, detail = str(body.get("code", f"http_{status}")), str(body.get("detail", f"HTTP {status}"))
    return kind(code, detail, str(body.get("hint", "")), **details)


def _rebuild(
    kind: type[GroundswellError], code: str, message: str, hint: str, details: dict[str, Any]
) -> GroundswellError:
    return kind(code, message, hint, **details)
