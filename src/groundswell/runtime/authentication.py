"""Who is at the gateway: the local key, an API key, or, on loopback of a laptop, the person at the machine."""

import hmac
from typing import get_args
from urllib.parse import urlsplit

from fastapi import Request

from groundswell.backends.databases.api_keys import PREFIX, ApiKeys
from groundswell.backends.identity.issuer import Issuer
from groundswell.core.errors import Denied, Unauthenticated
from groundswell.core.hosts import is_loopback
from groundswell.core.settings import CallerScope
from groundswell.runtime.base import Base
from groundswell.runtime.door import LOOPBACK_NAMES
from groundswell.runtime.keys import CallerToken
from groundswell.runtime.oidc_callers import caller_of, issuer_of
from groundswell.runtime.service import bearer

LOCAL = "local"  # what a key of the person at this machine may carry: their own reach, on this machine alone
SCOPES = (*get_args(CallerScope), LOCAL)  # `admin`: keys of other tenants, and which tenants there are


class Authentication:
    """Tells callers by what a request carries."""

    def __init__(self, base: Base, keys: ApiKeys) -> None:
        self.base, self.keys = base, keys
        self.issuer = issuer_of(base.settings.oidc)
        self.come: set[str] = set()  # tenants that are stored

    async def close(self) -> None:
        """Give up what was opened."""
        if self.issuer is not None:
            await self.issuer.close()

    async def caller(self, request: Request) -> CallerToken:
        """Who this is; raises Unauthenticated or Denied."""
        if "authorization" in request.headers:
            return await self._by_key(bearer(request), request)
        if not self.base.keyless:
            bearer(request)
        return self._at_this_machine(request)

    async def _by_key(self, text: str, request: Request) -> CallerToken:
        if hmac.compare_digest(text.encode(), self.base.local_key.encode()):
            return self._local()
        if self.issuer is not None and not text.startswith(PREFIX) and text.count(".") == 2:
            return await self._by_token(self.issuer, text)
        key = await self.keys.find(text) if text.startswith(PREFIX) else None
        if key is None:
            hint = "create one: groundswell keys create NAME"
            raise Unauthenticated("unknown_key", "this key is not known, or was revoked", hint)
        here = LOCAL in key.scopes and self.base.keyless and is_loopback(request.client.host if request.client else "")
        return CallerToken(key.caller, key.tenant, key.scopes, local=here)

    async def _by_token(self, issuer: Issuer, text: str) -> CallerToken:
        caller = caller_of(await issuer.claims(text), self.base.settings.oidc)
        if caller.tenant not in self.come:
            await self.keys.known(caller.tenant)
            self.come.add(caller.tenant)
        return caller

    def _local(self) -> CallerToken:
        return CallerToken("local", self.base.settings.tenant, SCOPES, local=True)

    def _at_this_machine(self, request: Request) -> CallerToken:
        """Without a key: only from loopback, under a loopback name, and not for a page of another origin.

        The name guards against DNS rebinding, the origin against pages that post to localhost.
        """
        host = request.client.host if request.client else ""
        if not is_loopback(host):
            bearer(request)
        if _hostname(f"//{request.headers.get('host', '')}") not in LOOPBACK_NAMES:
            raise Denied("foreign_host", "without a key this answers only under a loopback name", "use 127.0.0.1")
        origin = request.headers.get("origin")
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        foreign = origin is not None and origin != own
        if foreign or request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Denied("foreign_origin", "a page of another origin may not use this without a key")
        return self._local()


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
