"""Homes for the program, each with its own platform or none."""

from collections.abc import Callable, Iterator

import pytest

from e2e.program import Home, made


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Home]]:
    """New homes; whatever still runs in one at the end is ended."""
    opened: list[Home] = []

    def make(**more: str) -> Home:
        opened.append(made(tmp_path_factory.mktemp("h"), **more))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def home(homes: Callable[..., Home]) -> Home:
    """A home where nothing has run yet."""
    return homes()
