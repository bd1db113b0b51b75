"""Wave 2 with a real engine in a pod: llama.cpp's server with SmolLM2, there as somebody's own endpoint would be.

It proves the way there, streaming, batching and time to the first piece; of the quality of a model it proves nothing.
"""

import asyncio
import importlib.metadata
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.live import DEPLOY, Live
from cluster.places import Local
from groundswell.cli.gates import forwarded, key
from groundswell.deployment.objects import Container, empty, made, pod, space
from services import engine

pytestmark = pytest.mark.long
SPACE, PORT = "engine", 8000
IMAGE = "localhost/engine:test"
URL = f"http://engine.{SPACE}.svc:{PORT}/v1"
NO_GPU = ("w2.gpu-scheduling", "w2.gpu-placement", "w2.gpu-models", "w2.no-contention")


@pytest.fixture
def small_engine(live: Live, tmp_path: Path) -> Iterator[None]:
    """The engine, in a pod with a Service before it."""
    if not isinstance(live.place, Local):
        pytest.skip("nobody builds the engine's image here")
    build(live.place.program, tmp_path)
    live.place.load(tmp_path / "engine.tar")
    bare = space(SPACE)
    bare["metadata"]["labels"] = {}
    container = Container(
        name="engine",
        image=IMAGE,
        command=["python3", "/opt/engine/engine.py"],
        args=[str(PORT), "0.0.0.0", "/opt/engine/weights.gguf", "4"],  # in a pod
        cpu="500m",
        memory="1Gi",
        ports={"http": PORT},
        mounts={"/tmp": "tmp"},
    )
    labels = {"app.kubernetes.io/name": "engine"}
    ready = {"httpGet": {"path": "/health", "port": PORT}, "periodSeconds": 1}
    found = pod("engine", [container], [empty("tmp", "16Mi")], account="default", terminationGracePeriodSeconds=0)
    found["spec"]["containers"][0]["readinessProbe"] = ready
    serving = {"selector": labels, "ports": [{"port": PORT, "targetPort": PORT}]}
    live.apply(
        bare,
        made("Pod", "v1", "engine", SPACE, metadata={"labels": labels}, spec=found["spec"]),
        made("Service", "v1", "engine", SPACE, spec=serving),
    )
    live.kubectl("-n", SPACE, "wait", "--for=condition=Ready", "pod/engine", "--timeout=120s", seconds=130)
    yield
    live.kubectl("delete", "namespace", SPACE)
    assert live.rollout()[0] == 0  # as it was before


def build(program: str, folder: Path) -> None:
    """Its image: the engine's wheel, the weights, and the program that serves them."""
    (folder / "requirements.txt").write_text(f"xllamacpp=={importlib.metadata.version('xllamacpp')}\n")
    shutil.copy(engine.__file__, folder / "engine.py")
    shutil.copy(engine.weights(), folder / "weights.gguf")
    copied = [word for name in ("engine.py", "weights.gguf") for word in ("--copy", f"{name}:/opt/engine/{name}")]
    packed = ["--requirements", "requirements.txt", "--apt", "libstdc++6", *copied, "--user", "10001"]
    subprocess.run([program, "image", "engine.tar", "--name", IMAGE, *packed], cwd=folder, check=True, timeout=600)


def with_the_engine(tree: Path, profile: str) -> Path:
    """The manifests, for a place whose models are served there already; returns its profile."""
    shutil.copytree(DEPLOY, tree)
    file = tree / "clusters" / profile / "profile.toml"
    before = file.read_text()
    lines = [line for line in before.splitlines() if not line.startswith(("inference = ", '"w2.*" = '))]
    lines.insert(lines.index("[parts]") + 1, f'inference = "existing({URL})"')
    lines.insert(lines.index("[lines.cannot]") + 1, "\n".join(f'"{each}" = "no node has a GPU"' for each in NO_GPU))
    file.write_text("\n".join(lines).replace('must = ["w0.*", ', 'must = ["w0.*", "w2.*", ') + "\n")
    assert file.read_text().count("w2.") == 1 + len(NO_GPU), before
    return file


@pytest.mark.usefixtures("opened", "small_engine")
async def test_a_model_that_is_there_already_opens_wave_two(live: Live, tmp_path: Path) -> None:
    profile = with_the_engine(tmp_path / "deploy", live.profile)
    assert live.home.run("render", "--into", str(tmp_path / "deploy")).returncode == 0
    status, said = await asyncio.to_thread(live.rollout, tmp_path / "deploy")
    live.figures["with an engine"] = said.strip().splitlines()[-12:]
    secret = await asyncio.to_thread(key, live.kubectl)
    async with forwarded(live.kubectl) as url:
        words = ("--url", url, "--key", secret, "verify", "--wave", "2", "--profile", str(profile), "--json", "-")
        done = await asyncio.to_thread(live.home.run, *words, seconds=600)
    report = json.loads(done.stdout)
    live.figures["the engine"] = {each["check"]: each["message"] for each in report["proofs"]}
    stands = {each["line"]: each["status"] for each in report["lines"] if each["required"] and each["line"][:2] == "w2"}
    assert stands == dict.fromkeys(stands, "pass"), said
    assert {"w2.planner", "w2.code", "w2.streaming", "w2.batching", "w2.latency", "w2.endpoints"} <= stands.keys()
    assert status == 0, said
