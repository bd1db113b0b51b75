"""What people give by mistake or on purpose: each gets a clear error, or a partial answer that says what is missing."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest

from e2e.program import Home, repository, until
from groundswell.backends.databases.api_keys import ApiKeys
from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.embedded import ROLE

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
FILES = 100_000
READ = 500  # of them
POLICY = '[tenants.narrow]\nschemes = ["path"]\nroots = ["{root}"]\n'


@pytest.fixture(scope="module")
def running(homes: Callable[..., Home]) -> Home:
    """A home with a platform behind; of its repositories at most 500 files are read."""
    home = homes(GROUNDSWELL_EMBEDDINGS__URL="none:", GROUNDSWELL_INDEX__FILES=str(READ))
    config = home.folder / ".config" / "groundswell"
    config.mkdir(parents=True)
    (home.folder / "granted").mkdir()
    (config / "policy.toml").write_text(POLICY.format(root=home.folder / "granted"))
    home.well("up", "-d", "--no-question")
    return home


@pytest.fixture
def http(running: Home) -> Iterator[httpx2.Client]:
    with running.http() as client:
        yield client


def ended(http: httpx2.Client, run: str) -> dict[str, Any]:
    """A run once it has ended."""

    def shown() -> dict[str, Any] | None:
        found = http.get(f"/v1/runs/{run}").raise_for_status().json()
        return None if found["status"] in ("queued", "running") else found

    return until(shown, f"{run} has ended")


def ask(http: httpx2.Client, question: str, repo: str) -> dict[str, Any]:
    started = http.post("/v1/runs", json={"input": question, "agent": "coding", "sources": {"repo": repo}})
    assert started.status_code == 201, started.text
    return ended(http, started.json()["id"])


# The question.


@pytest.mark.parametrize("words", [[], [""], ["  \n\t"]])
def test_an_empty_question_is_refused_before_anything_is_stored(running: Home, words: list[str]) -> None:
    before = running.told("runs", "list")["runs"]
    refused = running.run("ask", *words)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: there is no question\nhint: write one: ")
    assert running.told("runs", "list")["runs"] == before


@pytest.mark.parametrize(("body", "told"), [("", "is empty"), (" \n", "is empty"), ("x" * 10**6, "at most 200000")])
def test_a_question_that_is_empty_or_a_megabyte_long_is_a_bad_request(
    http: httpx2.Client, body: str, told: str
) -> None:
    refused = http.post("/v1/runs", json={"input": body})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_request")
    assert told in refused.json()["detail"]


def test_a_body_of_many_megabytes_is_refused_without_being_kept(http: httpx2.Client) -> None:
    refused = http.post("/v1/runs", content=b'{"input": "' + b"x" * (5 * 2**20) + b'"}')
    assert (refused.status_code, refused.json()["code"]) == (422, "too_large")


def test_of_a_megabyte_on_standard_input_the_end_is_sent_and_that_is_said(running: Home) -> None:
    log = "".join(f"line {number} of a log that says nothing\n" for number in range(28_000))
    trace = 'Traceback:\n  File "harbour/retry.py", line 22, in retrying\n    return action()\nOSError: gone\n'
    asked = running.run("ask", "--agent", "coding", "What does this mean?", given=log + trace)
    assert asked.returncode == 0, asked.stderr
    assert "of 1.1 MB on standard input the last 150 kB are sent" in asked.stderr
    assert "harbour/retry.py:" in asked.stdout


# The repository.


def test_a_folder_that_is_no_repository_is_named_with_what_to_do(running: Home, http: httpx2.Client) -> None:
    empty = running.folder / "empty"
    empty.mkdir()
    refused = running.run("ask", "Where is x defined?", "--repo", str(empty))
    assert refused.returncode == 2
    assert refused.stderr == (
        f"error: {empty} is in no Git repository\nhint: make it one with `git init`, or name another with --repo\n"
    )
    for source, code in ((f"path:{empty}", "not_a_repository"), (f"path:{empty}/not/there", "no_such_folder")):
        run = ask(http, "Where is x defined?", source)
        assert (run["status"], run["error"]["code"]) == ("failed", code)
        assert run["error"]["hint"]


def test_of_a_hundred_thousand_files_the_first_are_read_and_the_answer_says_what_is_missing(running: Home) -> None:
    repo = running.folder / "huge"
    subprocess.run(["git", "init", "-q", "--bare", str(repo)], check=True)
    stream = b"blob\nmark :1\ndata 13\ndef one(): 0\n\n"
    stream += b"commit refs/heads/main\ncommitter t <t@t.invalid> 1700000000 +0000\ndata 1\nx\n"
    stream += b"".join(b"M 100644 :1 part%03d/module%05d.py\n" % (n % 500, n) for n in range(FILES))
    subprocess.run(["git", "-C", str(repo), "fast-import", "--quiet"], input=stream, check=True, timeout=60)
    (repo / "HEAD").write_text("ref: refs/heads/main\n")
    told = running.told("ask", "Where is one defined?", "--repo", str(repo))
    assert told["status"] == "succeeded"
    assert told["answer"]
    left = f"{FILES - READ:,} beyond the limit"
    assert any(left in line for line in told["missing"]), told["missing"]


def test_binary_and_broken_files_are_left_out_by_name_and_the_rest_is_read(running: Home) -> None:
    repo = repository(
        running.folder / "broken",
        {
            "picture.py": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 20,
            "latin.py": "def übergang(tür: str) -> str:\n    return 'Größe'\n".encode("latin-1"),
            "wide.py": "def wide() -> None: ...\n".encode("utf-16"),
            "torn.py": b"def torn() -> str:\n    return '\xff\xfe\xf0\x9f'\n\xed\xa0\x80\n",
            "half.py": b"def half(:\n    return\nclass (\n\ndef whole() -> int:\n    return 1\n",
            "long.py": b"x = '" + b"a" * 300_000 + b"'\ndef after() -> int:\n    return 2\n",
            "late.py": b"# text\n" * 3000 + b"def late() -> str:\n    return '\0'\n",
            "sound.py": b"def sound() -> int:\n    return 1\n",
            "empty.py": b"",
        },
    )
    (repo / "nam\udce9.py").write_text("def nameless() -> int: return 1\n")
    indexed = running.told("index", "--repo", str(repo))
    assert indexed["status"] == "ok", indexed
    skipped = indexed["value"]["skipped"]
    assert (skipped["binary"], skipped["minified"]) == (1, 1), skipped
    for name, file in (("sound", "sound.py"), ("torn", "torn.py"), ("wide", "wide.py"), ("late", "late.py")):
        told = running.told("ask", f"Where is {name} defined?", "--repo", str(repo))
        assert told["claims"][0]["citations"][0]["source"].startswith(f"repo:{file}#L"), (name, told)
    read = running.told("tools", "call", "file_read", "path=picture.py", "--repo", str(repo))
    assert (read["status"], read["code"]) == ("error", "binary_file"), read


# Paths.


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "harbour/../../outside", ".git/config", "way/out", "out"]
)
def test_no_path_leads_out_of_the_repository(running: Home, path: str) -> None:
    (running.folder / "outside").write_text("SECRET\n")
    for name, target in (("out", running.folder / "outside"), ("way", running.folder)):
        if not (running.repo / name).is_symlink():
            (running.repo / name).symlink_to(target)
    told = running.told("tools", "call", "file_read", f"path={json.dumps(path)}")
    assert (told["status"], told["code"]) == ("error", "outside_repository"), told
    assert "SECRET" not in json.dumps(told)


def test_zero_bytes_and_half_characters_are_refused_or_replaced_but_never_a_crash(
    running: Home, http: httpx2.Client
) -> None:
    run = ended(http, http.post("/v1/runs", json={"input": "Where is a\0b defined?"}).json()["id"])
    assert run["input"][0]["parts"][0]["text"] == "Where is a\N{REPLACEMENT CHARACTER}b defined?"
    assert running.run("ask", "What is this?", given="\0\0 binary \0").returncode == 3
    called = {"agent": "coding", "arguments": {"path": "a\0b"}, "sources": {"repo": f"path:{running.repo}"}}
    half = b'{"input": "where is \\ud800 defined?", "agent": "coding"}'
    for refused in (
        http.post("/v1/tools/file_read/calls", json=called),
        http.post("/v1/runs", content=half, headers={"Content-Type": "application/json"}),
        http.post("/v1/keys", json={"name": "a\0"}),
        http.get("/v1/runs/run%00x"),
        http.get("/v1/runs?thread=%00"),
    ):
        assert refused.status_code == 422, (refused.request.url, refused.text)
        assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/../openapi.json", "/v1/%2e%2e/openapi.json", "/v1/runs/%2e%2e/%2e%2e/ready"])
def test_no_path_of_a_request_leads_to_a_route_that_is_not_for_callers(running: Home, path: str) -> None:
    connection = HTTPConnection(running.instance["url"].removeprefix("http://"), timeout=30)  # sends paths as they are
    connection.request("GET", path, headers={"Authorization": f"Bearer {running.instance['key']}"})
    assert connection.getresponse().status == 404
    connection.close()


def key_of_tenant(home: Home, tenant: str) -> str:
    """A key of another tenant: who runs the platform makes it in the database."""

    async def make() -> str:
        database = Database(f"postgresql://{ROLE}@/postgres?host={home.data / 'postgres' / 'data'}", size=2)
        await database.open()
        try:
            return (await ApiKeys(database).create(tenant, "stranger", "stranger", ["runs"]))[0]
        finally:
            await database.close()

    return asyncio.run(make())


def test_another_tenant_sees_only_what_lies_below_its_roots(running: Home) -> None:
    granted, secret = running.folder / "granted", {"secret.py": "def secret() -> int: return 1\n"}
    repository(granted / "theirs", {"theirs.py": "def their_tides() -> int: return 1\n"})
    elsewhere = repository(running.folder / "elsewhere", secret)
    (granted / "link").symlink_to(elsewhere)
    ours = running.told("ask", "Where is high_waters defined?")
    with running.http(key_of_tenant(running, "narrow")) as http:
        allowed = ask(http, "Where is their_tides defined?", f"path:{granted / 'theirs'}")
        assert (allowed["status"], bool(allowed["answer"]["text"])) == ("succeeded", True)
        for source in (f"path:{elsewhere}", f"path:{granted}/../elsewhere", f"file://{elsewhere}", "path:elsewhere"):
            run = ask(http, "Where is secret defined?", source)
            assert (run["status"], run["reason"], run["answer"]) == ("failed", "denied", None), (source, run)
            assert run["error"]["hint"].startswith("[tenants.narrow] in policy.toml would need: ")
        run = ask(http, "Where is secret defined?", f"path:{granted}/link")
        assert (run["status"], run["reason"]) == ("failed", "denied"), run
        assert "secret.py" not in json.dumps(run)
        assert http.get(f"/v1/runs/{ours['run']}").status_code == 404
        digest = ours["claims"][0]["citations"][0]["evidence"]
        assert http.get(f"/v1/evidence/{digest}").status_code == 404
        assert http.post("/v1/keys", json={"name": "more"}).status_code == 403


def test_a_root_inside_a_repository_does_not_open_the_whole_of_it(running: Home) -> None:
    granted = running.folder / "granted" / "inner"
    granted.mkdir(exist_ok=True)
    with running.http(key_of_tenant(running, "narrow")) as http:
        subprocess.run(["git", "-C", str(running.folder), "init", "-q"], check=True)
        try:
            (running.folder / "above.py").write_text("def above() -> int: return 1\n")
            run = ask(http, "Where is above defined?", f"path:{granted}")
            assert (run["status"], "above.py" in json.dumps(run)) == ("failed", False), run
            assert run["reason"] == "denied"
        finally:
            shutil.rmtree(running.folder / ".git")


# Patterns.


def test_a_pattern_that_would_never_end_elsewhere_ends_here(running: Home) -> None:
    repo = repository(running.folder / "long", {"long.txt": ("a" * 20_000 + "b\n") * 50 + "a\n" * 2000})
    told = running.told("tools", "call", "repo_search", "pattern=(a+)+$", "--repo", str(repo))
    assert (told["status"], [hit["start"] for hit in told["value"]]) == ("ok", list(range(51, 101))), told
    for pattern in ("((a{1000}){1000}){1000}", r"(?=a)b", r"(a)\1", "(", "x" * 2000):
        told = running.told("tools", "call", "repo_search", f"pattern={json.dumps(pattern)}", "--repo", str(repo))
        assert (told["status"], told["code"]) == ("error", "bad_pattern"), told


# Settings.


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("groundswell.toml", "[gatewy]\nport = 1\n", "did you mean gateway"),
        ("groundswell.toml", "[gateway]\nprot = 1\n", "did you mean gateway.port"),
        ("groundswell.toml", "[gateway]\nrequests_per_minute = 'many'\n", "gateway.requests_per_minute"),
        ("groundswell.toml", "[gateway\n", "is not TOML"),
        ("policy.toml", "[tenants.local]\ntoolz = []\n", "did you mean tenants.local.tools"),
        ("policy.toml", "[tenant.local]\ntools = []\n", "did you mean tenants"),
        ("policy.toml", "[tenants.local]\nlimits = {steps = 0}\n", "limits.steps"),
    ],
)
@pytest.mark.parametrize("command", [["up", "-d"], ["ask", "Where is x?"], ["config"]])
def test_a_file_with_a_typo_is_named_with_the_nearest_name_and_nothing_starts(
    running: Home, tmp_path: Path, command: list[str], file: str, text: str, told: str
) -> None:
    (tmp_path / file).write_text(text)
    refused = running.run("--config", str(tmp_path), *command)
    assert refused.returncode == 2
    assert str(tmp_path / file) in refused.stderr
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_variable_with_a_typo_is_named_with_the_nearest_name(home: Home) -> None:
    home.more["GROUNDSWELL_GATEWAY__PROT"] = "1"
    refused = home.run("up", "-d")
    del home.more["GROUNDSWELL_GATEWAY__PROT"]
    assert refused.returncode == 2
    assert "GROUNDSWELL_GATEWAY__PROT" in refused.stderr
    assert "did you mean gateway.port" in refused.stderr
    assert not home.data.exists()
