//! OTLP over gRPC and HTTP: framing, decompression, authentication, limits and refusals.
//!
//! A request ends in exactly one [`Answer`]; the answer alone decides the gRPC status or the HTTP
//! response, by the table of the OTLP specification 1.11. Bytes reach the [`Intake`] whole,
//! decompressed and as OTLP protobuf: JSON is transcoded before. Nothing here looks at spans.

mod admission;
mod answer;
mod body;
mod buffer;
mod calls;
mod clerk;
mod connection;
mod gate;
mod grpc;
mod http;
mod http1;
mod inflate;
mod intake;
mod meters;
mod refusal;
mod repeats;
mod roster;
mod server;
mod tenants;
mod window;
mod workload;

pub use admission::Admission;
pub use answer::Answer;
pub use auth::Tenant;
pub use gate::{Gate, GateOptions};
pub use inflate::Packing;
pub use intake::{Intake, Unobserved};
pub use refusal::Refusal;
pub use roster::{Desk, Roster};
pub use server::{Listeners, bind, serve};
