use std::io::Write;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, Response};

/// A response as it goes over the wire; `is_last` tells the peer that the connection ends with it.
pub(super) fn bytes(response: &Response<Bytes>, to: &Method, is_last: bool) -> Vec<u8> {
    let body = response.body();
    let mut out = Vec::with_capacity(256 + body.len());
    let status = response.status();
    // Writing into a vector cannot fail.
    let _ = write!(out, "HTTP/1.1 {status}\r\n");
    for (name, value) in response.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let date = httpdate::HttpDate::from(SystemTime::now());
    let _ = write!(out, "content-length: {}\r\ndate: {date}\r\n", body.len());
    if is_last {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    // Who asks for the head alone would read the body as the next response.
    if to != Method::HEAD {
        out.extend_from_slice(body);
    }
    out
}
