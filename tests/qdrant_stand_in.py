"""A stand-in for a Qdrant server, for tests where none is to be had: what is used of its REST, over qdrant-edge.

    python qdrant_stand_in.py FOLDER [--port N] [--host ADDRESS] [--key KEY]

It is not Qdrant: one peer, one request at a time, no snapshots, no consensus. What it shares with Qdrant is the engine
that stores, filters and scores. What it acknowledges is on disk. Proof that rests on it is simulated.
"""

import argparse
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import qdrant_edge as edge

TITLE = "qdrant stand-in over qdrant-edge (tests only)"


class Refused(Exception):
    """An error as Qdrant says it."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class StandIn:
    """What is stored: a manifest of collections and aliases, and a shard a collection."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "manifest.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.state: dict[str, Any] = {"collections": {}, "aliases": {}, "made": 0}
        if self.file.is_file():
            self.state = json.loads(self.file.read_text())
        self.shards: dict[str, edge.EdgeShard] = {}
        places = {each["place"] for each in self.state["collections"].values()}
        for place in folder.glob("shard-*"):
            if place.name not in places:  # made or removed when it was killed
                shutil.rmtree(place)

    def save(self) -> None:
        part = self.file.with_suffix(".part")
        with part.open("w") as file:
            json.dump(self.state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.file)

    def close(self) -> None:
        for shard in self.shards.values():
            shard.close()

    # -- collections and aliases

    def collections(self) -> Any:
        return {"collections": [{"name": name} for name in self.state["collections"]]}

    def create(self, name: str, body: dict[str, Any]) -> Any:
        if name in self.state["collections"]:
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        if name in self.state["aliases"]:
            raise Refused(400, f"Wrong input: Can't create collection with name {name}: an alias has it")
        self.state["made"] += 1
        place = f"shard-{self.state['made']}"
        shutil.rmtree(self.folder / place, ignore_errors=True)
        (self.folder / place).mkdir()
        vectors = {
            each: edge.EdgeVectorParams(size=shape["size"], distance=getattr(edge.Distance, shape["distance"]))
            for each, shape in body.get("vectors", {}).items()
        }
        sparse = {
            each: edge.EdgeSparseVectorParams(modifier=getattr(edge.Modifier, shape.get("modifier", "none").title()))
            for each, shape in body.get("sparse_vectors", {}).items()
        }
        config = edge.EdgeConfig(vectors=vectors or None, sparse_vectors=sparse or None)
        self.shards[name] = edge.EdgeShard.create(str(self.folder / place), config)
        self.shards[name].flush()
        self.state["collections"][name] = {"place": place, "body": body, "fields": {}}
        self.save()
        return True

    def describe(self, name: str) -> Any:
        there = self.state["collections"][self.resolved(name)]
        body, shard = there["body"], self.shard(name)
        fields = {field: {"data_type": kind, "points": 0} for field, kind in there["fields"].items()}
        shape: dict[str, Any] = {"vectors": body.get("vectors", {})}
        if body.get("sparse_vectors"):
            shape["sparse_vectors"] = body["sparse_vectors"]
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": 0,
            "points_count": shard.info().points_count,
            "segments_count": shard.info().segments_count,
            "config": {
                "params": shape,
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                },
                "metadata": body.get("metadata"),
            },
            "payload_schema": fields,
        }

    def delete(self, name: str) -> Any:
        there = self.state["collections"].pop(name, None)
        if there is None:
            return False
        self.state["aliases"] = {alias: to for alias, to in self.state["aliases"].items() if to != name}
        self.save()
        if shard := self.shards.pop(name, None):
            shard.close()
        shutil.rmtree(self.folder / there["place"], ignore_errors=True)
        return True

    def aliases(self) -> Any:
        pairs = self.state["aliases"].items()
        return {"aliases": [{"alias_name": alias, "collection_name": name} for alias, name in pairs]}

    def change_aliases(self, body: dict[str, Any]) -> Any:
        for action in body["actions"]:
            made = action["create_alias"]
            if made["collection_name"] not in self.state["collections"]:
                raise Refused(404, f"Not found: Collection `{made['collection_name']}` doesn't exist!")
            if made["alias_name"] in self.state["collections"]:
                raise Refused(409, f"Wrong input: Collection `{made['alias_name']}` already exists!")
            self.state["aliases"][made["alias_name"]] = made["collection_name"]
        self.save()
        return True

    def index(self, name: str, body: dict[str, Any]) -> Any:
        kind = getattr(edge.PayloadSchemaType, body["field_schema"].title())
        self.update(name, edge.UpdateOperation.create_field_index(body["field_name"], kind))
        self.state["collections"][self.resolved(name)]["fields"][body["field_name"]] = body["field_schema"]
        self.save()
        return {"operation_id": 0, "status": "completed"}

    # -- points

    def upsert(self, name: str, body: dict[str, Any]) -> Any:
        points = [
            edge.Point(UUID(each["id"]), {name: _vector(v) for name, v in each["vector"].items()}, each["payload"])
            for each in body["points"]
        ]
        self.update(name, edge.UpdateOperation.upsert_points(points))
        return {"operation_id": 0, "status": "completed"}

    def remove(self, name: str, body: dict[str, Any]) -> Any:
        if "points" in body:
            self.update(name, edge.UpdateOperation.delete_points([UUID(each) for each in body["points"]]))
        else:
            self.update(name, edge.UpdateOperation.delete_points_by_filter(_filter(body["filter"]) or edge.Filter()))
        return {"operation_id": 0, "status": "completed"}

    def query(self, name: str, body: dict[str, Any]) -> Any:
        return [{"points": self.searched(name, each)} for each in body["searches"]]

    def searched(self, name: str, body: dict[str, Any]) -> list[Any]:
        request = edge.QueryRequest(
            limit=body["limit"],
            query=edge.Query.Nearest(_vector(body["query"]), using=body["using"]),
            filter=_filter(body.get("filter")),
            params=edge.SearchParams(hnsw_ef=body["params"]["hnsw_ef"]),
            with_payload=body["with_payload"],
        )
        return [
            {"id": str(hit.id), "version": hit.version, "score": hit.score, "payload": hit.payload}
            for hit in self.shard(name).query(request)
        ]

    def retrieve(self, name: str, body: dict[str, Any]) -> Any:
        ids: list[Any] = [UUID(each) for each in body["ids"]]
        found = self.shard(name).retrieve(ids, with_payload=body["with_payload"], with_vector=body["with_vector"])
        return [_record(each) for each in found]

    def scroll(self, name: str, body: dict[str, Any]) -> Any:
        request = edge.ScrollRequest(
            offset=UUID(body["offset"]) if body.get("offset") else None,
            limit=body["limit"],
            filter=_filter(body.get("filter")),
            with_payload=body["with_payload"],
            with_vector=body["with_vector"],
        )
        records, after = self.shard(name).scroll(request)
        return {"points": [_record(each) for each in records], "next_page_offset": str(after) if after else None}

    def count(self, name: str, body: dict[str, Any]) -> Any:
        request = edge.CountRequest(exact=body["exact"], filter=_filter(body.get("filter")))
        return {"count": self.shard(name).count(request)}

    # -- shards

    def resolved(self, name: str) -> str:
        name = self.state["aliases"].get(name, name)
        if name not in self.state["collections"]:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return name

    def shard(self, name: str) -> edge.EdgeShard:
        name = self.resolved(name)
        if name not in self.shards:
            self.shards[name] = edge.EdgeShard.load(str(self.folder / self.state["collections"][name]["place"]))
        return self.shards[name]

    def update(self, name: str, operation: edge.UpdateOperation) -> None:
        shard = self.shard(name)
        shard.update(operation)
        shard.flush()


def _vector(value: Any) -> Any:
    return edge.SparseVector(value["indices"], value["values"]) if isinstance(value, dict) else value


def _filter(body: dict[str, Any] | None) -> edge.Filter | None:
    conditions = (body or {}).get("must", [])
    if not conditions:
        return None
    return edge.Filter(
        must=[edge.FieldCondition(key=each["key"], match=edge.MatchAny(each["match"]["any"])) for each in conditions]
    )


def _record(record: Any) -> dict[str, Any]:
    vectors: dict[str, Any] = {}
    for name, value in (record.vector or {}).items():
        vectors[name] = {"indices": value.indices, "values": value.values} if hasattr(value, "indices") else value
    return {"id": str(record.id), "payload": record.payload, "vector": vectors}


ROUTES: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", "/collections"): StandIn.collections,
    ("GET", "/aliases"): StandIn.aliases,
    ("POST", "/collections/aliases"): StandIn.change_aliases,
    ("PUT", "/collections/*"): StandIn.create,
    ("GET", "/collections/*"): StandIn.describe,
    ("DELETE", "/collections/*"): StandIn.delete,
    ("PUT", "/collections/*/index"): StandIn.index,
    ("PUT", "/collections/*/points"): StandIn.upsert,
    ("POST", "/collections/*/points"): StandIn.retrieve,
    ("POST", "/collections/*/points/delete"): StandIn.remove,
    ("POST", "/collections/*/points/query/batch"): StandIn.query,
    ("POST", "/collections/*/points/scroll"): StandIn.scroll,
    ("POST", "/collections/*/points/count"): StandIn.count,
}
OPEN = {"/": {"title": TITLE, "version": "0.0.0"}, "/healthz": "healthz check passed", "/readyz": "shards are ready"}


class Server(ThreadingHTTPServer):
    """At an address; every request is answered alone."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0, host: str = "127.0.0.1", key: str = "") -> None:
        super().__init__((host, port), Answering)
        self.store, self.key, self.alone = StandIn(folder), key, threading.Lock()
        self.url = f"qdrant://{host}:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def answered(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path in OPEN or path == "/livez":
            self.send(200, OPEN.get(path, "healthz check passed"))
            return
        if self.server.key and self.headers.get("api-key") != self.server.key:
            self.send(401, "Must provide an API key or an Authorization bearer token")
            return
        try:
            with self.server.alone:
                result = self.result(path, json.loads(body) if body else None)
        except Refused as error:
            self.send(error.status, {"status": {"error": str(error)}, "time": 0.0})
        except Exception as error:  # noqa: BLE001 - the engine raises nothing narrower
            self.send(400, {"status": {"error": f"Wrong input: {error}"}, "time": 0.0})
        else:
            self.send(200, {"result": result, "status": "ok", "time": 0.0})

    def result(self, path: str, body: Any) -> Any:
        parts = path.split("/")
        fixed = (self.command, path) in ROUTES
        shape = path if fixed else "/".join([*parts[:2], "*", *parts[3:]])
        if (self.command, shape) not in ROUTES:
            raise Refused(405, f"the stand-in has no {self.command} {path}")
        arguments = ([] if fixed else [unquote(parts[2])]) + ([body] if body is not None else [])
        return ROUTES[self.command, shape](self.server.store, *arguments)

    def send(self, status: int, body: Any) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = answered

    def log_message(self, format: str, *args: Any) -> None: ...


def main() -> int:
    options = argparse.ArgumentParser(description=TITLE)
    options.add_argument("folder", type=Path)
    options.add_argument("--port", type=int, default=6333)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--key", default=os.environ.get("QDRANT__SERVICE__API_KEY", ""))
    given = options.parse_args()
    with Server(given.folder, given.port, given.host, given.key) as server:
        sys.stdout.write(f"{TITLE} at {server.url}\n")
        sys.stdout.flush()
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
