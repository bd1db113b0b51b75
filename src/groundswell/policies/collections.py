"""Keep calls to the collections that their tenant may use."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from groundswell.core.policy import ALLOW, Grant, ToolCall, Verdict, deny, policy
from groundswell.policies.domains import texts


@policy
def allowed_collections(call: ToolCall, grant: Grant) -> Verdict:
    """Refuse a collection that is not on the list, in the same words whether it is there or not."""
    if grant.collections is None:
        return ALLOW
    for name in _named(call):
        if not may_use(name, grant.collections):
            message = f"tenant {grant.tenant!r} may not use the collection {name!r}"
            hint = f'[tenants.{grant.tenant}] in policy.toml would need: collections = ["{name}"]'
            return deny("collection_not_allowed", message, hint)
    return ALLOW


def may_use(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a collection is one of these."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _named(call: ToolCall) -> Iterator[str]:
    yield from texts(call.arguments.get("collections"))
    if call.tool.startswith("collection_"):
        yield from texts(call.arguments.get("name"))
