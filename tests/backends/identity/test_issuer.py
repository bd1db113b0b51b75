"""Tokens of an issuer: good ones are read, all others refused, and keys come and go."""

import base64
import json
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from groundswell.backends.identity.issuer import FETCHES, FRESH_SECONDS, KEPT_SECONDS, WINDOW_SECONDS, Issuer, Trust
from groundswell.core.errors import GroundswellError, Unauthenticated, Unavailable
from services import issuer as fake
from services.issuer import AUDIENCE, shared
from small_server import running

NOW = int(time.time())


@pytest.fixture
def server() -> Iterator[fake.Issuer]:
    with running(fake.Issuer()) as issuer:
        yield issuer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def ours(server: fake.Issuer) -> AsyncIterator[Issuer]:
    issuer = Issuer(Trust(server.url, AUDIENCE, ("RS256", "ES256")), Clock())
    yield issuer
    await issuer.close()


async def refused(issuer: Issuer, text: str) -> str:
    with pytest.raises(GroundswellError) as error:
        await issuer.claims(text)
    assert isinstance(error.value, Unauthenticated | Unavailable)
    assert not text or text not in f"{error.value.message} {error.value.hint}"
    return error.value.code


async def test_good_tokens_of_each_of_its_keys_are_read(ours: Issuer, server: fake.Issuer):
    assert (await ours.claims(server.token("one")))["sub"] == "ana"
    assert (await ours.claims(server.token("two", aud=["other", AUDIENCE])))["groups"] == ["shop-devs"]
    assert server.asked == ["/realm/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": NOW - 3600}, "token_expired"),
        ({"exp": None}, "bad_token"),
        ({"exp": "soon"}, "bad_token"),
        ({"nbf": NOW + 3600}, "bad_token"),
        ({"iat": NOW + 3600}, "bad_token"),
        ({"aud": "another"}, "bad_token"),
        ({"aud": None}, "bad_token"),
        ({"aud": []}, "bad_token"),
        ({"iss": None}, "bad_token"),
        ({"iss": "https://elsewhere.example"}, "bad_token"),
    ],
)
async def test_a_claim_that_is_not_as_it_must_be_is_refused(
    ours: Issuer, server: fake.Issuer, claims: dict[str, object], code: str
):
    assert await refused(ours, server.token(**claims)) == code


async def test_an_issuer_is_compared_to_the_letter(ours: Issuer, server: fake.Issuer):
    for name in (server.url + "/", server.url.upper(), server.url.replace("127.0.0.1", "localhost")):
        assert await refused(ours, server.token(iss=name)) == "bad_token"


async def test_clocks_may_differ_by_the_leeway_and_no_more(ours: Issuer, server: fake.Issuer):
    assert await ours.claims(server.token(exp=int(time.time()) - 5, nbf=int(time.time()) + 5))


async def test_no_token_is_good_by_another_algorithm(ours: Issuer, server: fake.Issuer):
    public = server.keys["one"].as_pem(private=False)
    secret = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    server.shown = [{"kty": "oct", "kid": "secret", "k": secret, "alg": "HS256"}]
    head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').rstrip(b"=").decode()
    good = server.token("one")
    body = good.split(".")[1]
    other = RSAKey.generate_key(2048)
    forged = [
        f"{head}.{body}.",
        f"{head}.{body}.{good.split('.')[2]}",
        shared(public, good, "one"),
        shared(public, good, "secret"),
        server.token("one", alg="RS512"),
        server.token("two", key=server.keys["one"]),
        server.token("one", key=other),
        server.token(None),
        good[:-4] + "AAAA",
        good.replace(".", "..", 1),
        "a.b.c",
        "…",
        "",
    ]
    for text in forged:
        assert await refused(ours, text) == "bad_token", text


async def test_a_key_in_the_token_itself_is_not_believed(ours: Issuer, server: fake.Issuer):
    key = RSAKey.generate_key(2048)
    header = {"alg": "RS256", "kid": "one", "jwk": key.as_dict(private=False), "jku": "http://127.0.0.1:1/keys"}
    parts = [base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()]
    parts += server.token("one", key=key).split(".")[1:]
    assert await refused(ours, ".".join(parts)) == "bad_token"


async def test_a_short_key_is_none(ours: Issuer, server: fake.Issuer):
    with pytest.warns(SecurityWarning):
        server.keys["short"] = RSAKey.generate_key(1024)
    assert await refused(ours, server.token("short")) == "bad_token"


async def test_a_new_key_is_found_at_once_and_the_old_one_is_gone(ours: Issuer, server: fake.Issuer):
    old = server.token("one")
    assert await ours.claims(old)
    server.rotate("three")
    assert await ours.claims(server.token("three"))
    assert await refused(ours, old) == "bad_token"


async def test_keys_that_are_not_known_are_asked_for_a_few_times_a_minute_at_most(ours: Issuer, server: fake.Issuer):
    assert await ours.claims(server.token("one"))
    for number in range(FETCHES - 1):
        assert await refused(ours, server.token(f"unknown-{number}", key=server.keys["one"])) == "bad_token"
    server.rotate("new")
    assert await refused(ours, server.token("new")) == "issuer_busy"
    assert len(server.asked) == 2 * FETCHES
    ours.clock.now += WINDOW_SECONDS  # type: ignore[attr-defined]
    assert await ours.claims(server.token("new"))


async def test_while_the_issuer_is_away_known_keys_go_on_and_others_wait(ours: Issuer, server: fake.Issuer):
    good = server.token("one")
    assert await ours.claims(good)
    server.is_away = True
    ours.clock.now += FRESH_SECONDS + 1  # type: ignore[attr-defined]
    assert await ours.claims(good)
    assert ours.refreshing is not None
    await ours.refreshing
    assert await ours.claims(good)
    assert await refused(ours, server.token("new", key=server.keys["one"])) == "issuer_away"
    ours.clock.now += KEPT_SECONDS  # type: ignore[attr-defined]
    assert await refused(ours, good) == "issuer_away"
    server.is_away = False
    assert await ours.claims(good)


async def test_keys_are_fetched_again_behind_a_request(ours: Issuer, server: fake.Issuer):
    old = server.token("one")
    assert await ours.claims(old)
    server.rotate("three")
    ours.clock.now += FRESH_SECONDS + 1  # type: ignore[attr-defined]
    assert await ours.claims(old)
    assert ours.refreshing is not None
    await ours.refreshing
    assert await refused(ours, old) == "bad_token"


async def test_an_issuer_that_calls_itself_otherwise_is_not_trusted(ours: Issuer, server: fake.Issuer):
    server.named = server.url + "/"
    assert await refused(ours, server.token("one")) == "issuer_differs"


async def test_an_issuer_that_is_not_there_is_said_to_be_away():
    issuer = Issuer(Trust("http://127.0.0.1:9/realm", AUDIENCE, ("RS256",)))
    key = RSAKey.generate_key(2048)
    with running(fake.Issuer()) as server:
        text = server.token("x", key=key, iss="http://127.0.0.1:9/realm")
    assert await refused(issuer, text) == "issuer_away"
    await issuer.close()
