use std::borrow::Cow;

use otlp::Span;

use crate::fields::{Fields, Text};

/// Why a span is bad, in a word: `error.type`, else its status code, else what its status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason<'a> {
    Text(&'a [u8]),
    Http(u16),
    Grpc(i8),
}

impl<'a> Reason<'a> {
    pub(super) const SLOW: Self = Self::Text(b"slow");

    pub(super) fn of(fields: &Fields<'a>, span: &Span<'a>) -> Self {
        match (fields.get(Text::ErrorType), fields.http_status, fields.rpc_status) {
            (error, ..) if !error.is_empty() => Self::Text(error),
            (_, code, _) if code >= 400 => Self::Http(code),
            (_, _, code) if code > 0 => Self::Grpc(code),
            _ if !span.status_message.is_empty() => Self::Text(span.status_message),
            _ => Self::Text(b"error"),
        }
    }

    pub(super) fn text(self) -> Cow<'a, [u8]> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Http(code) => Cow::Owned(code.to_string().into_bytes()),
            Self::Grpc(code) => Cow::Owned(format!("grpc {code}").into_bytes()),
        }
    }
}
