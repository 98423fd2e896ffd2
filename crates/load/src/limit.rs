//! Servers that bound what any intake can reach. Two speak gRPC on tonic: one answers without
//! looking at the bytes, the other does the bare walk. The third speaks HTTP and reads OTLP/JSON as
//! serde does. One thread, raw-bytes codec, windows and frames for telemetry. The allocator is the
//! binary's.

mod json;
mod walk;

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::thread;

use bytes::{Buf, Bytes};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codec::{
    Codec, CompressionEncoding, DecodeBuf, Decoder, EnabledCompressionEncodings, EncodeBuf, Encoder,
};
use tonic::transport::server::TcpIncoming;

pub use walk::{PointTotals, RecordTotals, Totals, walk, walk_points, walk_records};

use crate::error::LoadError;

/// After decompression.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 24 << 20;
const FRAME_BYTES_MAX: u32 = 1 << 20;

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Answers without looking at the bytes: the transport's own cost.
    Touch,
    /// Reads what a walker needs of each item and adds it up: W of the benchmarks.
    Walk,
    /// Reads OTLP/JSON with serde_json into the structs of opentelemetry-proto, over HTTP/1.1.
    Json,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Touch => "touch",
            Self::Walk => "walk",
            Self::Json => "json",
        })
    }
}

impl FromStr for Limit {
    type Err = LoadError;

    fn from_str(name: &str) -> Result<Self, LoadError> {
        match name {
            "touch" => Ok(Self::Touch),
            "walk" => Ok(Self::Walk),
            "json" => Ok(Self::Json),
            _ => Err(LoadError::Option(format!("limit {name:?} is not touch, walk or json"))),
        }
    }
}

/// Serves `limit` on `listen` on one thread until the process ends. It makes its own runtime, so
/// that the caller's settles nothing.
///
/// # Errors
/// If it cannot listen.
pub fn serve_forever(limit: Limit, listen: SocketAddr) -> Result<(), LoadError> {
    let server = thread::Builder::new().name(format!("limit-{limit}")).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(LoadError::Thread)?;
        runtime.block_on(async {
            let listener = TcpListener::bind(listen)
                .await
                .map_err(|source| LoadError::Listen { listen, source })?;
            serve(limit, listener).await
        })
    });
    let server = server.map_err(LoadError::Thread)?;
    server.join().unwrap_or(Err(LoadError::ThreadEnded))
}

/// Serves `limit` on the caller's runtime until the listener fails.
///
/// # Errors
/// If the transport fails.
pub async fn serve(limit: Limit, listener: TcpListener) -> Result<(), LoadError> {
    let look = match limit {
        Limit::Touch => Look::Not,
        Limit::Walk => Look::Walk,
        Limit::Json => return json::serve(listener).await,
    };
    tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .add_service(Intake::<Spans>::new(look))
        .add_service(Intake::<Points>::new(look))
        .add_service(Intake::<Records>::new(look))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await
        .map_err(LoadError::Serve)
}

/// Hands the message over as the bytes that it is; the answer is the empty message.
#[derive(Debug, Clone, Copy, Default)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = ();
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = ();
    type Error = tonic::Status;

    fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = tonic::Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, tonic::Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}

/// What a server does with the bytes.
#[derive(Debug, Clone, Copy)]
enum Look {
    Not,
    Walk,
}

/// A signal: where its requests go, and its bare walk.
trait Walked: Send + 'static {
    const SERVICE: &'static str;

    /// Whether the request can be read.
    fn walk(request: &[u8]) -> bool;
}

struct Spans;

struct Points;

struct Records;

impl Walked for Spans {
    const SERVICE: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";

    fn walk(request: &[u8]) -> bool {
        black_box(walk(request)).is_some()
    }
}

impl Walked for Points {
    const SERVICE: &'static str = "opentelemetry.proto.collector.metrics.v1.MetricsService";

    fn walk(request: &[u8]) -> bool {
        black_box(walk_points(request)).is_some()
    }
}

impl Walked for Records {
    const SERVICE: &'static str = "opentelemetry.proto.collector.logs.v1.LogsService";

    fn walk(request: &[u8]) -> bool {
        black_box(walk_records(request)).is_some()
    }
}

/// The service of one signal.
struct Intake<S> {
    look: Look,
    signal: PhantomData<fn() -> S>,
}

impl<S> Intake<S> {
    const fn new(look: Look) -> Self {
        Self { look, signal: PhantomData }
    }
}

impl<S> Clone for Intake<S> {
    fn clone(&self) -> Self {
        Self::new(self.look)
    }
}

impl<S: Walked> tonic::server::UnaryService<Bytes> for Intake<S> {
    type Response = ();
    type Future = Ready<Result<tonic::Response<()>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let request = request.into_inner();
        ready(match self.look {
            Look::Not => {
                black_box(request);
                Ok(tonic::Response::new(()))
            }
            Look::Walk if S::walk(&request) => Ok(tonic::Response::new(())),
            Look::Walk => Err(tonic::Status::invalid_argument("no request of this signal")),
        })
    }
}

impl<S: Walked> tonic::server::NamedService for Intake<S> {
    const NAME: &'static str = S::SERVICE;
}

impl<S: Walked> tower_service::Service<http::Request<Body>> for Intake<S> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let intake = self.clone();
        Box::pin(async move {
            let mut accept = EnabledCompressionEncodings::default();
            accept.enable(CompressionEncoding::Gzip);
            accept.enable(CompressionEncoding::Zstd);
            let mut grpc = tonic::server::Grpc::new(RawCodec)
                .apply_compression_config(accept, EnabledCompressionEncodings::default())
                .max_decoding_message_size(MESSAGE_BYTES_MAX);
            Ok(grpc.unary(intake, request).await)
        })
    }
}
