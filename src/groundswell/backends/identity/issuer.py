"""An OpenID Connect issuer that the operator trusts: its keys, fetched and kept, and what its tokens say.

A key that is not known is looked for once more, a few times a minute at most: that is how an issuer changes keys. What
is known goes on while the issuer is away, for a day.
"""

import asyncio
import contextlib
import json
import ssl
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from groundswell.core.errors import GroundswellError, Unauthenticated, Unavailable

FRESH_SECONDS = 300.0  # after these, keys are fetched again behind the next request
KEPT_SECONDS = 86_400.0  # for which they go on where the issuer is away
FETCHES, WINDOW_SECONDS = 6, 60.0
LONGEST = 512 * 1024  # bytes of a document
SMALLEST_RSA = 2048  # bits
TIMEOUT = httpx2.Timeout(5.0)
_HEADERS = jws.JWSRegistry(strict_check_header=False)  # issuers add their own; `crit` is looked at all the same
_HINT = "see that [oidc] issuer answers at /.well-known/openid-configuration"
Key = RSAKey | ECKey | OKPKey


@dataclass(frozen=True)
class Trust:
    """Which tokens are good."""

    issuer: str
    audience: str
    algorithms: Sequence[str]
    leeway_seconds: float = 30.0
    ca_file: Path | None = None


class Issuer:
    """Reads tokens of one issuer."""

    def __init__(self, trust: Trust, clock: Callable[[], float] = time.monotonic) -> None:
        self.trust, self.clock = trust, clock
        context = ssl.create_default_context(cafile=str(trust.ca_file) if trust.ca_file else None)
        self.client = httpx2.AsyncClient(timeout=TIMEOUT, verify=context, trust_env=False, follow_redirects=False)
        self.keys: dict[str, list[Key]] = {}
        self.fetched = -KEPT_SECONDS  # when, by the clock
        self.generation = 0
        self.fetches: deque[float] = deque()
        self.lock = asyncio.Lock()
        self.refreshing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Give the connections up."""
        if self.refreshing is not None:
            self.refreshing.cancel()
            await asyncio.gather(self.refreshing, return_exceptions=True)
        await self.client.aclose()

    async def claims(self, text: str) -> dict[str, Any]:
        """What a good token says. Raises Unauthenticated, and Unavailable where its key cannot be asked for."""
        try:
            header = jws.extract_compact(text.encode(), registry=_HEADERS).headers()
        except (JoseError, ValueError, UnicodeError) as error:
            raise _bad("it is no signed token") from error
        if header.get("alg") not in self.trust.algorithms:
            raise _bad("it is signed in a way that is not trusted")
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise _bad("its key has no name")
        for key in await self._keys(kid):
            with contextlib.suppress(JoseError, ValueError):
                token = jwt.decode(text, key, algorithms=list(self.trust.algorithms), registry=_HEADERS)
                return self._checked(token.claims)
        raise _bad("its signature is not the issuer's")

    def _checked(self, claims: dict[str, Any]) -> dict[str, Any]:
        rules = jwt.JWTClaimsRegistry(
            leeway=int(self.trust.leeway_seconds),
            iss={"essential": True, "value": self.trust.issuer},
            aud={"essential": True, "value": self.trust.audience},
            exp={"essential": True},
        )
        try:
            rules.validate(claims)
        except ExpiredTokenError as error:
            raise Unauthenticated("token_expired", "this token's time is over", "sign in again") from error
        except JoseError as error:
            raise _bad(str(error)) from error
        return claims

    async def _keys(self, kid: str | None) -> list[Key]:
        """The keys of a name, fetched where they are not known; without a name, the issuer's only one."""
        found = self._known(kid)
        age = self.clock() - self.fetched
        if not found or age > KEPT_SECONDS:
            await self._fetch(self.generation)
            found = self._known(kid)
        elif age > FRESH_SECONDS and (self.refreshing is None or self.refreshing.done()):
            self.refreshing = asyncio.create_task(self._refresh())
        if not found:
            raise _bad("its key is not one of the issuer's")
        return found

    def _known(self, kid: str | None) -> list[Key]:
        if kid is not None:
            return self.keys.get(kid, [])
        every = [key for keys in self.keys.values() for key in keys]
        return every if len(every) == 1 else []

    async def _refresh(self) -> None:
        with contextlib.suppress(GroundswellError):  # what is known goes on
            await self._fetch(self.generation)

    async def _fetch(self, generation: int) -> None:
        """Fetch the keys, unless another one did since. Raises Unavailable."""
        async with self.lock:
            if self.generation != generation:
                return
            now = self.clock()
            while self.fetches and self.fetches[0] <= now - WINDOW_SECONDS:
                self.fetches.popleft()
            if len(self.fetches) >= FETCHES:
                wait = max(1, round(self.fetches[0] + WINDOW_SECONDS - now))
                message = "the issuer's keys were asked for too often of late"
                raise Unavailable("issuer_busy", message, "ask again later", retry_after=wait)
            self.fetches.append(now)
            self.keys = await self._fetched()
            self.fetched, self.generation = now, generation + 1

    async def _fetched(self) -> dict[str, list[Key]]:
        described = await self._document(f"{self.trust.issuer.rstrip('/')}/.well-known/openid-configuration")
        if described.get("issuer") != self.trust.issuer:
            raise Unavailable("issuer_differs", "the issuer calls itself by another name than [oidc] issuer", _HINT)
        address = described.get("jwks_uri")
        if not isinstance(address, str) or not address.startswith(("https://", *self._plain())):
            raise Unavailable("issuer_without_keys", "the issuer names no place for its keys", _HINT)
        found: dict[str, list[Key]] = {}
        keys = (await self._document(address)).get("keys")
        for data in keys if isinstance(keys, list) else []:
            if (key := _key(data)) is not None:
                found.setdefault(str(data.get("kid", "")), []).append(key)
        return found

    def _plain(self) -> tuple[str, ...]:
        """An issuer on this machine may be asked without TLS, and so may its keys, there alone."""
        scheme, _, rest = self.trust.issuer.partition("://")
        return (f"http://{rest.partition('/')[0]}/",) if scheme == "http" else ()

    async def _document(self, address: str) -> dict[str, Any]:
        try:
            async with self.client.stream("GET", address, headers={"accept": "application/json"}) as answer:
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > LONGEST:
                        raise Unavailable("issuer_answer", f"what {address} says is too long", _HINT)
            if answer.status_code != 200:
                raise Unavailable("issuer_away", f"{address} answers {answer.status_code}", _HINT)
            document = json.loads(bytes(body))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unavailable("issuer_away", f"{address} does not answer ({type(error).__name__})", _HINT) from error
        except ValueError as error:
            raise Unavailable("issuer_answer", f"{address} does not answer as an issuer does", _HINT) from error
        if not isinstance(document, dict):
            raise Unavailable("issuer_answer", f"{address} does not answer as an issuer does", _HINT)
        return document


def _key(data: Any) -> Key | None:
    """A public key that may sign; None for shared secrets, for other uses, and for what is none."""
    if not isinstance(data, dict) or data.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings(action="ignore", category=SecurityWarning):  # what it warns of is left out
            key = JWKRegistry.import_key(data)
        if isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


def _bad(why: str) -> Unauthenticated:
    return Unauthenticated("bad_token", f"this token is not good here: {why}", "sign in again, at the right issuer")
