"""However the image is built, the same goes into it."""

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from groundswell.core.errors import ConfigError
from groundswell.deployment import image

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy/image/Dockerfile").read_text()


def test_the_dockerfile_says_what_other_builders_are_told() -> None:
    installed = re.search(r"--no-install-recommends (.+?) \\", DOCKERFILE)
    assert installed
    assert tuple(installed[1].split()) == image.PACKAGES
    assert f"USER {image.USER}:{image.USER}" in DOCKERFILE
    assert f"ENTRYPOINT {json.dumps(image.ENTRYPOINT)}" in DOCKERFILE


def test_the_base_is_named_by_its_digest_and_once_only() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases[0])


def test_packages_are_installed_by_their_hashes() -> None:
    assert "--require-hashes -r requirements.txt" in DOCKERFILE


@pytest.mark.real
@pytest.mark.timeout(300)
def test_the_context_is_the_wheel_and_what_the_lock_pins(tmp_path: Path) -> None:
    folder = image.context(ROOT, tmp_path / "image", lambda _: None)
    described = json.loads((folder / "image.json").read_text())
    assert {file.name for file in folder.iterdir()} == {
        "image.json",
        "requirements.txt",
        "requirements.lock.txt",
        "sbom.cdx.json",
        described["wheel"],
    }
    locked = {each["name"]: each.get("version") for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    lines = (folder / "requirements.lock.txt").read_text().splitlines()
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", "\n".join(lines), re.M))
    assert len(pinned) > 50
    assert {name for name, version in pinned.items() if locked[name] != version} == set()
    assert "pytest" not in pinned
    hashed = (folder / "requirements.txt").read_text()
    assert hashed.count("==") <= hashed.count("--hash=sha256:")
    parts = json.loads((folder / "sbom.cdx.json").read_text())
    assert (parts["bomFormat"], parts["metadata"]["component"]["name"]) == ("CycloneDX", "groundswell")
    named = {each["name"]: each.get("version") for each in parts["components"]}
    assert {name: named.get(name) for name in pinned} == pinned
    assert set(image.PACKAGES) | {"python"} <= set(named)
    assert len({each["bom-ref"] for each in parts["components"]}) == len(parts["components"])
    again = image.context(ROOT, tmp_path / "again", lambda _: None)
    assert digests(again) == digests(folder)


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_elsewhere_than_in_the_tree_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not this project's tree"):
        image.context(tmp_path, tmp_path / "image", lambda _: None)
