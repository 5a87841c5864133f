"""A collector of traces (OTLP over HTTP) on loopback, which keeps what it was told."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.servers.loopback import Answer, Asked, serving


@dataclass(slots=True, kw_only=True)
class Collector:
    """What came; `raw` are the bytes, to look for what may not be in them."""

    url: str = ""
    status: int = 200
    raw: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.raw]
        scopes = [scope for one in requests for told in one.resource_spans for scope in told.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def named(self, name: str) -> Span:
        """The one span of that name."""
        [found] = [span for span in self.spans if span.name == name]
        return found


def attributes_of(span: Span) -> Mapping[str, str]:
    return {one.key: one.value.string_value or str(one.value.int_value) for one in span.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    found = Collector()

    def take(asked: Asked) -> Answer:
        if found.status == 200:
            found.raw.append(asked.body)
        return Answer(status=found.status, headers={"content-type": "application/x-protobuf"})

    with serving(take) as url:
        found.url = f"{url}/v1/traces"
        yield found
