"""The Secrets of a platform on a cluster: made once, by whoever may create them, and read by nobody but their pods."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundswell.backends.kube.secrets import create
from groundswell.core.errors import Conflict
from groundswell.runtime import keys

GATEWAY_KEY = "groundswell-key"
SIGNING = "groundswell-signing"
PROOFS = "groundswell-proofs"


@dataclass(frozen=True)
class Secret:
    """A Secret that must be there."""

    namespace: str
    name: str
    values: Mapping[str, bytes]
    type: str = "Opaque"


def password() -> bytes:
    """256 bits that need no quoting anywhere."""
    return secrets.token_urlsafe(32).encode()


def gateway_key(*namespaces: str) -> list[Secret]:
    """The key with which people ask through a port-forward, and gates where there are any."""
    values = {"key": password()}
    return [Secret(namespace, GATEWAY_KEY, values) for namespace in namespaces]


def proofs(namespace: str) -> list[Secret]:
    """The key that signs verdicts: gates alone read it."""
    return [Secret(namespace, PROOFS, keys.pair("proofs"))]


def signing(signers: Mapping[str, Sequence[str]]) -> list[Secret]:
    """The services' keys: each namespace gets all public ones, and the private ones of those who sign there."""
    made = keys.pems()
    public = {name: text for name, text in made.items() if name.endswith(".public.pem")}
    return [
        Secret(namespace, SIGNING, public | {f"{name}.private.pem": made[f"{name}.private.pem"] for name in names})
        for namespace, names in signers.items()
    ]


async def ensure(source: str, together: Sequence[Secret]) -> bool:
    """Make Secrets that belong together; False where they are there. Raises Conflict for a part of them.

    They are asked for before one is made: a new key beside an old one would be trusted by nobody.
    """
    missing = [each for each in together if await _create(source, each, dry=True)]
    if not missing:
        return False
    if len(missing) < len(together):
        there = ", ".join(f"{each.namespace}/{each.name}" for each in together if each not in missing)
        hint = "delete them and try again: they are made together, and their pods read them anew"
        raise Conflict("secrets_incomplete", f"of Secrets that belong together only {there} are there", hint)
    for each in together:
        await _create(source, each)
    return True


async def _create(source: str, each: Secret, *, dry: bool = False) -> bool:
    return await create(source, each.namespace, each.name, each.values, kind=each.type, dry=dry)
