"""Keep what looks at a cluster in the tenant's namespaces, and queries of series where the tenant has any."""

from fnmatch import fnmatchcase

from groundswell.core.policy import ALLOW, Grant, ToolCall, Verdict, deny, policy


@policy
def allowed_namespaces(call: ToolCall, grant: Grant) -> Verdict:
    """Refuse a namespace that is not on the list, in the same words whether it is there or not."""
    asked = call.arguments.get("namespace")
    if grant.namespaces is None or not asked:
        return ALLOW  # without a name all that is granted is looked at, and nothing else
    if isinstance(asked, str) and any(fnmatchcase(asked, pattern) for pattern in grant.namespaces):
        return ALLOW
    hint = f'[tenants.{grant.tenant}] in policy.toml would need: namespaces = ["{asked}"]'
    return deny("namespace_not_allowed", f"tenant {grant.tenant!r} may not look at namespace {asked!r}", hint)


@policy
def allowed_series(call: ToolCall, grant: Grant) -> Verdict:
    """Refuse a query where no series are granted; where some are, every selector is narrowed to them."""
    if "promql" not in call.arguments or grant.labels is None or grant.labels:
        return ALLOW
    hint = f'[tenants.{grant.tenant}] in policy.toml would need: labels = {{namespace = ["NAME"]}}'
    return deny("series_not_allowed", f"tenant {grant.tenant!r} may read no series", hint)
