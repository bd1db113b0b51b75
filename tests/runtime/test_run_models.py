"""A run's way to the models service."""

from typing import Any, cast

import pytest

from groundswell.backends.peers import Peer
from groundswell.core.errors import Unauthenticated
from groundswell.core.records import ToolResult
from groundswell.runtime.run_models import RunModels


class Models:
    """A models service that refuses the first token."""

    def __init__(self, code: str) -> None:
        self.code, self.seen = code, list[str]()

    async def post(self, path: str, body: Any, headers: dict[str, str]) -> list[dict[str, object]]:
        self.seen.append(headers["Authorization"])
        if headers["Authorization"] == "token 0":
            raise Unauthenticated(self.code, "this token is no good")
        return []


class Tokens:
    number = 0

    async def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.number}"}

    def spoiled(self) -> None:
        self.number += 1


def ways(service: Models) -> RunModels:
    async def ask(kind: str, arguments: dict[str, object], outline: dict[str, object]) -> ToolResult:
        raise AssertionError(kind)

    return RunModels(cast("Peer", service), ask, Tokens(), lambda name, **said: None, 0.0)


@pytest.mark.parametrize("code", ["token_expired", "key_dropped"])
async def test_a_token_that_another_one_may_replace_is_replaced(code: str) -> None:
    service = Models(code)
    assert await ways(service).views() == []
    assert service.seen == ["token 0", "token 1"]


async def test_one_that_was_never_good_is_not_asked_with_again() -> None:
    service = Models("bad_token")
    with pytest.raises(Unauthenticated):
        await ways(service).views()
    assert service.seen == ["token 0"]
