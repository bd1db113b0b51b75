"""Each check passes on a platform that is well, and fails on one where what it proves was broken.

What is replaced here is the platform's own code, on purpose: the checks themselves run as they always do.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from groundswell.backends.databases import saver
from groundswell.backends.databases.api_keys import ApiKeys
from groundswell.backends.databases.calls import Journal
from groundswell.backends.databases.events import EventLog
from groundswell.backends.databases.evidence import EvidenceStore
from groundswell.client import Client
from groundswell.core.check import Place
from groundswell.core.errors import NotFound
from groundswell.core.policy import ALLOW
from groundswell.core.records.events import Answered
from groundswell.runtime import discovery, tool_calls, worker
from groundswell.runtime.authentication import Authentication
from groundswell.runtime.checks import proof_of
from groundswell.runtime.platform import Running
from groundswell.services import gateway
from groundswell.services.openai import doors
from groundswell.services.router import choice, service

Patch = pytest.MonkeyPatch
NUMBERS = itertools.count()
pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("waves")]


def wrong_weights(patch: Patch) -> None:
    right = choice.trained()
    patch.setattr(choice, "trained", lambda: replace(right, labels=(*right.labels[1:], right.labels[0])))


def an_event_is_dropped(patch: Patch) -> None:
    follow = EventLog.follow

    async def dropping(self: EventLog, *given: Any, **named: Any) -> Any:
        async for event in follow(self, *given, **named):
            if event.number != 2:
                yield event

    patch.setattr(EventLog, "follow", dropping)


def starts_are_not_told(patch: Patch) -> None:
    patch.setattr(saver, "nodes_to_run", lambda channels: ())


def failures_say_nothing(patch: Patch) -> None:
    patch.setattr(worker, "ending_by", lambda error, run: Answered(status="failed", reason=""))


def nothing_is_evidence(patch: Patch) -> None:
    async def none(self: EvidenceStore, *given: Any, **named: Any) -> None:
        return None

    patch.setattr(EvidenceStore, "get", none)


def all_is_allowed(patch: Patch) -> None:
    patch.setattr(tool_calls, "judge", lambda *given: ALLOW)


def all_sources_are_allowed(patch: Patch) -> None:
    patch.setattr(service, "judge", lambda *given: ALLOW)


def no_timeouts(patch: Patch) -> None:
    patch.setitem(discovery.tools(), "probe_wait", replace(discovery.tools()["probe_wait"], seconds=60))


def no_retries(patch: Patch) -> None:
    patch.setitem(discovery.tools(), "probe_flaky", replace(discovery.tools()["probe_flaky"], retries=0))


def tool_does(patch: Patch, name: str, does: Callable[..., Any]) -> None:
    patch.setitem(discovery.tools(), name, replace(discovery.tools()[name], function=does))


def the_cluster_is_empty(patch: Patch) -> None:
    async def nothing(context: Any, **arguments: Any) -> Any:
        raise NotFound("nothing", "there is nothing")

    tool_does(patch, "cluster_evidence", nothing)


def answers_differ(patch: Patch) -> None:
    made = worker.ending_of

    def ending(state: Any, *, direct: bool) -> Answered:
        ended = made(state, direct=direct)
        claims = tuple(
            claim.model_copy(update={"text": f"{claim.text} {next(NUMBERS)}"}) for claim in ended.answer.claims
        )
        return ended.model_copy(update={"answer": ended.answer.model_copy(update={"claims": claims})})

    patch.setattr(worker, "ending_of", ending)


def evidence_is_lost(patch: Patch) -> None:
    found = EvidenceStore.get

    async def other(self: EvidenceStore, *given: Any, **named: Any) -> Any:
        got = await found(self, *given, **named)
        return got and got.model_copy(update={"text": "something else"})

    patch.setattr(EvidenceStore, "get", other)


def limits_end_untyped(patch: Patch) -> None:
    patch.setattr(worker, "exhausted", lambda limit, run: Answered(status="succeeded"))


def secrets_stay(patch: Patch) -> None:
    patch.setattr(service, "redact", lambda text: text)


def any_key_will_do(patch: Patch) -> None:
    async def local(self: Authentication, text: str) -> Any:
        return self._local()  # type: ignore[attr-defined]

    patch.setattr(Authentication, "_by_key", local)


def keys_cannot_be_taken_back(patch: Patch) -> None:
    async def nothing(self: ApiKeys, tenant: str, key: str) -> Any:
        return next(each for each in await self.listed(tenant) if each.id == key)

    patch.setattr(ApiKeys, "revoke", nothing)


def refusals_are_silent(patch: Patch) -> None:
    refuse = Journal.refuse

    async def silent(self: Journal, place: Any, result: Any, denial: Any) -> None:
        await refuse(self, place, result, None)

    patch.setattr(Journal, "refuse", silent)


def completions_are_empty(patch: Patch) -> None:
    patch.setattr(doors, "text_of", lambda run: "")


def the_page_is_cut_off(patch: Patch) -> None:
    text, security = gateway.start_page()
    patch.setattr(gateway, "start_page", lambda: (text[: len(text) // 2], security))


def a_service_is_away(patch: Patch) -> None:
    services = gateway._services  # type: ignore[attr-defined]

    async def without(of: Any) -> Any:
        return {**await services(of), "models": {"status": "away"}}

    patch.setattr(gateway, "_services", without)


def some_runs_fail(patch: Patch) -> None:
    made = worker.ending_of

    def ending(state: Any, *, direct: bool) -> Answered:
        return Answered(status="failed") if next(NUMBERS) % 5 == 0 else made(state, direct=direct)

    patch.setattr(worker, "ending_of", ending)


def searches_find_nothing(patch: Patch) -> None:
    async def nothing(context: Any, **arguments: Any) -> list[Any]:
        return []

    tool_does(patch, "documents_search", nothing)


def nothing_is_removed(patch: Patch) -> None:
    async def kept(context: Any, name: str) -> Any:
        return (await context.documents.shelf(name)).collection

    tool_does(patch, "collection_remove", kept)


BROKEN: dict[str, Callable[[Patch], None]] = {
    "vectors_come_back": searches_find_nothing,
    "collections_are_listed": nothing_is_removed,
    "database_answers": an_event_is_dropped,
    "questions_reach_their_agents": wrong_weights,
    "the_life_of_a_run_can_be_followed": an_event_is_dropped,
    "each_step_is_logged_from_start_to_end": starts_are_not_told,
    "a_raising_node_ends_typed": failures_say_nothing,
    "results_are_structured": nothing_is_evidence,
    "each_agent_is_kept_to_its_tools": all_is_allowed,
    "a_tool_off_the_list_is_denied": all_is_allowed,
    "a_slow_tool_is_timed_out": no_timeouts,
    "a_flaky_read_is_tried_again": no_retries,
    "each_agent_finishes_a_task": the_cluster_is_empty,
    "answers_are_the_same_three_times": answers_differ,
    "every_claim_opens_what_it_rests_on": evidence_is_lost,
    "tasks_use_granted_tools_alone": all_is_allowed,
    "each_limit_ends_typed": limits_end_untyped,
    "a_secret_reaches_no_reader": secrets_stay,
    "an_unlisted_host_is_not_reached": all_is_allowed,
    "an_ungranted_source_is_not_opened": all_sources_are_allowed,
    "strangers_are_refused": any_key_will_do,
    "each_refusal_leaves_an_event": refusals_are_silent,
    "openai_clients_get_answers": completions_are_empty,
    "the_page_is_served": the_page_is_cut_off,
    "requests_get_to_their_service": a_service_is_away,
    "keys_open_what_they_may": keys_cannot_be_taken_back,
    "many_runs_at_once_all_end_well": some_runs_fail,
}
DRILLS = ("what_was_written_survives_a_restart", "acknowledged_runs_survive_kills")


@pytest.mark.real
@pytest.mark.parametrize("name", BROKEN)
async def test_a_check_passes_where_all_is_well_and_fails_where_it_was_broken(
    name: str, client: Client, place: Place, monkeypatch: Patch
):
    check = discovery.checks()[name]
    well = await proof_of(check, client, place)
    assert well.status == "pass", (well.message, well.measures, well.excerpts)
    BROKEN[name](monkeypatch)
    broken = await proof_of(check, client, place)
    assert broken.judged() == "fail", (broken.status, broken.message, broken.measures)
    assert broken.message


@pytest.mark.real
@pytest.mark.parametrize("name", DRILLS)
async def test_a_drill_passes_where_kills_lose_nothing_and_fails_where_they_do(
    name: str, laptop: Running, client: Client, place: Place
):
    check = discovery.checks()[name]
    well = await proof_of(check, client, place, drills=True)
    assert well.status == "pass", (well.message, well.measures, well.excerpts)

    async def lossy() -> str:
        """What a disk that lies about fsync does to the newest run."""
        database = laptop.base.database("router")
        await database.open()
        try:
            async with database.connection() as connection:
                await connection.execute("SET ROLE NONE")
                await connection.execute(
                    "DELETE FROM runs WHERE id = (SELECT id FROM runs WHERE agent = 'probe' AND status = 'succeeded'"
                    " ORDER BY created DESC LIMIT 1)"
                )
        finally:
            await database.close()
        return "a run was lost"

    broken = await proof_of(check, client, replace(place, drills={"stores": lossy}), drills=True)
    assert broken.judged() == "fail", (broken.message, broken.measures)


async def test_a_drill_runs_only_when_asked(client: Client, place: Place):
    for name in DRILLS:
        proof = await proof_of(discovery.checks()[name], client, place)
        assert proof.status == "skip"
        assert "--drills" in proof.message


async def test_what_a_laptop_does_not_have_is_skipped_and_never_a_pass(client: Client, place: Place):
    absent = [check for check in discovery.checks().values() if check.needs]
    assert len(absent) > 10
    for check in absent:
        proof = await proof_of(check, client, place)
        assert proof.judged() == "skip", check.name
        assert proof.message


def test_every_check_is_seen_to_fail():
    elsewhere = {
        name
        for name, check in discovery.checks().items()
        if check.needs or check.proves[0].startswith("w2.") or name in (*DRILLS, "the_limits_of_models_end_typed")
    }
    assert set(BROKEN) | elsewhere == set(discovery.checks())
