"""Turns of a model over real HTTP: what comes through whatever engine cut it, and how what is broken ends."""

import contextlib
import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundswell.backends.models.chat import ChatModel, Endpoint
from groundswell.backends.models.chat_assembly import Assembly, Delta, NotAReply
from groundswell.core.errors import ConfigError, GroundswellError, Invalid, Unavailable
from groundswell.core.records import ChatMessage, ChatReply, ChatRequest, ToolSpec
from groundswell.testing import Say, ScriptedModel

ASKED = ChatRequest(messages=(ChatMessage(role="user", content="hello"),))
TOOLS = ASKED.model_copy(update={"tools": (ToolSpec(name="look", description="Look."),)})


async def said(script: Any, request: ChatRequest = ASKED, **endpoint: Any) -> tuple[ChatReply, list[Delta], Any]:
    with ScriptedModel(script) as scripted:
        model = ChatModel(Endpoint(scripted.url, **endpoint))
        try:
            parts = [part async for part in model.stream(request)]
        finally:
            await model.close()
    reply = parts.pop()
    assert isinstance(reply, ChatReply)
    return reply, [part for part in parts if isinstance(part, Delta)], scripted


async def failure(script: Any, request: ChatRequest = ASKED, **endpoint: Any) -> tuple[GroundswellError, Any]:
    with ScriptedModel(script) as scripted:
        model = ChatModel(Endpoint(scripted.url, **endpoint))
        try:
            with pytest.raises(GroundswellError) as caught:
                await model.complete(request)
        finally:
            await model.close()
    return caught.value, scripted


async def test_text_and_reasoning_come_as_they_are_said_and_whole_at_the_end() -> None:
    reply, parts, scripted = await said([Say("a longer answer in pieces", reasoning="let me think about it")])
    assert "".join(part.text for part in parts) == reply.content == "a longer answer in pieces"
    assert "".join(part.reasoning for part in parts) == reply.reasoning == "let me think about it"
    assert len(parts) > 2
    assert (reply.finish, reply.model, reply.usage.counted) == ("stop", "scripted", True)
    assert "reasoning" not in json.dumps(scripted.requests)


async def test_what_no_text_can_hold_is_replaced_where_it_enters() -> None:
    bad = "zero \0, half \ud83d"
    reply, parts, _ = await said([Say(bad, reasoning=bad, calls=[(bad, {})])], TOOLS)
    good = "zero \N{REPLACEMENT CHARACTER}, half ?"
    assert "".join(part.text for part in parts) == reply.content == reply.reasoning == good
    assert reply.tool_calls[0].name == good


async def test_parallel_calls_come_with_their_arguments_put_together() -> None:
    calls = [("look", {"where": "a longer place than one piece"}), ("look", {"where": "b"})]
    reply, _, scripted = await said([Say(calls=calls)], TOOLS)
    assert [(call.name, json.loads(call.arguments)) for call in reply.tool_calls] == calls
    assert len({call.id for call in reply.tool_calls}) == 2
    assert scripted.requests[0]["tools"][0]["function"]["name"] == "look"


async def test_name_and_window_come_from_the_endpoint_where_settings_say_nothing() -> None:
    with ScriptedModel([]) as scripted:
        model = ChatModel(Endpoint(scripted.url))
        await model.ready()
        assert (model.name, model.window) == ("scripted", 32_768)
        await model.close()


async def test_key_headers_and_query_are_sent() -> None:
    _, _, scripted = await said(["yes"], key="k-1", headers={"X-Team": "blue"}, query={"api-version": "1"})
    assert scripted.headers[0]["authorization"] == "Bearer k-1"
    assert scripted.headers[0]["x-team"] == "blue"


async def test_what_fails_before_the_first_byte_is_asked_again() -> None:
    reply, _, scripted = await said([Say(status=503), Say(status=429), "there"])
    assert reply.content == "there"
    assert len(scripted.requests) == 3


async def test_a_turn_that_broke_after_its_first_byte_is_not_asked_again() -> None:
    error, scripted = await failure([Say("half of it is lost", fault="cut"), "never asked"])
    assert (type(error), error.code, len(scripted.requests)) == (Unavailable, "model_cut_off", 1)
    assert error.details["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize(
    ("say", "kind", "code"),
    [
        (Say("x", fault="garbage"), Unavailable, "model_garbage"),
        (Say(fault="empty"), Unavailable, "model_cut_off"),
        (Say("x", fault="endless"), Unavailable, "model_cut_off"),
        (Say(status=401), ConfigError, "model_key"),
        (Say(status=404), ConfigError, "model_unknown"),
        (Say(status=400, text="This model's maximum context length is 8192 tokens"), Invalid, "context_too_long"),
        (Say(status=400, text='"auto" tool choice requires --enable-auto-tool-choice'), Invalid, "tools_unsupported"),
        (Say(status=400, text="response_format is not known"), Invalid, "form_unsupported"),
        (Say(status=422), Invalid, "model_rejected"),
    ],
)
async def test_every_way_to_break_has_a_type_and_a_code(say: Say, kind: type, code: str) -> None:
    error, _ = await failure([say])
    assert (type(error), error.code) == (kind, code)


async def test_a_model_that_says_nothing_more_ends_at_its_deadline() -> None:
    error, _ = await failure([Say("only half", fault="hang")], ASKED.model_copy(update={"seconds": 0.2}))
    assert error.code == "model_deadline"


async def test_nobody_at_the_address_is_unavailable_and_no_address_is_a_setting() -> None:
    with ScriptedModel([]) as scripted:
        gone = scripted.url
    for url, code in ((gone, "model_away"), ("nowhere", "model_url")):
        model = ChatModel(Endpoint(url, model="m", window=1))
        with pytest.raises(GroundswellError) as caught:
            await model.complete(ASKED)
        assert caught.value.code == code
        await model.close()


async def test_a_server_that_does_not_stream_is_understood_all_the_same() -> None:
    whole = {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}], "model": "m"}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=whole))
    model = ChatModel(Endpoint("http://model/v1", model="m", window=1), transport=transport)
    reply = await model.complete(ASKED)
    assert (reply.content, reply.usage.counted) == ("whole", False)
    await model.close()


async def test_stream_options_are_left_out_for_a_server_that_does_not_know_them() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if "stream_options" in json.loads(request.content):
            return httpx2.Response(400, json={"error": {"message": "unknown field stream_options"}})
        return httpx2.Response(200, json={"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]})

    model = ChatModel(Endpoint("http://model/v1", model="m", window=1), transport=httpx2.MockTransport(answer))
    assert (await model.complete(ASKED)).content == "yes"
    await model.close()


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_no_chunk_breaks_the_assembly(value: Any) -> None:
    assembly = Assembly(ASKED)
    for data in (value, {"choices": value}, {"choices": [{"delta": value, "finish_reason": value}]}, {"usage": value}):
        for wrapped in (data, {"choices": [{"delta": {"tool_calls": [value, {"function": value}]}}]}):
            with contextlib.suppress(NotAReply):
                assembly.take(json.dumps(wrapped))
    assert assembly.reply("m").model
