/// A set of keys, roughly: by their lengths and first letters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    /// By length of key, modulo 32: a bit for the low five bits of each first letter.
    letters: [u32; 32],
}

impl Keys {
    pub(crate) const NONE: Self = Self { letters: [0; 32] };

    /// The set with one more key.
    pub(crate) const fn with(mut self, key: &[u8]) -> Self {
        if let [first, ..] = key {
            self.letters[key.len() & 31] |= 1 << (*first & 31);
        }
        self
    }

    /// The keys of both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (letters, others) in self.letters.iter_mut().zip(other.letters) {
            *letters |= others;
        }
        self
    }

    /// Whether the key may be one of them. Says no to nearly all others, for a few instructions.
    #[inline(always)]
    pub(crate) fn may_hold(&self, key: &[u8]) -> bool {
        let Some(&first) = key.first() else { return false };
        self.letters[key.len() & 31] & 1 << (first & 31) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_held_and_most_others_are_not() {
        let keys = Keys::NONE.with(b"http.route").and(Keys::NONE.with(b"").with(b"x"));
        assert!(keys.may_hold(b"http.route") && keys.may_hold(b"x"));
        for other in [&b"url.scheme"[..], b"http.method", b"y", b""] {
            assert!(!keys.may_hold(other));
        }
    }
}
