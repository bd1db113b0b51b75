"""Keep runs to the sources they were granted."""

import posixpath
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from groundswell.core.hosts import host_of, plain
from groundswell.core.policy import ALLOW, Grant, SourceUse, Verdict, deny, policy
from groundswell.policies.collections import may_use
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
    if use.write:
        return _writable(use, grant)
    if use.source in grant.sources or grant.listed.get(use.kind) == use.source:
        return ALLOW
    scheme = plain(use.source).partition(":")[0].lower()
    if scheme == "collection" and grant.collections is not None:
        return _collections(use, grant, grant.collections)
    if scheme in _HOSTS and use.kind == "repo" and grant.repositories is not None:
        return _repository(use, grant, grant.repositories)
    if scheme not in _FOLDERS | _HOSTS | _ENGINES | _OURS or scheme not in grant.schemes:
        message = f"a run of tenant {grant.tenant!r} may not look at {scheme or 'unnamed'}: sources"
        return deny("source_scheme_not_allowed", message, _hint(grant, use, f'schemes = ["{scheme or "path"}"]'))
    if scheme in _OURS:
        return ALLOW
    return _folder(use, grant, scheme) if scheme in _FOLDERS else _host(use, grant)


def _collections(use: SourceUse, grant: Grant, listed: tuple[str, ...]) -> Verdict:
    for name in use.source.partition(":")[2].split(","):
        if not may_use(name.strip(), listed):
            message = f"tenant {grant.tenant!r} may not use the collection {name.strip()!r}"
            return deny("collection_not_allowed", message, _hint(grant, use, f'collections = ["{name.strip()}"]'))
    return ALLOW


def _repository(use: SourceUse, grant: Grant, listed: tuple[str, ...]) -> Verdict:
    address = _address(use.source)
    if address and any(_is_at(address, each) for each in listed):
        return ALLOW
    message = f"a run of tenant {grant.tenant!r} may not look at the repository {use.source!r}"
    return deny("repository_not_allowed", message, _hint(grant, use, f'repositories = ["{use.source}"]'))


def _address(source: str) -> tuple[str, str] | None:
    """Host and path of a repository in the one way they are compared; None where two programs could read two."""
    host = host_of(source)
    if not host or plain(source) != source:
        return None
    parts = urlsplit(source)
    if parts.scheme != "https" or parts.query or parts.fragment or parts.port not in (None, 443):
        return None
    if "%" in parts.path or posixpath.normpath(parts.path) != parts.path.rstrip("/"):
        return None
    return host, parts.path.rstrip("/").removesuffix(".git")


def _is_at(address: tuple[str, str], pattern: str) -> bool:
    """Host and path each by its own pattern: no `*` of the one reaches into the other."""
    host, _, path = pattern.removeprefix("https://").partition("/")
    return is_listed(address[0], [host]) and fnmatchcase(address[1], "/" + path.rstrip("/").removesuffix(".git"))


def _writable(use: SourceUse, grant: Grant) -> Verdict:
    """Only a folder that `policy.toml` names: that somebody may look at it, or named it, is not enough."""
    folder = _path(use.source, "path") if use.source.startswith("path:") else ""
    if folder and any(_is_below(folder, root) for root in grant.writable):
        return ALLOW
    message = f"nothing in tenant {grant.tenant!r} may change {use.source}"
    return deny("source_not_writable", message, _hint(grant, use, f'writable = ["{folder or "/folder"}"]'))


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
