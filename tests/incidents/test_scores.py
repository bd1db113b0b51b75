"""What the observability agent says of every incident, through the platform's own door, beside the floor."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from e2e.program import Home, made
from groundswell.client import Client
from groundswell.core.records import NewRun, Run
from incidents.asking import answered
from incidents.judge import HELD_OUT, cases, floor, judge

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.xdist_group("incidents")]
AT_ONCE = 2


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = made(tmp_path_factory.mktemp("i"))
    home.well("up", "-d", "--no-question", seconds=240)
    yield home
    home.close()


async def answers(platform: Home, *sets: str, every: int = 1) -> dict[str, Run]:
    """The run of every case, or of a share."""
    instance, turn = platform.instance, asyncio.Semaphore(AT_ONCE)
    async with Client(instance["url"], instance["key"]) as client:

        async def one(name: str, folder: str, question: str) -> tuple[str, Run]:
            asked = {"input": question, "agent": "observability", "sources": {"kubernetes": f"dump:{folder}"}}
            async with turn:
                run = await client.start(NewRun.model_validate(asked))
                async for _ in client.follow(run.id):
                    pass
                return name, await client.show(run.id)

        asked = list(cases(*sets))[::every]
        return dict(await asyncio.gather(*(one(name, str(folder), question) for name, folder, question, _ in asked)))


async def test_root_causes_are_named_and_what_is_well_raises_no_alarm(platform: Home) -> None:
    first = await answers(platform)
    said = {name: run.answer.text if run.answer else "" for name, run in first.items()}
    ours, floors, wrong = Counter[tuple[bool, str]](), Counter[tuple[bool, str]](), list[str]()
    for name, folder, _, case in cases():
        verdict = judge(case, said[name])
        ours[case.healthy, verdict.kind] += 1
        floors[case.healthy, judge(case, floor(folder)).kind] += 1
        if verdict.kind != "right":
            wrong.append(f"{name}: {verdict.kind}, {verdict.reason}\n    {said[name][:300]!r}")
    report = f"ours {dict(ours)}\nfloor {dict(floors)}\n" + "\n".join(wrong)
    incidents = sum(count for (healthy, _), count in ours.items() if not healthy)
    assert ours[False, "right"] / incidents >= 0.85, report
    assert ours[True, "false alarm"] == 0, report
    assert ours[False, "right"] > floors[False, "right"], report
    for name, run in first.items():
        assert run.answer, name
        assert all(claim.citations for claim in run.answer.claims), name


async def test_asked_three_times_the_answer_is_the_same_and_that_of_the_agent_alone(platform: Home) -> None:
    folders = {name: (folder, question) for name, folder, question, _ in cases()}
    rounds = [await answers(platform, every=12) for _ in range(3)]
    for name, run in rounds[0].items():
        assert run.answer, name
        assert run.answer == rounds[1][name].answer == rounds[2][name].answer, name
        assert run.answer == await answered(*folders[name]), name


async def test_what_was_composed_unseen_is_answered_and_its_healthy_raise_no_alarm(platform: Home) -> None:
    said = {name: run.answer for name, run in (await answers(platform, *HELD_OUT)).items()}
    wrong = [
        f"{name}: {verdict.kind}, {verdict.reason}"
        for name, _, _, case in cases(*HELD_OUT)
        if (verdict := judge(case, answer.text if (answer := said[name]) else "")).kind != "right"
    ]
    assert not [each for each in wrong if "false alarm" in each], wrong
    assert len(wrong) <= len(said) * 0.1, wrong
    assert all(claim.citations for answer in said.values() if answer for claim in answer.claims)
