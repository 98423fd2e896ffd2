use std::fmt;
use std::str::FromStr;

use crate::{Resume, ResumeError};

const EPOCH_DIGITS: usize = 8;
const OFFSET_DIGITS: usize = 16;

/// The resume token: opaque to subscribers.
impl fmt::Display for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0EPOCH_DIGITS$x}{:0OFFSET_DIGITS$x}", self.epoch, self.offset)
    }
}

impl FromStr for Resume {
    type Err = ResumeError;

    fn from_str(token: &str) -> Result<Self, ResumeError> {
        let digits = token.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !digits || token.len() != EPOCH_DIGITS + OFFSET_DIGITS {
            return Err(ResumeError);
        }
        let (epoch, offset) = token.split_at_checked(EPOCH_DIGITS).ok_or(ResumeError)?;
        Ok(Self {
            epoch: u32::from_str_radix(epoch, 16).map_err(|_| ResumeError)?,
            offset: u64::from_str_radix(offset, 16).map_err(|_| ResumeError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back() {
        for resume in [
            Resume { epoch: 0, offset: 0 },
            Resume { epoch: u32::MAX, offset: u64::MAX },
            Resume { epoch: 7, offset: 12_345 },
        ] {
            assert_eq!(resume.to_string().parse(), Ok(resume));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = "0".repeat(25);
        for text in ["", "7", "+00000010000000000000001", "g00000010000000000000001", &long] {
            assert_eq!(text.parse::<Resume>(), Err(ResumeError), "{text}");
        }
    }
}
