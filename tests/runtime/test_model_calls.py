"""How the models service stands to a model that fails and comes back."""

from types import SimpleNamespace
from typing import Any

from groundswell.core.records import ChatMessage, ChatReply, ChatRequest
from groundswell.core.settings import EgressSettings, ModelEndpoint
from groundswell.runtime.model_calls import ModelCalls, served
from groundswell.testing import ScriptedModel

ASKED = ChatRequest(messages=(ChatMessage(role="user", content="Are you there?"),))


async def test_a_model_that_is_back_is_asked_again_though_every_run_first_looks_which_there_are() -> None:
    journal: Any = SimpleNamespace(database=None)
    now = [0.0]
    with ScriptedModel(lambda body: "Yes.") as model:
        models = served({"planner": ModelEndpoint(url=model.url)}, EgressSettings())
        serving, calls = models["planner"], ModelCalls(journal, models)
        serving.breaker.clock = lambda: now[0]
        for _ in range(serving.breaker.failures):
            serving.breaker.failed()
        assert [view.resting for view in await calls.views()] == [True]
        now[0] = serving.breaker.seconds + 1
        assert [view.resting for view in await calls.views()] == [False]
        async with serving.turn(ASKED) as said:
            replies = [part.content async for part in said if isinstance(part, ChatReply)]
        await serving.model.close()
    assert replies == ["Yes."]
    assert serving.breaker.in_a_row == 0
