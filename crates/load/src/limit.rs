//! Two gRPC servers that bound what any intake on tonic can reach: one answers without looking at
//! the bytes, the other does the bare walk. One thread, raw-bytes codec, windows and frames for
//! telemetry. The allocator is the binary's.

mod walk;

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
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

pub use walk::{Totals, walk};

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
    /// Reads what a walker needs of each span and adds it up: W of the benchmarks.
    Walk,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Touch => "touch",
            Self::Walk => "walk",
        })
    }
}

impl FromStr for Limit {
    type Err = LoadError;

    fn from_str(name: &str) -> Result<Self, LoadError> {
        match name {
            "touch" => Ok(Self::Touch),
            "walk" => Ok(Self::Walk),
            _ => Err(LoadError::Option(format!("limit {name:?} is neither touch nor walk"))),
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
    tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .add_service(TraceService(limit))
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

impl tonic::server::UnaryService<Bytes> for Limit {
    type Response = ();
    type Future = Ready<Result<tonic::Response<()>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let request = request.into_inner();
        ready(match self {
            Self::Touch => {
                black_box(request);
                Ok(tonic::Response::new(()))
            }
            Self::Walk => match black_box(walk(&request)) {
                Some(_) => Ok(tonic::Response::new(())),
                None => Err(tonic::Status::invalid_argument("not a trace request")),
            },
        })
    }
}

#[derive(Debug, Clone)]
struct TraceService(Limit);

impl tonic::server::NamedService for TraceService {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower_service::Service<http::Request<Body>> for TraceService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let limit = self.0;
        Box::pin(async move {
            let mut accept = EnabledCompressionEncodings::default();
            accept.enable(CompressionEncoding::Gzip);
            accept.enable(CompressionEncoding::Zstd);
            let mut grpc = tonic::server::Grpc::new(RawCodec)
                .apply_compression_config(accept, EnabledCompressionEncodings::default())
                .max_decoding_message_size(MESSAGE_BYTES_MAX);
            Ok(grpc.unary(limit, request).await)
        })
    }
}
