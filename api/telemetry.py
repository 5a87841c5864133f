"""Traces: where a request or a job spent its time, told to a collector over OTLP/HTTP. The only file that imports
OpenTelemetry, and only where a collector is named.

Decides what leaves the service in a trace: names, times and the attributes listed here. Addresses of callers, queries,
values in statements and the words of errors stay. A collector that is away costs nobody an answer: spans wait in a
bounded queue, are sent by a thread of their own, and are dropped when it is full.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from sqlalchemy import Engine

from api.settings import Settings, SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_log = logging.getLogger(__name__)
_TOLD: Final = frozenset(
    {
        "http.method", "http.route", "http.status_code", "http.flavor", "http.scheme",
        "db.system", "db.operation", "db.statement",
    }
)  # fmt: skip
_OURS: Final = "clearmark."
_QUEUE, _AT_ONCE, _EVERY_MS, _TIMEOUT_S = 4096, 512, 2000, 5
_NOT_TRACED: Final = "healthz,readyz,metrics,static/"
# OpenTelemetry says this at each batch; we say it once until it is well again.
_ITS_OWN: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class _Tracing:
    """What a process has when it traces."""

    def __init__(self, settings: Settings, role: str) -> None:
        try:
            from opentelemetry import propagate, trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            fix = "install the extra, pip install 'clearmark[telemetry]', or leave the setting empty"
            raise SettingsError(f"CLEARMARK_TRACES_URL: OpenTelemetry is not installed; {fix}") from None
        resource = Resource({"service.name": f"clearmark-{role}", "service.version": version("clearmark")})
        exporter = _discreet(OTLPSpanExporter(endpoint=settings.traces_url, timeout=_TIMEOUT_S))
        self.provider = TracerProvider(resource=resource)
        self.provider.add_span_processor(
            BatchSpanProcessor(
                exporter, max_queue_size=_QUEUE, max_export_batch_size=_AT_ONCE, schedule_delay_millis=_EVERY_MS
            )
        )
        self.tracer = self.provider.get_tracer("clearmark")
        self.trace, self.propagate = trace, propagate
        logging.getLogger(_ITS_OWN).setLevel(logging.CRITICAL)


_tracing: _Tracing | None = None


def start(settings: Settings, role: str, *, engine: Engine, app: FastAPI | None = None) -> None:
    """Trace this process from now on, if the settings name a collector.

    Args:
        role: what this process is: `service` or `worker`.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    global _tracing
    if not settings.traces_url:
        return
    _tracing = _Tracing(settings, role)
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    # It says that it knows SQLAlchemy 2.0 alone; that it works with ours, the tests say.
    SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=_tracing.provider, skip_dep_check=True)
    if app is not None:
        FastAPIInstrumentor.instrument_app(
            app, tracer_provider=_tracing.provider, excluded_urls=_NOT_TRACED, exclude_spans=["receive", "send"]
        )


def stop() -> None:
    """Send what waits, as far as the collector takes it now."""
    global _tracing
    if _tracing is not None:
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

        SQLAlchemyInstrumentor().uninstrument()
        _tracing.provider.force_flush(_TIMEOUT_S * 1000)
        _tracing.provider.shutdown()
        _tracing = None


@contextmanager
def span(name: str, *, of: Mapping[str, str] | None = None, **attributes: str) -> Iterator[None]:
    """A part of a trace, for as long as the block lasts.

    Args:
        of: what `carried` gave elsewhere: the trace that it belongs to.
        attributes: ids and names that we wrote ourselves.
    """
    if _tracing is None:
        yield
        return
    parent = _tracing.propagate.extract(of) if of else None
    ours = {f"{_OURS}{key}": value for key, value in attributes.items()}
    with _tracing.tracer.start_as_current_span(name, context=parent, attributes=ours):
        yield


def carried() -> dict[str, str]:
    """The trace that this is part of, as something else can go on with it."""
    carrier: dict[str, str] = {}
    if _tracing is not None:
        _tracing.propagate.inject(carrier)
    return {name: value for name, value in carrier.items() if name == "traceparent"}


def trace() -> dict[str, str]:
    """The trace's id as lines of the log have it; nothing where there is none."""
    context = _tracing.trace.get_current_span().get_span_context() if _tracing else None
    return {"trace_id": f"{context.trace_id:032x}"} if context is not None and context.is_valid else {}


def _discreet(exporter: "SpanExporter") -> "SpanExporter":
    """An exporter that tells the other one what may be told, and the log when it cannot."""
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Status

    def told(span: ReadableSpan) -> ReadableSpan:
        events = [
            Event(one.name, {"exception.type": str((one.attributes or {}).get("exception.type"))}, one.timestamp)
            for one in span.events
            if one.name == "exception"
        ]
        attributes = {
            name: value
            for name, value in (span.attributes or {}).items()
            if name in _TOLD or name.startswith(_OURS)
        }  # fmt: skip
        return ReadableSpan(
            name=span.name, context=span.context, parent=span.parent, resource=span.resource, attributes=attributes,
            events=events, kind=span.kind, status=Status(span.status.status_code), start_time=span.start_time,
            end_time=span.end_time, instrumentation_scope=span.instrumentation_scope,
        )  # fmt: skip

    class Discreet(SpanExporter):
        def __init__(self) -> None:
            self._is_away = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export([told(one) for one in spans])
            is_away = result is not SpanExportResult.SUCCESS
            if is_away and not self._is_away:
                _log.warning("CLEARMARK_TRACES_URL: the collector takes no traces; they are dropped until it does")
            self._is_away = is_away
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Discreet()
