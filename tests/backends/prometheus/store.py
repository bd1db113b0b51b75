"""A small Prometheus: it counts, writes down what it is asked, and answers all else as a test says."""

from abc import abstractmethod
from typing import Any
from urllib.parse import parse_qs, urlsplit

from small_server import Answering, SmallServer


class Store(SmallServer):
    """Answers counts with `series`, and all else with `result`."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.series = 3
        self.asked: list[str] = []

    @abstractmethod
    def result(self, query: str, *, over_time: bool) -> list[dict[str, Any]]:
        """The series of a query."""


class _Handler(Answering):
    server: Store  # type: ignore[assignment]

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)["query"][0]
        self.server.asked.append(query)
        result = self.server.result(query, over_time="query_range" in self.path)
        if query.startswith("count("):
            result = [{"metric": {}, "value": [1, str(self.server.series)]}]
        self.answer(200, {"status": "success", "data": {"resultType": "vector", "result": result}})
