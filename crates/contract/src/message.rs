use model::{Delivery, Incident, Outgoing};
use serde::Serialize;

use crate::v1;

/// What a sink puts on the wire for an [`Outgoing`].
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A page or a ticket.
    Delivery(v1::Delivery),
    /// A full snapshot.
    Incident(v1::Incident),
    /// What changed.
    Event(v1::IncidentEvent),
}

impl Message {
    /// The protobuf bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Delivery(delivery) => prost::Message::encode_to_vec(delivery),
            Self::Incident(incident) => prost::Message::encode_to_vec(incident),
            Self::Event(event) => prost::Message::encode_to_vec(event),
        }
    }

    /// The protobuf JSON.
    #[must_use]
    pub fn json(&self) -> String {
        match self {
            Self::Delivery(delivery) => json(delivery),
            Self::Incident(incident) => json(incident),
            Self::Event(event) => json(event),
        }
    }
}

impl From<&Outgoing> for Message {
    fn from(outgoing: &Outgoing) -> Self {
        match outgoing {
            Outgoing::Delivery(delivery) => Self::Delivery(delivery.into()),
            Outgoing::Snapshot(incident) => Self::Incident(incident.as_ref().into()),
            Outgoing::Event(event, _) => Self::Event(event.into()),
        }
    }
}

/// What a subscriber sees of an [`Outgoing`]: always the incident, and the event or the delivery
/// where it is one.
impl From<&Outgoing> for v1::subscribe_response::Change {
    fn from(outgoing: &Outgoing) -> Self {
        let incident: &Incident = outgoing.incident();
        let (event, delivery) = match outgoing {
            Outgoing::Delivery(delivery) => (None, Some(delivery)),
            Outgoing::Snapshot(_) => (None, None),
            Outgoing::Event(event, _) => (Some(event), None),
        };
        Self {
            event: event.map(Into::into),
            incident: Some(incident.into()),
            delivery: delivery.map(|delivery: &Delivery| delivery.into()),
        }
    }
}

/// The protobuf JSON of a message of [`v1`]: 64-bit integers as strings, enums by name, defaults
/// left out. A message that came from the model always has one; `null` stands for a message whose
/// times lie outside the years 1 to 9999, which only a peer can send.
#[must_use]
pub fn json<M: prost::Message + Serialize>(message: &M) -> String {
    serde_json::to_string(message).unwrap_or_else(|_| "null".to_owned())
}
