"""A small OpenID Connect issuer: a real server with keys of its own, that can change them, lie and go away."""

import base64
import hmac
import json
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from small_server import Answering, SmallServer

AUDIENCE = "groundswell"
Key = RSAKey | ECKey | OKPKey


class Issuer(SmallServer):
    """Serves its description and its public keys, and signs tokens."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.url += "/realm"
        self.named = self.url  # as it calls itself
        self.keys: dict[str, Key] = {"one": RSAKey.generate_key(2048), "two": ECKey.generate_key("P-256")}
        self.shown: list[dict[str, Any]] = []  # more keys than it signs with
        self.is_away = False
        self.asked: list[str] = []

    def token(self, kid: str | None = "one", *, key: Any = None, alg: str = "", **claims: Any) -> str:
        """A token; what is not said is as in a good one, and what is None is left out."""
        signing = key or self.keys[kid or "one"]
        alg = alg or {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}[signing.key_type]
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "ana", "exp": now + 300, "iat": now, "groups": ["shop-devs"]}
        told = {name: value for name, value in {**good, **claims}.items() if value is not None}
        header = {"alg": alg, **({"kid": kid} if kid is not None else {})}
        return jwt.encode(header, told, signing, algorithms=[alg])

    def rotate(self, kid: str) -> None:
        """Sign with one new key alone."""
        self.keys = {kid: RSAKey.generate_key(2048)}


class _Handler(Answering):
    server: Issuer  # type: ignore[assignment]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body: Any = None
        if self.path == "/realm/.well-known/openid-configuration":
            body = {"issuer": self.server.named, "jwks_uri": f"http://127.0.0.1:{self.server.server_port}/keys"}
        elif self.path == "/keys":
            keys = [{**key.as_dict(private=False), "kid": kid} for kid, key in self.server.keys.items()]
            body = {"keys": [*keys, *self.server.shown, {"kty": "PQ", "kid": "future"}, "no key"]}
        self.answer(503 if self.server.is_away else 200 if body else 404, body)


def shared(secret: bytes, token: str, kid: str) -> str:
    """A token's claims under HS256, with a secret that everybody can read: the issuer's public key."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode()).rstrip(b"=").decode()
    signed = f"{header}.{token.split('.')[1]}"
    code = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(code).rstrip(b'=').decode()}"
