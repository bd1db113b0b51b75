"""Who an issuer's token stands for: its claims, as the settings map them to a caller, a tenant and scopes."""

from typing import Any

from groundswell.backends.identity.issuer import Issuer, Trust
from groundswell.core.errors import Denied
from groundswell.core.settings import Oidc
from groundswell.runtime.keys import CallerToken

PREFIX = "oidc:"  # before every such caller's name: no key can be made for one
LONGEST = 200


def issuer_of(settings: Oidc) -> Issuer | None:
    """The issuer that is trusted, if any."""
    if not settings.issuer:
        return None
    trust = Trust(settings.issuer, settings.audience, settings.algorithms, settings.leeway_seconds, settings.ca_file)
    return Issuer(trust)


def caller_of(claims: dict[str, Any], settings: Oidc) -> CallerToken:
    """The caller; raises Denied for one whom the settings give no tenant, or more than one."""
    name = claims.get(settings.caller_claim)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST or not name.isprintable():
        raise Denied("no_caller", f"this token does not name its caller in {settings.caller_claim!r}")
    tenants = {settings.tenants[value] for value in texts(claims, settings.tenant_claim) if value in settings.tenants}
    if len(tenants) != 1:
        found = "more than one tenant" if tenants else "no tenant"
        hint = f"[oidc.tenants] maps values of the claim {settings.tenant_claim!r} to tenants"
        raise Denied("no_tenant", f"this token stands for {found} here", hint)
    scopes = {"runs", *(s for value in texts(claims, settings.scope_claim) for s in settings.scopes.get(value, ()))}
    return CallerToken(
        caller=f"{PREFIX}{name}",
        tenant=tenants.pop(),
        scopes=tuple(sorted(scopes)),
        user=f"{settings.user_prefix}{name}",
        groups=tuple(f"{settings.groups_prefix}{group}" for group in texts(claims, settings.groups_claim)),
    )


def texts(claims: dict[str, Any], name: str) -> list[str]:
    """A claim's texts: it may be one, or a list."""
    value = claims.get(name)
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]
