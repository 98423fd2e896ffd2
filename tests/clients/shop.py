"""Sends what two services say of themselves through the OpenTelemetry SDK for Python.

The storefront serves GET /checkout and calls payments, where POST /charge fails for a share of the
requests; the storefront then fails too. So the root cause is payments and the entry is storefront.
The last line on standard output is a JSON object that sums up what was sent.
"""

import argparse
import json
import random
import sys
import time

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_logs
from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http import _log_exporter as http_logs
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from grpc import Compression as GrpcCompression

SERVICES = ("storefront", "payments")
MS = 1_000_000


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("signal", choices=["traces", "metrics", "logs"])
    parser.add_argument("--endpoint", required=True, help="http://HOST:PORT of the receiver")
    parser.add_argument("--protocol", choices=["grpc", "http"], default="grpc")
    parser.add_argument("--compression", choices=["none", "gzip"], default="none")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--error-ratio", type=float, default=0.0)
    parser.add_argument("--over-s", type=float, default=0.0,
                        help="spread the requests in real time over so many seconds")
    parser.add_argument("--back-s", type=float, default=0.0,
                        help="send at once, with span times spread over the last so many seconds")
    parser.add_argument("--version", default="1.0.0", help="service.version of payments")
    parser.add_argument("--environment", default="production")
    parser.add_argument("--token", help="bearer token")
    parser.add_argument("--temporality", choices=["cumulative", "delta"], default="cumulative")
    parser.add_argument("--exponential", action="store_true", help="exponential histograms")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def exporter(arguments, grpc_class, http_class, path, **options):
    headers = {"authorization": f"Bearer {arguments.token}"} if arguments.token else None
    gzip = arguments.compression == "gzip"
    if arguments.protocol == "grpc":
        return grpc_class(endpoint=arguments.endpoint, insecure=True, headers=headers, timeout=10,
                          compression=GrpcCompression.Gzip if gzip else GrpcCompression.NoCompression,
                          **options)
    return http_class(endpoint=f"{arguments.endpoint}/v1/{path}", headers=headers, timeout=10,
                      compression=Compression.Gzip if gzip else Compression.NoCompression, **options)


def count_outcomes(exporter, outcomes):
    """The SDK logs a failed export and goes on; this keeps the outcome for the summary."""
    inner = exporter.export

    def export(batch, *rest, **named):
        result = inner(batch, *rest, **named)
        outcomes["exports" if result.name == "SUCCESS" else "failed_exports"] += 1
        return result

    exporter.export = export
    return exporter


def resource(service, arguments):
    return Resource.create({
        "service.name": service,
        "service.namespace": "shop",
        "service.version": arguments.version if service == "payments" else "1.0.0",
        "service.instance.id": f"{service}-0",
        "deployment.environment.name": arguments.environment,
    })


def pace(arguments):
    """Yields for each request: its number, whether it fails, its end in ns."""
    chance = random.Random(arguments.seed)
    failures = round(arguments.requests * arguments.error_ratio)
    start = time.time()
    for number in range(arguments.requests):
        share = (number + 1) / arguments.requests
        if arguments.over_s:
            time.sleep(max(0.0, start + share * arguments.over_s - time.time()))
        end_ns = time.time_ns() - int((1 - share) * arguments.back_s * 1e9)
        # Failures come in exact numbers, evenly spread.
        failing = (number + 1) * failures // arguments.requests > number * failures // arguments.requests
        yield number, failing, end_ns - chance.randrange(MS)


def request_spans(storefront, payments, failing, end_ns):
    """One request: server span, its client span, and the server span of the callee."""
    entry = storefront.start_span("GET /checkout", kind=SpanKind.SERVER, start_time=end_ns - 90 * MS,
                                  attributes={"http.request.method": "GET", "http.route": "/checkout",
                                              "url.scheme": "https", "url.path": "/checkout"})
    call = storefront.start_span("POST", context=trace.set_span_in_context(entry),
                                 kind=SpanKind.CLIENT, start_time=end_ns - 80 * MS,
                                 attributes={"http.request.method": "POST", "server.address": "payments",
                                             "server.port": 8080, "peer.service": "payments"})
    charge = payments.start_span("POST /charge", context=trace.set_span_in_context(call),
                                 kind=SpanKind.SERVER, start_time=end_ns - 70 * MS,
                                 attributes={"http.request.method": "POST", "http.route": "/charge",
                                             "url.scheme": "http", "url.path": "/charge"})
    spans = ((charge, 20, 500), (call, 10, 500), (entry, 0, 502))
    for span, before_end_ms, failed_code in spans:
        span.set_attribute("http.response.status_code", failed_code if failing else 200)
        if failing:
            span.set_attribute("error.type", str(failed_code))
            span.set_status(Status(StatusCode.ERROR))
        if failing and span is charge:
            span.record_exception(RuntimeError("card network refused"), timestamp=end_ns - 30 * MS)
        span.end(end_ns - before_end_ms * MS)
    return format(entry.get_span_context().trace_id, "032x")


def send_traces(arguments, outcomes):
    providers = []
    for service in SERVICES:
        provider = TracerProvider(resource=resource(service, arguments))
        sink = exporter(arguments, grpc_traces.OTLPSpanExporter, http_traces.OTLPSpanExporter, "traces")
        provider.add_span_processor(BatchSpanProcessor(
            count_outcomes(sink, outcomes), max_queue_size=100_000, schedule_delay_millis=200))
        providers.append(provider)
    tracers = [provider.get_tracer("shop") for provider in providers]
    failed = []
    for _, failing, end_ns in pace(arguments):
        trace_id = request_spans(*tracers, failing, end_ns)
        if failing:
            failed.append(trace_id)
    for provider in providers:
        provider.shutdown()
    return {"spans": 3 * arguments.requests, "failed_requests": len(failed), "failed_traces": failed[:100]}


def send_metrics(arguments, outcomes):
    aggregation = {Histogram: ExponentialBucketHistogramAggregation()} if arguments.exponential else None
    delta = {Histogram: AggregationTemporality.DELTA} if arguments.temporality == "delta" else None
    providers = []
    for service in SERVICES:
        sink = exporter(arguments, grpc_metrics.OTLPMetricExporter, http_metrics.OTLPMetricExporter,
                        "metrics", preferred_temporality=delta, preferred_aggregation=aggregation)
        reader = PeriodicExportingMetricReader(count_outcomes(sink, outcomes), export_interval_millis=500)
        providers.append(MeterProvider([reader], resource=resource(service, arguments)))
    durations = [provider.get_meter("shop").create_histogram(
        "http.server.request.duration", unit="s",
        explicit_bucket_boundaries_advisory=[0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5])
        for provider in providers]
    failures = 0
    for _, failing, _ in pace(arguments):
        failures += failing
        for duration, route, method, code in ((durations[0], "/checkout", "GET", 502),
                                              (durations[1], "/charge", "POST", 500)):
            attributes = {"http.request.method": method, "http.route": route, "url.scheme": "http",
                          "http.response.status_code": code if failing else 200}
            if failing:
                attributes["error.type"] = str(code)
            duration.record(0.9 if failing else 0.05, attributes)
    for provider in providers:
        provider.shutdown()
    return {"observations": 2 * arguments.requests, "failed_requests": failures}


def send_logs(arguments, outcomes):
    providers = []
    for service in SERVICES:
        provider = LoggerProvider(resource=resource(service, arguments))
        sink = exporter(arguments, grpc_logs.OTLPLogExporter, http_logs.OTLPLogExporter, "logs")
        provider.add_log_record_processor(BatchLogRecordProcessor(
            count_outcomes(sink, outcomes), max_queue_size=100_000, schedule_delay_millis=200))
        providers.append(provider)
    loggers = [provider.get_logger("shop") for provider in providers]
    failures = 0
    for number, failing, end_ns in pace(arguments):
        failures += failing
        severity = SeverityNumber.ERROR if failing else SeverityNumber.INFO
        body = f"order {number}: card network refused" if failing else f"order {number}: charged"
        for logger in loggers:
            logger.emit(LogRecord(timestamp=end_ns, observed_timestamp=end_ns, body=body,
                                  severity_number=severity, severity_text=severity.name,
                                  attributes={"http.route": "/charge"}))
    for provider in providers:
        provider.shutdown()
    return {"records": 2 * arguments.requests, "failed_requests": failures}


def main():
    arguments = read_arguments()
    outcomes = {"exports": 0, "failed_exports": 0}
    send = {"traces": send_traces, "metrics": send_metrics, "logs": send_logs}[arguments.signal]
    summary = send(arguments, outcomes)
    print(json.dumps({"requests": arguments.requests, **summary, **outcomes}))
    return 1 if outcomes["failed_exports"] or not outcomes["exports"] else 0


if __name__ == "__main__":
    sys.exit(main())
