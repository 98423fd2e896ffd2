// Sends the spans of two services through the OpenTelemetry SDK for Node: the storefront serves
// GET /checkout and calls payments, where POST /charge fails for a share of the requests.
// The last line on standard output is a JSON object that sums up what was sent.

import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { Metadata } from "@grpc/grpc-js";
import { SpanKind, SpanStatusCode, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";
import { OTLPTraceExporter as Grpc } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as Json } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as Protobuf } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const { values: options } = parseArgs({
  options: {
    endpoint: { type: "string" },
    protocol: { type: "string", default: "grpc" }, // grpc | http/protobuf | http/json
    compression: { type: "string", default: "none" }, // none | gzip
    requests: { type: "string", default: "100" },
    "error-ratio": { type: "string", default: "0" },
    "over-s": { type: "string", default: "0" },
    version: { type: "string", default: "1.0.0" },
    token: { type: "string" },
  },
});
const requests = Number(options.requests);
const failures = Math.round(requests * Number(options["error-ratio"]));
const overMs = Number(options["over-s"]) * 1000;
const outcomes = { exports: 0, failed_exports: 0 };

function exporter() {
  const compression =
    options.compression === "gzip" ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE;
  const headers = options.token ? { authorization: `Bearer ${options.token}` } : {};
  const metadata = Metadata.fromHttp2Headers(headers);
  const url = `${options.endpoint}/v1/traces`;
  const made = {
    grpc: () => new Grpc({ url: options.endpoint, compression, metadata }),
    "http/protobuf": () => new Protobuf({ url, compression, headers }),
    "http/json": () => new Json({ url, compression, headers }),
  }[options.protocol]();
  // The SDK logs a failed export and goes on; this keeps the outcome for the summary.
  const inner = made.export.bind(made);
  made.export = (spans, done) =>
    inner(spans, (result) => {
      outcomes[result.code === 0 ? "exports" : "failed_exports"] += 1;
      if (result.error) console.error(result.error.message);
      done(result);
    });
  return made;
}

function provider(service, version) {
  return new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": service,
      "service.namespace": "shop",
      "service.version": version,
      "service.instance.id": `${service}-0`,
      "deployment.environment.name": "production",
    }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: exporter(),
        maxQueueSize: 100000,
        scheduledDelayMillis: 200,
      }),
    ],
  });
}

function request(storefront, payments, failing) {
  const end = Date.now();
  const start = (tracer, name, kind, parent, beforeMs, attributes) =>
    tracer.startSpan(name, { kind, startTime: end - beforeMs, attributes }, parent);
  const entry = start(storefront, "GET /checkout", SpanKind.SERVER, ROOT_CONTEXT, 90, {
    "http.request.method": "GET",
    "http.route": "/checkout",
  });
  const call = start(
    storefront, "POST", SpanKind.CLIENT, trace.setSpan(ROOT_CONTEXT, entry), 80,
    { "http.request.method": "POST", "server.address": "payments", "peer.service": "payments" },
  );
  const charge = start(
    payments, "POST /charge", SpanKind.SERVER, trace.setSpan(ROOT_CONTEXT, call), 70,
    { "http.request.method": "POST", "http.route": "/charge" },
  );
  for (const [span, beforeMs, code] of [[charge, 20, 500], [call, 10, 500], [entry, 0, 502]]) {
    span.setAttribute("http.response.status_code", failing ? code : 200);
    if (failing) {
      span.setAttribute("error.type", String(code));
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end(end - beforeMs);
  }
}

const providers = [provider("storefront", "1.0.0"), provider("payments", options.version)];
const [storefront, payments] = providers.map((each) => each.getTracer("shop"));
const begin = Date.now();
for (let number = 0; number < requests; number += 1) {
  const due = begin + ((number + 1) / requests) * overMs;
  if (due > Date.now()) await sleep(due - Date.now());
  const failedBefore = (sent) => Math.floor((sent * failures) / requests);
  const failing = failedBefore(number + 1) > failedBefore(number);
  request(storefront, payments, failing);
}
// A shutdown fails where its last export does, which is counted already.
await Promise.allSettled(providers.map((each) => each.shutdown()));
console.log(JSON.stringify({ requests, spans: 3 * requests, failed_requests: failures, ...outcomes }));
process.exit(outcomes.failed_exports > 0 || outcomes.exports === 0 ? 1 : 0);
