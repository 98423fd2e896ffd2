//! OTLP over gRPC and HTTP: framing, decompression, authentication, limits and refusals.
//!
//! A request ends in exactly one [`Answer`]; the answer alone decides the gRPC status or the HTTP
//! response, by the table of the OTLP specification 1.11. Bytes reach the [`Intake`] whole,
//! decompressed and as OTLP protobuf: JSON is transcoded before. Nothing here looks at spans.

mod admission;
mod answer;
mod gate;
mod grpc;
mod http;
mod inflate;
mod intake;
mod repeats;
mod server;

pub use admission::{Admission, MeteredBody};
pub use answer::{Answer, Refusal};
pub use auth::Tenant;
pub use gate::{Gate, GateOptions};
pub use intake::Intake;
pub use server::{Listeners, bind, serve};
