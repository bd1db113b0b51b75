"""A platform whose coding agent may patch the repository once a person agrees; its model is scripted to want that."""

import json
import subprocess
from typing import Any

from e2e.program import Home, until
from groundswell.testing import Say

FILE, OLD, NEW = "harbour/gauges.py", '    """One reading."""', '    """One reading of one gauge."""'
QUESTION = "Say in `Measurement` that it is of one gauge, on branch {branch}"


def script(body: dict[str, Any]) -> Say | str:
    """A diff, then its branch, then an answer that claims the branch whether or not it was made."""
    question = body["messages"][1]["content"]
    branch = question.partition("on branch ")[2].split()[0]
    told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    if not told:
        return Say(calls=[("diff_make", {"edits": [{"path": FILE, "old": OLD, "new": NEW}]})])
    if len(told) == 1:
        made = json.loads(told[0].split("\n", 1)[1].rsplit("\n", 1)[0])
        wish = {"patch": made["patch"], "base": made["base"], "branch": branch, "message": "Say whose reading it is"}
        return Say(calls=[("patch_branch", wish)])
    if "commit " not in told[1]:
        return f'`{FILE}` is committed on the branch `{branch}` [E1 "class Measurement"].'
    made = json.loads(told[1].split("\n", 1)[1].rsplit("\n", 1)[0])
    commit, number = made["commit"], made["excerpt"]["evidence"]
    return f'`{FILE}` is changed by commit {commit} on the branch `{branch}` [{number} "commit {commit}"].'


def permit(home: Home) -> None:
    """Let the agent patch, below the home's repository; a person is asked, since the tool says so."""
    folder = home.folder / ".config" / "groundswell"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.toml").write_text(f'[tenants.local]\neffects = ["patch_branch"]\nwritable = ["{home.repo}"]\n')


def begun(home: Home, branch: str) -> str:
    """A run that has come to where it waits for an approval."""
    source = {"repo": f"path:{home.repo}"}
    body = {"input": QUESTION.format(branch=branch), "agent": "coding", "sources": source}
    with home.http() as http:
        run: str = http.post("/v1/runs", json=body).raise_for_status().json()["id"]

    def parked() -> bool:
        found = shown(home, run)
        assert not found["ended"], found
        return (found["status"], found["reason"]) == ("waiting", "approval")

    until(parked, f"{run} waits", 60)
    return run


def shown(home: Home, run: str) -> dict[str, Any]:
    """A run."""
    with home.http() as http:
        return http.get(f"/v1/runs/{run}").raise_for_status().json()


def ended(home: Home, run: str) -> dict[str, Any]:
    """A run at its end."""
    return until(lambda: (found := shown(home, run))["ended"] and found, f"{run} has ended", 60)


def git(home: Home, *words: str) -> str:
    """What Git says of the home's repository."""
    done = subprocess.run(["git", "-C", str(home.repo), *words], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


def branches(home: Home) -> list[str]:
    """The branches of the home's repository."""
    return git(home, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
