use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const EPOCH_DIGITS: usize = 6;

/// A trace id, 16 bytes, printed as 32 hex digits.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct TraceId(pub [u8; 16]);

/// A span id, 8 bytes, printed as 16 hex digits. All zeros stands for "none".
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct SpanId(pub [u8; 8]);

/// The name of an incident: the store's epoch (random at its creation) and a journalled counter,
/// printed `k3f9a2-000123`. A store that was set aside never lends its ids again.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct IncidentId {
    /// The store's epoch, below [`IncidentId::EPOCHS`].
    pub epoch: u32,
    /// Counts from 1 within the epoch.
    pub number: u64,
}

/// The text is not of the form `k3f9a2-000123`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIncidentIdError;

impl TraceId {
    /// Whether the id is all zeros, which OTLP calls invalid.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }
}

impl SpanId {
    /// The id that stands for "no span".
    pub const NONE: Self = Self([0; 8]);

    /// Whether this stands for "no span".
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl IncidentId {
    /// How many epochs can be told apart in six base-36 digits.
    pub const EPOCHS: u32 = 36u32.pow(EPOCH_DIGITS as u32);
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [b'0'; EPOCH_DIGITS];
        let mut rest = self.epoch;
        for digit in digits.iter_mut().rev() {
            *digit = BASE36[(rest % 36) as usize];
            rest /= 36;
        }
        for digit in digits {
            write!(f, "{}", char::from(digit))?;
        }
        write!(f, "-{:06}", self.number)
    }
}

impl FromStr for IncidentId {
    type Err = ParseIncidentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, number) = text.split_once('-').ok_or(ParseIncidentIdError)?;
        let lower = epoch.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        if epoch.len() != EPOCH_DIGITS || !lower || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseIncidentIdError);
        }
        let epoch = u32::from_str_radix(epoch, 36).map_err(|_| ParseIncidentIdError)?;
        let number = number.parse().map_err(|_| ParseIncidentIdError)?;
        Ok(Self { epoch, number })
    }
}

impl fmt::Display for ParseIncidentIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an incident id: it looks like k3f9a2-000123")
    }
}

impl std::error::Error for ParseIncidentIdError {}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_id_reads_back() {
        for id in [
            IncidentId { epoch: 0, number: 1 },
            IncidentId { epoch: IncidentId::EPOCHS - 1, number: u64::MAX },
            IncidentId { epoch: 1_234_567_890, number: 123 },
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!(IncidentId { epoch: 35, number: 123 }.to_string(), "00000z-000123");
    }

    #[test]
    fn what_is_no_incident_id_is_refused() {
        for text in ["", "k3f9a2", "k3f9a2-", "K3F9A2-1", "k3f9a-000001", "k3f9a2--1", "k3f9a2-1:2"]
        {
            assert_eq!(text.parse::<IncidentId>(), Err(ParseIncidentIdError), "{text}");
        }
    }
}
