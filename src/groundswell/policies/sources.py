"""Keep runs to the sources they were granted."""

import posixpath
from pathlib import PurePosixPath
from urllib.parse import unquote

from groundswell.core.hosts import host_of, plain
from groundswell.core.policy import ALLOW, Grant, SourceUse, Verdict, deny, policy
from groundswell.policies.domains import is_listed

_FOLDERS = frozenset({"path", "file"})
_HOSTS = frozenset({"https", "http"})
_ENGINES = frozenset({"searxng"})  # `searxng:https://host`: it is the host that is judged
_OURS = frozenset({"collection", "wikipedia"})  # the tenant's own, or one known place


@policy
def allowed_sources(use: SourceUse, grant: Grant) -> Verdict:
    """Refuse a source that the local caller did not name itself and `policy.toml` does not list.

    A folder is judged by its text, `..` resolved: who opens it sees to it that no link leads out.
    """
    if use.source in grant.sources:
        return ALLOW
    scheme = plain(use.source).partition(":")[0].lower()
    if scheme not in _FOLDERS | _HOSTS | _ENGINES | _OURS or scheme not in grant.schemes:
        message = f"a run of tenant {grant.tenant!r} may not look at {scheme or 'unnamed'}: sources"
        return deny("source_scheme_not_allowed", message, _hint(grant, use, f'schemes = ["{scheme or "path"}"]'))
    if scheme in _OURS:
        return ALLOW
    return _folder(use, grant, scheme) if scheme in _FOLDERS else _host(use, grant)


def _host(use: SourceUse, grant: Grant) -> Verdict:
    host = host_of(plain(use.source).removeprefix("searxng:"))
    if host and is_listed(host, grant.domains):
        return ALLOW
    message = f"a run of tenant {grant.tenant!r} may not look at {host or use.source!r}"
    return deny("source_host_not_allowed", message, _hint(grant, use, f'domains = ["{host or "HOST"}"]'))


def _folder(use: SourceUse, grant: Grant, scheme: str) -> Verdict:
    folder = _path(use.source, scheme)
    if folder and any(_is_below(folder, root) for root in grant.roots):
        return ALLOW
    message = f"{use.source} is not below a folder that tenant {grant.tenant!r} may look at"
    if not folder:
        message = f"{use.source!r} is not an absolute path"
    return deny("source_outside_roots", message, _hint(grant, use, f'roots = ["{posixpath.dirname(folder) or "/"}"]'))


def _path(source: str, scheme: str) -> str:
    """The folder a source means, without `.` and `..`; "" where it is not absolute or not a path."""
    rest = source.partition(":")[2]
    if scheme == "file":
        host, slash, path = rest.removeprefix("//").partition("/") if rest.startswith("//") else ("", "/", rest[1:])
        rest = unquote(slash + path) if host in ("", "localhost") else ""
    if not rest.startswith("/") or "\0" in rest or "\\" in rest:
        return ""
    return posixpath.normpath("/" + rest.lstrip("/"))


def _is_below(folder: str, root: str) -> bool:
    if not root.startswith("/") or ".." in PurePosixPath(root).parts:
        return False
    return PurePosixPath(folder).is_relative_to(posixpath.normpath("/" + root.lstrip("/")))


def _hint(grant: Grant, use: SourceUse, line: str) -> str:
    return f"[tenants.{grant.tenant}] in policy.toml would need: {line} (asked for as {use.kind})"
