use std::mem::MaybeUninit;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use httparse::Status;

use crate::server::HEADER_LIST_BYTES_MAX;

/// How long a head may be.
pub(super) const HEAD_BYTES_MAX: usize = HEADER_LIST_BYTES_MAX as usize;
/// How many fields it may have.
const FIELDS_MAX: usize = 100;

/// What a request begins with.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: Parts,
    pub(super) framing: Framing,
    /// The peer sends the body once it is told to.
    pub(super) expects_continue: bool,
    /// The peer sends no request after this one.
    pub(super) is_last: bool,
}

/// How it is known where a body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// It says so.
    Chunked,
}

/// Why a head cannot be read. What comes after it cannot, either.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Malformed(String),
    /// Longer than [`HEAD_BYTES_MAX`], or of more than [`FIELDS_MAX`] fields.
    TooLong,
}

/// The head that `bytes` begin with, and how long it is; nothing if it is not whole.
///
/// # Errors
/// If it never will be.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, Unreadable> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Unreadable::TooLong),
        Err(error) => return Err(malformed(&error.to_string())),
    };
    Ok(Some((head(&request)?, length)))
}

fn head(request: &httparse::Request<'_, '_>) -> Result<Head, Unreadable> {
    let (mut parts, ()) = Request::new(()).into_parts();
    let method = request.method.unwrap_or_default();
    parts.method = Method::from_bytes(method.as_bytes()).map_err(|_| malformed("its method"))?;
    let target = request.path.unwrap_or_default();
    parts.uri = Uri::try_from(target).map_err(|_| malformed("its target"))?;
    parts.version = if request.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    parts.headers.reserve(request.headers.len());
    for field in &*request.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| malformed("the name of a field"))?;
        let value = HeaderValue::from_bytes(field.value);
        let value = value.map_err(|_| malformed("the value of a field"))?;
        let _ = parts.headers.append(name, value);
    }
    let is_old = parts.version == Version::HTTP_10;
    let framing = framing(&parts.headers, is_old)?;
    let expects_continue = !is_old && has_token(&parts.headers, &header::EXPECT, "100-continue");
    let is_last = is_old || has_token(&parts.headers, &header::CONNECTION, "close");
    Ok(Head { parts, framing, expects_continue, is_last })
}

/// Where the body ends. Two answers to that are how requests are smuggled past a proxy that read the
/// other one, so there must not be two (RFC 9112, section 11.2).
fn framing(headers: &HeaderMap, is_old: bool) -> Result<Framing, Unreadable> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value.to_str().unwrap_or_default();
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u64> = digits.parse().ok().filter(|_| is_number);
        let number = number.ok_or_else(|| malformed("content-length, which is no number"))?;
        if length.is_some_and(|length| length != number) {
            return Err(malformed("content-length, of which there are several"));
        }
        length = Some(number);
    }
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(Framing::Length(length.unwrap_or_default()));
    }
    if length.is_some() || is_old {
        return Err(malformed("transfer-encoding, which has no place here"));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        _ => Err(malformed("transfer-encoding, which may only be chunked")),
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
}

fn malformed(what: &str) -> Unreadable {
    Unreadable::Malformed(format!("the head of the HTTP/1 request cannot be read: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "POST /v1/traces HTTP/1.1\r\n";

    fn of(fields: &str) -> Result<Head, Unreadable> {
        let text = format!("{START}{fields}\r\nrest");
        let (head, bytes) = read(text.as_bytes())?.expect("it is whole");
        assert_eq!(&text[bytes..], "rest");
        Ok(head)
    }

    fn what(fields: &str) -> String {
        match of(fields).expect_err("it must not be read") {
            Unreadable::Malformed(what) => what,
            Unreadable::TooLong => "too long".to_owned(),
        }
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text =
            "\r\nPOST http://door/v1/logs?x=1 HTTP/1.1\r\nHost: door\r\nA: 1\r\na: 2\r\n\r\n";
        for end in 0..text.len() {
            assert!(read(&text.as_bytes()[..end]).expect("so far so good").is_none(), "{end}");
        }
        let (head, bytes) = read(text.as_bytes()).expect("readable").expect("whole");
        assert_eq!((bytes, head.parts.uri.path()), (text.len(), "/v1/logs"));
        assert_eq!(head.parts.headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(head.framing, Framing::Length(0));
        assert!(!head.is_last && !head.expects_continue);
    }

    #[test]
    fn where_a_body_ends_has_one_answer() {
        let framing = |fields| of(fields).map(|head| head.framing);
        assert_eq!(framing("content-length: 12\r\n"), Ok(Framing::Length(12)));
        assert_eq!(
            framing("content-length: 12\r\ncontent-length: 12\r\n"),
            Ok(Framing::Length(12))
        );
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        for (fields, piece) in [
            ("content-length: 1\r\ncontent-length: 2\r\n", "several"),
            ("content-length: +1\r\n", "no number"),
            ("content-length: 1, 1\r\n", "no number"),
            ("content-length: 99999999999999999999\r\n", "no number"),
            ("content-length:\r\n", "no number"),
            ("content-length: 1\r\ntransfer-encoding: chunked\r\n", "no place"),
            ("transfer-encoding: gzip, chunked\r\n", "only be chunked"),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "only be chunked"),
        ] {
            assert!(what(fields).contains(piece), "{fields:?}: {}", what(fields));
        }
        let old = b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(read(old).is_err());
    }

    #[test]
    fn who_says_goodbye_or_waits_is_understood() {
        assert!(of("connection: keep-alive, Close\r\n").expect("readable").is_last);
        assert!(!of("connection: closed\r\n").expect("readable").is_last);
        assert!(of("expect: 100-Continue\r\n").expect("readable").expects_continue);
        let (old, _) = read(b"POST / HTTP/1.0\r\nexpect: 100-continue\r\n\r\n")
            .expect("readable")
            .expect("whole");
        assert!(old.is_last && !old.expects_continue);
    }

    #[test]
    fn what_is_no_head_or_too_long_is_told() {
        for nonsense in ["\x16\x03\x01", "POST\r\n\r\n", "POST / HTTP/3\r\n\r\n", "x y z\r\n\r\n"] {
            assert!(matches!(read(nonsense.as_bytes()), Err(Unreadable::Malformed(_))));
        }
        assert!(what("a b: c\r\n").contains("header name"), "{}", what("a b: c\r\n"));
        let long = format!("{START}x: {}", "y".repeat(HEAD_BYTES_MAX));
        assert_eq!(read(long.as_bytes()).expect_err("it never ends"), Unreadable::TooLong);
        let whole = format!("{long}\r\n\r\n");
        assert_eq!(read(whole.as_bytes()).expect_err("too long"), Unreadable::TooLong);
        assert_eq!(what(&"x: y\r\n".repeat(FIELDS_MAX + 1)), "too long");
        assert!(of(&"x: y\r\n".repeat(FIELDS_MAX)).is_ok());
    }
}
