//! How subcommands reach a running daemon.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use contract::v1::incident_service_client::IncidentServiceClient;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};

use crate::cli::ApiArgs;
use crate::serve::runtime;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a daemon may take to answer a request that is no subscription.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read. An incident is capped far below.
const ANSWER_BYTES_MAX: usize = 64 << 20;
const TOKEN_MEND: &str = "name the file of your token with --token-file";
const TOKEN_BYTES_MAX: u64 = 4096;
const RUNTIME_THREADS: usize = 1;

/// The service behind the credential.
pub(crate) type Incidents = IncidentServiceClient<InterceptedService<Channel, Credential>>;

/// Who calls: sent with every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credential {
    authorization: Option<MetadataValue<Ascii>>,
    tenant: Option<MetadataValue<Ascii>>,
}

impl Credential {
    /// A token from its file, and a tenant by name.
    pub(crate) fn new(token_file: Option<&Path>, tenant: Option<&str>) -> anyhow::Result<Self> {
        let authorization = match token_file {
            Some(path) => {
                let token = read_token(path)?;
                let value = MetadataValue::try_from(format!("Bearer {token}"));
                let mut value = value.context("the token holds what no header can")?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let tenant = match tenant {
            Some(name) if auth::is_tenant_name(name) => Some(name.parse()?),
            Some(name) => bail!("--tenant {name:?} is no tenant's name"),
            None => None,
        };
        Ok(Self { authorization, tenant })
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        let metadata = request.metadata_mut();
        if let Some(value) = &self.authorization {
            let _ = metadata.insert("authorization", value.clone());
        }
        if let Some(value) = &self.tenant {
            let _ = metadata.insert("x-scope-orgid", value.clone());
        }
        Ok(request)
    }
}

/// Connects to the incident service.
pub(crate) async fn connect(args: &ApiArgs) -> anyhow::Result<Incidents> {
    let credential = Credential::new(args.token_file.as_deref(), args.tenant.as_deref())?;
    let channel = channel(&args.api).await?;
    let client = IncidentServiceClient::with_interceptor(channel, credential);
    Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
}

/// A connection to a plain HTTP/2 endpoint, `http://127.0.0.1:4317` or `127.0.0.1:4317`.
pub(crate) async fn channel(address: &str) -> anyhow::Result<Channel> {
    let uri = uri(address)?;
    let endpoint = Endpoint::from(uri.clone()).connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
    endpoint.connect().await.with_context(|| unreachable_text(&uri))
}

/// The body of a GET of the HTTP API. An answer that is no success is an error with what it says.
pub(crate) fn http_get(args: &ApiArgs, path: &str) -> anyhow::Result<String> {
    http_call(args, Method::GET, path, "")
}

/// As [`http_get`], of any method, with a body of JSON.
pub(crate) fn http_call(
    args: &ApiArgs,
    method: Method,
    path: &str,
    body: &str,
) -> anyhow::Result<String> {
    runtime(RUNTIME_THREADS)?.block_on(async {
        match tokio::time::timeout(CALL_TIMEOUT, call(args, method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => bail!("{} took longer than {} s", args.api, CALL_TIMEOUT.as_secs()),
        }
    })
}

async fn call(args: &ApiArgs, method: Method, path: &str, body: &str) -> anyhow::Result<String> {
    let credential = Credential::new(args.token_file.as_deref(), args.tenant.as_deref())?;
    let base = uri(&args.api)?;
    let url = format!("{}{path}", base.to_string().trim_end_matches('/'));
    let request = Request::builder().method(method).uri(url);
    let request = request.header("content-type", "application/json");
    let mut request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
    let headers =
        [("authorization", credential.authorization), ("x-scope-orgid", credential.tenant)];
    for (name, value) in headers {
        if let Some(value) = value {
            let mut header = hyper::header::HeaderValue::from_bytes(value.as_bytes())?;
            header.set_sensitive(value.is_sensitive());
            let _ = request.headers_mut().insert(name, header);
        }
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.with_context(|| unreachable_text(&base))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() { Ok(text) } else { bail!(refusal(status, &text)) }
}

/// A name as a part of a path (RFC 3986).
pub(crate) fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// What an answer other than 200 says: the message of the API's JSON, or all of it.
fn refusal(status: StatusCode, body: &str) -> String {
    let fault: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let message = fault.as_ref().and_then(|fault| fault.get("message")?.as_str());
    let message = message.unwrap_or(body.trim());
    match status {
        StatusCode::UNAUTHORIZED => format!("{message}: {TOKEN_MEND}"),
        StatusCode::FORBIDDEN => format!("your token does not allow this: {message}"),
        status => format!("{message} ({status})"),
    }
}

/// What a call's refusal means to whoever typed the command.
pub(crate) fn explain(status: &Status) -> anyhow::Error {
    let message = status.message();
    match status.code() {
        Code::Unauthenticated => anyhow::anyhow!("{message}: {TOKEN_MEND}"),
        Code::PermissionDenied => anyhow::anyhow!("your token does not allow this: {message}"),
        Code::Aborted => anyhow::anyhow!("{message}: look again with `fogbell incidents show`"),
        Code::Unavailable => {
            anyhow::anyhow!("{message}: is the daemon running? start it with `fogbell serve`")
        }
        Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => {
            anyhow::anyhow!("{message}")
        }
        code => anyhow::anyhow!("{message} ({code})"),
    }
}

/// The token in a file, without the blanks around it.
pub(crate) fn read_token(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("token file {shown}"))?.len();
    if size > TOKEN_BYTES_MAX {
        bail!("token file {shown} is larger than {TOKEN_BYTES_MAX} bytes");
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("token file {shown}"))?;
    let token = text.trim();
    if token.is_empty() { bail!("token file {shown} is empty") } else { Ok(token.to_owned()) }
}

fn uri(address: &str) -> anyhow::Result<Uri> {
    let text =
        if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let uri: Uri =
        text.parse().with_context(|| format!("{address:?} is not like http://127.0.0.1:8420"))?;
    match uri.scheme_str() {
        Some("http") if uri.authority().is_some() => Ok(uri),
        Some("https") => bail!("{address}: this build speaks no TLS; put a proxy in front of it"),
        _ => bail!("{address:?} is not like http://127.0.0.1:8420"),
    }
}

fn unreachable_text(uri: &Uri) -> String {
    format!("{uri} cannot be reached: is the daemon running? start it with `fogbell serve`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_the_scheme_out() {
        for (address, expected) in [
            ("127.0.0.1:4317", Some("http://127.0.0.1:4317/")),
            ("http://fogbell:8420", Some("http://fogbell:8420/")),
            ("http://[::1]:8420/", Some("http://[::1]:8420/")),
            ("https://fogbell:8420", None),
            ("ftp://fogbell", None),
            ("", None),
            ("a b", None),
        ] {
            let found = uri(address).ok().map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn a_token_and_a_tenant_go_with_every_call() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, " s3cret-s3cret-s3cret\n").unwrap();
        let mut credential = Credential::new(Some(&path), Some("shop")).unwrap();
        let request = credential.call(tonic::Request::new(())).unwrap();
        let header = |name| request.metadata().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("authorization"), "Bearer s3cret-s3cret-s3cret");
        assert_eq!(header("x-scope-orgid"), "shop");
        assert!(!format!("{credential:?}").contains("s3cret"));
        assert!(Credential::new(None, Some("a b")).is_err());
        std::fs::write(&path, "\n").unwrap();
        assert!(Credential::new(Some(&path), None).is_err());
    }

    #[test]
    fn a_name_is_one_part_of_a_path_whatever_it_holds() {
        assert_eq!(encoded("shop/cart@prod:latency"), "shop%2Fcart%40prod%3Alatency");
    }

    #[test]
    fn a_refusal_says_what_the_daemon_said() {
        let fault = r#"{"code":16,"message":"a credential is needed"}"#;
        for (status, body, expected) in [
            (StatusCode::UNAUTHORIZED, fault, "a credential is needed: name the file"),
            (StatusCode::FORBIDDEN, fault, "does not allow this: a credential"),
            (StatusCode::NOT_FOUND, "nothing here\n", "nothing here (404 Not Found)"),
        ] {
            let text = refusal(status, body);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_refused_connection_says_what_to_do() {
        let api = ApiArgs { api: "http://127.0.0.1:1".to_owned(), token_file: None, tenant: None };
        let of_http = http_get(&api, "/api/v1/slos").unwrap_err();
        let of_grpc = runtime(1).unwrap().block_on(connect(&api)).unwrap_err();
        for error in [of_http, of_grpc] {
            assert!(format!("{error:#}").contains("fogbell serve"), "{error:#}");
        }
    }
}
