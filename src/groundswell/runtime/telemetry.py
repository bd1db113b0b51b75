"""Telemetry: every fact goes through `emit` to the log, the spans and the metrics; nothing leaves unless it is set.

Span and attribute names are those of the OpenTelemetry GenAI conventions (semantic-conventions-genai 1.42:
`invoke_agent`, `execute_tool`, `gen_ai.*`); ours begin with `groundswell.`.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import structlog
from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from groundswell.core.masking import Personal, mask_value
from groundswell.core.records import Fact
from groundswell.core.records.events import Body
from groundswell.core.redaction import redact_value
from groundswell.core.settings import Telemetry
from groundswell.runtime.datadir import LOG_BYTES

SCOPE = "groundswell"
CLEAN = {"clean": True}
log: Any = structlog.get_logger(SCOPE)


def set_up(settings: Telemetry, service: str, version: str, file: Path | None = None) -> None:
    """Logs as JSON to a file, else to standard error; spans and metrics to an OTLP endpoint, if one is set."""
    global _personal
    _personal = settings.mask
    stream: Any = _out
    _out.to(file)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_secrets,
            _masked,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Clean("%(name)s %(message)s"))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    if settings.otlp_url:
        resource = Resource.create({"service.name": f"groundswell-{service}", "service.version": version})
        traces = TracerProvider(resource=resource)
        traces.add_span_processor(BatchSpanProcessor(_CleanSpans(OTLPSpanExporter(f"{settings.otlp_url}/v1/traces"))))
        trace.set_tracer_provider(traces)
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{settings.otlp_url}/v1/metrics"))
        metrics.set_meter_provider(MeterProvider([reader], resource=resource))


_personal: tuple[Personal, ...] = ("email", "card")


def _clean(value: Any) -> Any:
    """Without secrets and personal data: for what may come from anywhere, such as the message of an exception."""
    return mask_value(redact_value(value), _personal)


class _Clean(logging.Formatter):
    """The lines of libraries, tracebacks and all."""

    def format(self, record: logging.LogRecord) -> str:
        """Without secrets and personal data."""
        return _clean(super().format(record))


class _CleanSpans(SpanExporter):
    """Spans on their way out."""

    def __init__(self, inner: SpanExporter) -> None:
        self.inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them without secrets and personal data."""
        return self.inner.export([_clean_span(span) for span in spans])

    def shutdown(self) -> None:
        """Stop."""
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self.inner.force_flush(timeout_millis)


def _clean_span(span: ReadableSpan) -> ReadableSpan:
    events = [
        SpanEvent(event.name, attributes=_clean(dict(event.attributes or {})), timestamp=event.timestamp)
        for event in span.events
    ]
    status = span.status
    return ReadableSpan(
        name=_clean(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_clean(dict(span.attributes or {})),
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(status.status_code, _clean(status.description)) if status.description else status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


class _Lossy:
    """A stream that loses what it cannot write, as on a full disk: a log must not stop what it tells of.

    A file that has become long is put aside, whichever of the processes that write to it sees that first.
    """

    stream: TextIO | None = None
    file: Path | None = None

    def to(self, file: Path | None) -> None:
        """Write to the end of a file from here on, else to standard error."""
        stream = file.open("a", encoding="utf-8") if file else sys.stderr
        if self.file and self.stream:
            with contextlib.suppress(OSError):
                self.stream.close()
        self.file, self.stream = file, stream

    def write(self, text: str) -> None:
        """Write, or lose it."""
        with contextlib.suppress(OSError):
            if self.file and self.stream and (held := os.fstat(self.stream.fileno())).st_size > LOG_BYTES:
                if self.file.exists() and self.file.stat().st_ino == held.st_ino:
                    self.file.replace(f"{self.file}.1")
                self.to(self.file)
            if self.stream:
                self.stream.write(text)

    def flush(self) -> None:
        """Write what waits, or keep it for the next time."""
        if self.stream:
            with contextlib.suppress(OSError):
                self.stream.flush()


_out = _Lossy()  # one for the process: loggers that were used keep it when telemetry is set up again


def emit(run: str, tenant: str, facts: Sequence[Fact]) -> None:
    """Tell logs, spans and metrics of facts that were just stored."""
    current = trace.get_current_span()
    for fact in facts:
        kind = fact.body.kind
        if log.is_enabled_for(logging.INFO):
            log.info(kind, run=run, tenant=tenant, **_for_log(fact.body), **CLEAN)
        count("groundswell.events", kind=kind)
        if current.is_recording():
            current.add_event(kind, {"groundswell.run": run, "groundswell.fact": fact.key})


def failed_extension(kind: str, name: str, error: BaseException) -> None:
    """An extension raised what it should not have."""
    log.error("extension.failed", extension=kind, name=name, exc_info=error)


def count(name: str, amount: int = 1, **attributes: str | int) -> None:
    """Add to a counter."""
    if name not in _counters:
        _counters[name] = metrics.get_meter(SCOPE).create_counter(name)
    _counters[name].add(amount, mask_value(attributes, _personal))


def measured(name: str, value: float, **attributes: str | int) -> None:
    """Add to a histogram; seconds."""
    if name not in _histograms:
        _histograms[name] = metrics.get_meter(SCOPE).create_histogram(name, unit="s")
    _histograms[name].record(value, mask_value(attributes, _personal))


_counters: dict[str, metrics.Counter] = {}
_histograms: dict[str, metrics.Histogram] = {}


class Span:
    """A span under way."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span

    def set(self, name: str, value: str | int | float | bool) -> None:
        """Add an attribute."""
        self.span.set_attribute(name, value)

    def name(self, name: str) -> None:
        """Call it otherwise, now that more is known."""
        self.span.update_name(name)


@contextlib.contextmanager
def span(
    name: str,
    operation: str,
    attributes: Mapping[str, str | int | float | bool],
    parent: Mapping[str, str] | None = None,
) -> Generator[Span]:
    """A span; its error becomes its status. `parent` are headers with a `traceparent`."""
    context = propagate.extract(parent) if parent else None
    values = {"gen_ai.operation.name": operation, **attributes}
    with trace.get_tracer(SCOPE).start_as_current_span(name, context=context, attributes=values) as current:
        yield Span(current)


def headers() -> dict[str, str]:
    """The current span as headers for another service."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def _for_log(body: Body) -> dict[str, Any]:
    """What a line can hold: names and figures that were set, no content."""
    found = ((name, getattr(body, name)) for name in body.model_fields_set)
    return {f"{name}_" if name in ("event", "level") else name: value for name, value in found if _short(value)}


def _short(value: Any) -> bool:
    return isinstance(value, int | float | bool) or (isinstance(value, str) and len(value) <= 200)


def _without_secrets(_logger: Any, _method: str, event: Any) -> Any:
    """Lines for developers pass the filter; facts have lost their secrets where they entered the platform."""
    return event if event.pop("clean", False) else redact_value(event)


def _masked(_logger: Any, _method: str, event: Any) -> Any:
    """Personal data stays in runs and answers, and out of the log."""
    return mask_value(event, _personal)
