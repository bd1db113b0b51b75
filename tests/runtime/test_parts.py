"""The small parts of the runtime: keys, breaker, results, grants, processes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cpu_work
from groundswell.core.errors import ConfigError, Unauthenticated, Unavailable
from groundswell.core.policy import ALLOW, Grant, Policy, ToolCall, deny
from groundswell.core.settings import PolicyFile
from groundswell.core.tool import Tool
from groundswell.runtime import discovery, keys
from groundswell.runtime.breaker import Breaker
from groundswell.runtime.cpu import CpuWorkers
from groundswell.runtime.grants import check_policy, judge
from groundswell.runtime.keys import CallerToken, RunToken, WorkerToken
from groundswell.runtime.results import STORED_AT_MOST, fitted, result_of

TOKEN = RunToken("run_1", 2, "coding", "ana", "local", ("runs",))


def test_a_token_says_what_was_signed():
    held = keys.generate()
    assert held.read(RunToken, "router", held.sign("router", TOKEN, 60)) == TOKEN


def test_a_token_of_another_kind_signer_or_time_is_refused():
    held, foreign = keys.generate(), keys.generate()
    for text in (
        foreign.sign("router", TOKEN, 60),
        held.sign("agents", TOKEN, 60),
        held.sign("router", CallerToken("ana", "local"), 60),
        held.sign("router", TOKEN, -1),
        held.sign("router", TOKEN, 60)[:-2] + "xx",
        "",
        "a.b.c",
    ):
        with pytest.raises(Unauthenticated):
            held.read(RunToken, "router", text)
    with pytest.raises(Unauthenticated):
        held.read(WorkerToken, "agents", held.sign("gateway", CallerToken("w", "local"), 60))


def test_keys_are_made_once_and_are_ours_alone(tmp_path: Path):
    first = keys.load(tmp_path / "keys", create=True)
    second = keys.load(tmp_path / "keys", create=True)
    assert second.read(RunToken, "router", first.sign("router", TOKEN, 60)) == TOKEN
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()} == {0o600}
    assert "private" not in repr(first)


def test_a_breaker_opens_after_failures_in_a_row_and_closes_again():
    now = [0.0]
    breaker = Breaker("x", failures=2, seconds=10, clock=lambda: now[0])
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    breaker.check()
    breaker.failed()
    with pytest.raises(Unavailable) as caught:
        breaker.check()
    assert caught.value.code == "breaker_open"
    now[0] = 10.1
    breaker.check()
    with pytest.raises(Unavailable):  # one call tries; the others rest on
        breaker.check()
    breaker.succeeded()
    now[0] = 21.0
    breaker.check()
    breaker.check()


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ({"tools": ("repo_serch",)}, "repo_search"),
        ({"arguments": {"file_raed": {"path": {"none_of": ["x"]}}}}, "file_read"),
        ({"arguments": {"file_read": {"paht": {"none_of": ["x"]}}}}, "path"),
    ],
)
def test_a_policy_that_names_what_is_not_there_is_refused(written: dict[str, Any], near: str):
    policy = PolicyFile.model_validate({"tenants": {"local": written}})
    with pytest.raises(ConfigError) as caught:
        check_policy(policy, discovery.discover("groundswell.tools", Tool))
    assert near in caught.value.hint


def test_a_policy_that_raises_denies_and_the_first_deny_wins():
    def policy(name: str, function: Any) -> Policy:
        return Policy(name, "", ToolCall, function)

    def raises(call: Any, grant: Any) -> Any:
        raise KeyError("x")

    call, grant = ToolCall(agent="a", tool="t"), Grant(agent="a", tenant="local")
    allow = policy("allow", lambda c, g: ALLOW)
    assert judge([allow], call, grant).allowed
    assert judge([allow, policy("broken", raises), allow], call, grant).rule == "broken"
    first, second = policy("1", lambda c, g: deny("one", "")), policy("2", lambda c, g: deny("two", ""))
    assert judge([first, second], call, grant).rule == "one"


def test_excerpts_become_evidence_and_secrets_are_gone():
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    excerpt = {"source": "repo:a.py#L1", "text": f"token = '{secret}'", "digest": "", "truncated": False}
    result, pieces = result_of([{"path": "a.py", "excerpt": excerpt}], 10_000, "path:/x@abc")
    assert secret not in json.dumps(result.value) + pieces[0].text
    assert result.value[0]["excerpt"]["digest"] == pieces[0].digest
    assert (pieces[0].source, pieces[0].origin) == ("repo:a.py#L1", "path:/x@abc")


def test_what_is_too_large_is_cut_and_read_on_behind_its_handle():
    value = [{"path": f"file{number}.py", "text": "x" * 50} for number in range(700)]
    result, pieces = result_of(value, 5_000, "")
    assert result.truncated
    assert len(json.dumps(result.value)) <= 5_000
    assert result.value == value[: len(result.value)]
    assert result.handle.startswith(pieces[-1].digest)
    assert json.loads(pieces[-1].text) == value


def test_what_is_kept_is_within_what_its_call_reserved():
    """Letters of four bytes, and as many excerpts as text: what counts is bytes, of all that is stored."""
    excerpt = {"source": "page:x", "text": "\N{WATER WAVE}" * 400, "digest": "", "truncated": False}
    result, pieces = result_of([{"excerpt": {**excerpt, "source": f"page:{n}"}} for n in range(2_000)], 1_000, "")
    assert sum(len(piece.text.encode()) for piece in pieces) <= 1_000 * STORED_AT_MOST
    assert len(pieces) > 1
    assert (result.truncated, pieces[-1].truncated, pieces[-1].source) == (True, True, "tool:whole")


def test_what_cannot_be_cut_is_an_error_rather_than_too_much():
    result, _ = result_of({f"name{number}": number for number in range(10_000)}, 1_000, "")
    assert (result.status, result.code, result.value) == ("error", "reply_too_large", None)
    assert result.handle


leaves = st.one_of(st.text(max_size=200), st.integers(), st.booleans())
trees = st.recursive(
    leaves, lambda t: st.lists(t, max_size=30) | st.dictionaries(st.just("text") | st.text(max_size=5), t)
)


@settings(max_examples=60, deadline=None)
@given(trees, st.integers(min_value=40, max_value=2000))
def test_fitting_keeps_the_shape(value: Any, budget: int):
    kind = type(value)
    assert type(fitted(value, budget)) is kind


@pytest.mark.real
async def test_cpu_work_is_killed_when_its_time_is_up_and_others_go_on():
    workers = CpuWorkers(1)
    try:
        with pytest.raises(Unavailable) as caught:
            await workers.run(cpu_work.slow, 60.0, seconds=0.3)
        assert caught.value.code == "cpu_deadline"
        assert await workers.run(sum, [1, 2], seconds=20) == 3
        with pytest.raises(ValueError, match="as it should"):
            await workers.run(cpu_work.fails, seconds=20)
    finally:
        await workers.close()
