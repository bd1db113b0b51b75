"""A secret's place in a text, and the placeholder that takes it."""

import re
from collections.abc import Iterable
from typing import NamedTuple

KINDS = (
    "age-key", "anthropic-key", "api-key", "atlassian-token", "authorization", "aws-access-key", "aws-secret-key",
    "azure-key", "cookie", "credential", "databricks-token", "digitalocean-token", "docker-token", "github-token",
    "gitlab-token", "google-key", "grafana-token", "groundswell-key", "huggingface-token", "jwt",
    "kubernetes-secret", "linear-key", "newrelic-key", "npm-token", "openai-key", "password", "password-hash",
    "private-key", "pypi-token", "secret", "sendgrid-key", "shopify-token", "signature", "slack-token",
    "slack-webhook", "stripe-key", "token", "too-deep", "twilio-key", "url-password", "vault-token",
)  # fmt: skip

_PLACEHOLDER = re.compile(r"\[secret:(?:" + "|".join(KINDS) + r")\]")


class Span(NamedTuple):
    """A stretch of a line that is a secret; `close` ends it when it runs on past what was looked at."""

    start: int
    end: int
    kind: str
    close: str = ""


def placeholder(kind: str) -> str:
    """What stands where a secret of this kind stood."""
    return f"[secret:{kind}]"


def mask(line: str) -> str:
    """The line with every placeholder blanked out at the same length, so that no rule reads one."""
    if "[secret:" not in line:
        return line
    return _PLACEHOLDER.sub(lambda match: "\0" * len(match[0]), line)


def blanked(line: str, spans: Iterable[Span]) -> str:
    """The line with these spans blanked out, too."""
    for start, end, *_ in spans:
        line = line[:start] + "\0" * (end - start) + line[end:]
    return line


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, overlapping ones joined; the rule that was named first names the kind."""
    ranked = sorted(enumerate(spans), key=lambda pair: (pair[1].start, pair[0]))
    joined: list[tuple[int, Span]] = []
    for rank, span in ranked:
        if joined and span.start < joined[-1][1].end:
            best, last = joined[-1]
            kind = last.kind if best <= rank else span.kind
            longest = last if last.end >= span.end else span
            joined[-1] = (min(best, rank), Span(last.start, longest.end, kind, longest.close))
        else:
            joined.append((rank, span))
    return [span for _, span in joined]


def is_placeholder(text: str) -> bool:
    """Whether the whole text is one placeholder."""
    return _PLACEHOLDER.fullmatch(text) is not None
