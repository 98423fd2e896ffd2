//! Which HTTP requests a web page could have had a browser send, and that are therefore refused.
//!
//! A page of another site can send requests with the browser's cached credentials, or, on a
//! daemon that asks for none, with no more than a name that its owner points at the daemon's
//! address (DNS rebinding). So:
//!
//! - An `Origin` must be that of the request's own host.
//! - Without a checked credential the host must be an IP address, `localhost` or a configured
//!   name: an owner of another name could have it point here. This holds for commands always, and
//!   for all else where the port is bound to loopback and thus meant for this machine alone. A
//!   bearer token needs no such rule: no browser sends it by itself.
//! - Commands have the content type `application/json`, which no form can send.

use std::net::IpAddr;

use http::{HeaderMap, Uri, header};
use tonic::Code;

use crate::fault::Fault;

/// An `Origin`, where there is one, must be that of the request's own host.
pub(crate) fn check_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), Fault> {
    let mut origins = headers.get_all(header::ORIGIN).into_iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    let origin = origin.to_str().ok().and_then(|origin| {
        let (scheme, authority) = origin.split_once("://")?;
        Some(without_default_port(scheme, authority))
    });
    let same = match (origin, authority(uri, headers)) {
        (Some((scheme, origin)), Some(host)) => {
            origin.eq_ignore_ascii_case(without_default_port(scheme, &host).1)
        }
        _ => false,
    };
    if same && origins.next().is_none() {
        Ok(())
    } else {
        Err(Fault::new(Code::PermissionDenied, "a page of another origin may not do this"))
    }
}

/// The host must be one whose name nobody else can point here.
pub(crate) fn check_host(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Result<(), Fault> {
    let authority = authority(uri, headers);
    let host = authority.as_deref().map(host_of).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let known = address.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|name| name.eq_ignore_ascii_case(host));
    if known {
        return Ok(());
    }
    let what = format!(
        "the host {host:?} is neither an address, nor localhost, nor one that is configured, and \
         the request has no credential"
    );
    Err(Fault::new(Code::PermissionDenied, what))
}

/// A command says that it is JSON.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Fault> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Fault::invalid("content-type", "must be application/json"))
    }
}

/// Host and port that the request is for, if it says so once.
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str().to_owned());
    }
    let mut hosts = headers.get_all(header::HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().map(str::to_owned),
        _ => None,
    }
}

/// An authority without its port. An IPv6 address keeps its brackets.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn without_default_port<'a>(scheme: &'a str, authority: &'a str) -> (&'a str, &'a str) {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    (scheme, authority.strip_suffix(port).unwrap_or(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let _ = headers.append(*name, http::HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_hosts_that_nobody_else_can_name_pass_without_a_credential() {
        let configured = ["fogbell.example".to_owned()];
        for (host, passes) in [
            ("127.0.0.1:8420", true),
            ("[::1]:8420", true),
            ("[::1]", true),
            ("10.1.2.3", true),
            ("LOCALHOST:8420", true),
            ("Fogbell.example:443", true),
            ("evil.example:8420", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:8420", false),
            ("fogbell.example.evil.example", false),
            ("", false),
        ] {
            let headers = headers(&[("host", host)]);
            let uri = Uri::from_static("/");
            assert_eq!(check_host(&uri, &headers, &configured).is_ok(), passes, "{host}");
        }
        let twice = headers(&[("host", "localhost"), ("host", "evil.example")]);
        assert!(check_host(&Uri::from_static("/"), &twice, &[]).is_err());
        assert!(check_host(&Uri::from_static("/"), &HeaderMap::new(), &[]).is_err());
        let http2 = Uri::from_static("http://evil.example/");
        assert!(check_host(&http2, &headers(&[("host", "localhost")]), &[]).is_err());
    }

    #[test]
    fn an_origin_must_be_that_of_the_host() {
        for (host, origin, passes) in [
            ("localhost:8420", "http://localhost:8420", true),
            ("fogbell.example", "https://fogbell.example", true),
            ("fogbell.example", "https://Fogbell.Example:443", true),
            ("fogbell.example:80", "http://fogbell.example", true),
            ("localhost:8420", "http://localhost:3000", false),
            ("localhost:8420", "http://localhost", false),
            ("localhost:8420", "http://evil.example", false),
            ("localhost:8420", "null", false),
            ("localhost:8420", "", false),
        ] {
            let headers = headers(&[("host", host), ("origin", origin)]);
            let outcome = check_origin(&Uri::from_static("/"), &headers);
            assert_eq!(outcome.is_ok(), passes, "{host} {origin}");
        }
        let none = headers(&[("host", "localhost:8420")]);
        assert_eq!(check_origin(&Uri::from_static("/"), &none), Ok(()));
        let twice = headers(&[("host", "a"), ("origin", "http://a"), ("origin", "http://b")]);
        assert!(check_origin(&Uri::from_static("/"), &twice).is_err());
    }

    #[test]
    fn a_form_is_no_command() {
        for (value, passes) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=application/json", false),
        ] {
            assert_eq!(check_json(&headers(&[("content-type", value)])).is_ok(), passes, "{value}");
        }
        assert!(check_json(&HeaderMap::new()).is_err());
    }
}
