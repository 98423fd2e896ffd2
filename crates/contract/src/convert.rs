//! Between the model and the wire. The model's enums have no "unspecified": what commands carry
//! back may be [`Unspecified`], and each caller decides what that means.

mod evidence;
mod incident;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use std::fmt;
use std::time::Duration;

use model::{ActorKind, EventType, MemberState, Severity, SpanKind, Status, Timestamp, Urgency};

use crate::v1;

const NS_PER_S: u64 = 1_000_000_000;

/// An enum field that the sender did not set, or set to a value of a newer version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unspecified;

impl fmt::Display for Unspecified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is not specified, or not known to this version")
    }
}

impl std::error::Error for Unspecified {}

/// A moment on the wire; `None` if it was not set.
#[must_use]
pub fn timestamp(at: Timestamp) -> Option<pbjson_types::Timestamp> {
    at.is_set().then(|| pbjson_types::Timestamp {
        seconds: (at.unix_ns() / NS_PER_S) as i64,
        nanos: (at.unix_ns() % NS_PER_S) as i32,
    })
}

/// A moment from the wire: [`Timestamp::ZERO`] if it is unset or lies before 1970, the last moment
/// that can be told if it lies beyond.
#[must_use]
pub fn timestamp_from(at: Option<&pbjson_types::Timestamp>) -> Timestamp {
    let Some(at) = at else { return Timestamp::ZERO };
    let Ok(seconds) = u64::try_from(at.seconds) else { return Timestamp::ZERO };
    let nanos = u64::try_from(at.nanos).unwrap_or(0);
    Timestamp::from_unix_ns(seconds.saturating_mul(NS_PER_S).saturating_add(nanos))
}

/// A moment as people and JSON write it, RFC 3339; `None` if the text is none.
#[must_use]
pub fn timestamp_of_rfc3339(text: &str) -> Option<Timestamp> {
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    let at = pbjson_types::Timestamp::deserialize(text).ok()?;
    Some(timestamp_from(Some(&at)))
}

/// A span of time on the wire.
#[must_use]
pub fn duration(span: Duration) -> pbjson_types::Duration {
    pbjson_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: span.subsec_nanos() as i32,
    }
}

/// Pairs the variants of a model enum with those on the wire, in both directions.
macro_rules! pair {
    ($model:ty, $wire:ty, { $($variant:ident),+ $(,)? }) => {
        impl From<$model> for $wire {
            fn from(value: $model) -> Self {
                match value { $(<$model>::$variant => Self::$variant),+ }
            }
        }

        impl TryFrom<$wire> for $model {
            type Error = Unspecified;

            fn try_from(value: $wire) -> Result<Self, Unspecified> {
                match value {
                    $(<$wire>::$variant => Ok(Self::$variant),)+
                    <$wire>::Unspecified => Err(Unspecified),
                }
            }
        }
    };
}

pair!(Status, v1::Status, { Open, Acknowledged, Snoozed, Resolved, Merged, Closed });
pair!(Urgency, v1::Urgency, { Page, Ticket });
pair!(Severity, v1::Severity, { Info, Warning, Error, Critical });
pair!(ActorKind, v1::actor::Kind, { Engine, Person, Automation });
pair!(MemberState, v1::member::State, { Pending, Firing, NoData, Cleared });
pair!(model::Action, v1::delivery::Action, { Trigger, Update, Resolve });
pair!(EventType, v1::incident_event::Type, {
    Opened, Updated, Acknowledged, Snoozed, Resolved, Reopened, Merged, Split, Closed, Annotated,
    Escalated,
});

fn span_kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}
