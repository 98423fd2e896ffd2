use model::SpanKind;

use crate::fields::{Fields, Protocol, Text};

const STATUS_ERROR: i32 = 2;
const TOO_MANY_REQUESTS: u16 = 429;

const DEADLINE_EXCEEDED: i8 = 4;
const RESOURCE_EXHAUSTED: i8 = 8;
const UNAVAILABLE: i8 = 14;

/// Words in an `error.type` that say that nobody answered, in lower case.
const UNANSWERED: [&str; 14] = [
    "timeout",
    "timedout",
    "timed_out",
    "deadline",
    "econn",
    "enotfound",
    "ehostunreach",
    "enetunreach",
    "connect",
    "unavailable",
    "unreachable",
    "name_resolution",
    "unknownhost",
    "refused",
];

/// Longest `error.type` that is searched for [`UNANSWERED`].
const ERROR_TYPE_BYTES_MAX: usize = 256;

/// Whether a span is bad by convention: its status says error; else, if it serves, HTTP status 500
/// and above or a gRPC status that is the server's fault; else, if it calls, also HTTP 429 and any
/// gRPC status but OK.
#[inline(always)]
pub(crate) fn is_error(kind: SpanKind, status: i32, fields: &Fields<'_>) -> bool {
    status == STATUS_ERROR
        || match kind {
            SpanKind::Server => {
                http_server_error(fields.http_status) || grpc_server_error(fields.rpc_status)
            }
            SpanKind::Client | SpanKind::Producer => {
                fields.http_status >= 500
                    || fields.http_status == TOO_MANY_REQUESTS
                    || fields.rpc_status > 0
            }
            _ => false,
        }
}

/// 4xx are the client's errors, 429 among them.
#[inline(always)]
pub(crate) const fn http_server_error(status: u16) -> bool {
    status >= 500
}

/// UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: what the semantic
/// conventions for gRPC count as a server's errors.
#[inline(always)]
pub(crate) const fn grpc_server_error(code: i8) -> bool {
    matches!(code, 2 | 4 | 12 | 13 | 14 | 15)
}

/// Whether the callee turned the call away for being too many.
#[inline(always)]
pub(crate) fn is_throttled(fields: &Fields<'_>) -> bool {
    fields.http_status == TOO_MANY_REQUESTS || fields.rpc_status == RESOURCE_EXHAUSTED
}

/// Whether a failed call was never answered by whom it was meant for: no connection, no answer in
/// time, or a gateway that says so (502, 504).
pub(crate) fn is_unanswered(fields: &Fields<'_>) -> bool {
    if matches!(fields.rpc_status, DEADLINE_EXCEEDED | UNAVAILABLE)
        || matches!(fields.http_status, 502 | 504)
    {
        return true;
    }
    if fields.http_status != 0 || fields.rpc_status >= 0 {
        return false;
    }
    // An HTTP span carries a status code whenever a response came.
    fields.protocol == Protocol::Http || says_unanswered(fields.get(Text::ErrorType))
}

fn says_unanswered(error_type: &[u8]) -> bool {
    let known = error_type.get(..error_type.len().min(ERROR_TYPE_BYTES_MAX)).unwrap_or_default();
    let lower = String::from_utf8_lossy(known).to_ascii_lowercase();
    UNANSWERED.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use otlp::Value;

    use super::*;

    fn fields<'a>(attributes: &[(&'a str, Value<'a>)]) -> Fields<'a> {
        let mut fields = Fields::new();
        for (key, value) in attributes {
            fields.read(key.as_bytes(), *value);
        }
        fields
    }

    #[test]
    fn bad_by_convention() {
        use SpanKind::{Client, Consumer, Internal, Server};
        let http = "http.response.status_code";
        let grpc = "rpc.grpc.status_code";
        for (kind, status, key, code, bad) in [
            (Server, 0, http, 200, false),
            (Server, 0, http, 404, false),
            (Server, 0, http, 429, false),
            (Server, 0, http, 500, true),
            (Server, 0, "http.status_code", 503, true),
            (Server, 2, http, 200, true),
            (Server, 1, http, 500, true),
            (Client, 0, http, 404, false),
            (Client, 0, http, 429, true),
            (Client, 0, http, 502, true),
            (Client, 2, http, 404, true),
            (Server, 0, grpc, 0, false),
            (Server, 0, grpc, 2, true),
            (Server, 0, grpc, 3, false),
            (Server, 0, grpc, 4, true),
            (Server, 0, grpc, 5, false),
            (Server, 0, grpc, 8, false),
            (Server, 0, grpc, 12, true),
            (Server, 0, grpc, 13, true),
            (Server, 0, grpc, 14, true),
            (Server, 0, grpc, 15, true),
            (Server, 0, grpc, 16, false),
            (Client, 0, grpc, 5, true),
            (Client, 0, grpc, 0, false),
            (Internal, 0, http, 500, false),
            (Internal, 2, http, 200, true),
            (Consumer, 2, "messaging.batch.message_count", 3, true),
            (Consumer, 0, "messaging.batch.message_count", 3, false),
        ] {
            let fields = fields(&[(key, Value::Int(code))]);
            assert_eq!(is_error(kind, status, &fields), bad, "{kind:?} {status} {key}={code}");
        }
    }

    #[test]
    fn a_call_is_unanswered_if_nobody_or_only_a_gateway_answered() {
        let method = ("http.request.method", Value::Str(b"GET"));
        let status = |code| ("http.response.status_code", Value::Int(code));
        let error = |what: &'static str| ("error.type", Value::Str(what.as_bytes()));
        for (attributes, unanswered) in [
            (vec![method, error("anything")], true),
            (vec![method, status(500), error("500")], false),
            (vec![method, status(503), error("503")], false),
            (vec![method, status(504)], true),
            (vec![("rpc.grpc.status_code", Value::Int(14))], true),
            (vec![("rpc.response.status_code", Value::Str(b"DEADLINE_EXCEEDED"))], true),
            (vec![("rpc.grpc.status_code", Value::Int(13))], false),
            (vec![("db.system", Value::Str(b"mysql")), error("ECONNREFUSED")], true),
            (vec![("db.system", Value::Str(b"mysql")), error("java.net.ConnectException")], true),
            (vec![("db.system", Value::Str(b"mysql")), error("1064")], false),
        ] {
            assert_eq!(is_unanswered(&fields(&attributes)), unanswered, "{attributes:?}");
        }
    }
}
