use axum::response::{IntoResponse, Response};
use engine::Refusal;
use http::{HeaderValue, StatusCode, header};
use tonic::{Code, Status};

/// Why a call is not answered as asked: one vocabulary for gRPC and for HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A field that does not hold what it should.
    pub(crate) fn invalid(field: &str, what: impl std::fmt::Display) -> Self {
        Self::new(Code::InvalidArgument, format!("{field}: {what}"))
    }

    pub(crate) fn no_incident() -> Self {
        Self::new(Code::NotFound, "there is no such incident")
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::no_incident(),
            Refusal::Stale { revision } => {
                let what = format!("the incident has changed: it is at revision {revision} now");
                Self::new(Code::Aborted, what)
            }
            Refusal::Impossible(why) => Self::new(Code::FailedPrecondition, why),
        }
    }
}

impl From<auth::Denied> for Fault {
    fn from(denied: auth::Denied) -> Self {
        match denied {
            auth::Denied::Unauthenticated => {
                Self::new(Code::Unauthenticated, "a credential is needed, and one that is known")
            }
            auth::Denied::Forbidden => {
                Self::new(Code::PermissionDenied, "the credential's role does not allow this")
            }
        }
    }
}

impl From<Fault> for Status {
    fn from(Fault { code, message }: Fault) -> Self {
        Self::new(code, message)
    }
}

/// `google.rpc.Status` as JSON, under the HTTP status that `google.rpc.Code` documents.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = http_status(self.code);
        let body = serde_json::json!({ "code": self.code as i32, "message": self.message });
        let mut response = super::http::json(status, body.to_string());
        if self.code == Code::Unauthenticated {
            let scheme = HeaderValue::from_static("Bearer realm=\"fogbell\"");
            let _ = response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Aborted | Code::AlreadyExists => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
