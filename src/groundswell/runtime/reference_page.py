"""The API reference as one HTML page, made from the OpenAPI document: no script, no network."""

import json
from html import escape
from typing import Any

STYLE = """
:root {
  color-scheme: light dark;
  --line: color-mix(in srgb, currentColor 18%, transparent);
  --soft: color-mix(in srgb, currentColor 6%, transparent);
}
* { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 6rem }
h1 { font-size: 1.7rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; text-transform: capitalize }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0 }
summary { cursor: pointer; padding: .6rem .9rem; display: flex; gap: .8rem; flex-wrap: wrap; align-items: baseline }
summary:focus-visible { outline: 2px solid Highlight; outline-offset: 2px; border-radius: .5rem }
code, pre { font: .88rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
pre { background: var(--soft); padding: .8rem; border-radius: .4rem; overflow: auto }
.verb { font-weight: 700; min-width: 4.2rem }
.what { opacity: .75 }
.in { padding: 0 .9rem .6rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
"""


def policy() -> str:
    """The page's Content-Security-Policy: its own style, and nothing else."""
    return "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    groups: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(
                _operation(document, verb, path, operation)
            )
    body = "".join(f"<h2>{escape(group)}</h2>{''.join(parts)}" for group, parts in groups.items())
    title = f"{document['info']['title']} {document['info']['version']}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)} API</title><style>{STYLE}</style><h1>{escape(title)} API</h1>"
        f"<p>{escape(document['info'].get('description', ''))} The machine-readable form is "
        f'<a href="/openapi.json">/openapi.json</a>.</p>{body}</html>'
    )


def _operation(document: dict[str, Any], verb: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td><td>{escape(_type(p['schema']))}</td>"
        f"<td>{escape(p.get('description') or '')}</td></tr>"
        for p in operation.get("parameters", [])
    )
    table = f"<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>{rows}</table>" if rows else ""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    shown = f"<p>Body:</p><pre>{escape(json.dumps(_expanded(document, body), indent=2))}</pre>" if body else ""
    codes = ", ".join(f"{code} {answer['description']}" for code, answer in operation.get("responses", {}).items())
    return (
        f'<details><summary><code class="verb">{verb.upper()}</code><code>{escape(path)}</code>'
        f'<span class="what">{escape(operation.get("summary", ""))}</span></summary><div class="in">'
        f"<p>{escape(operation.get('description', ''))}</p>{table}{shown}<p>Answers: {escape(codes)}</p>"
        "</div></details>"
    )


def _type(schema: dict[str, Any]) -> str:
    return str(schema.get("type") or " or ".join(_type(each) for each in schema.get("anyOf", [])) or "any")


def _expanded(document: dict[str, Any], schema: Any, depth: int = 0) -> Any:
    """A schema's shape with its references followed, for reading."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if depth > 3:
            return name
        return _expanded(document, document["components"]["schemas"][name], depth + 1)
    if "properties" in schema:
        return {name: _expanded(document, each, depth) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_expanded(document, schema.get("items", {}), depth)]
    return schema.get("examples", [None])[0] or schema.get("default") or f"<{_type(schema)}>"
