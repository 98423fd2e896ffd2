//! Just enough of the protobuf wire format for the bare walk and for finding what is stamped.
//! Groups and checks that a parser for the wild needs are left out: this is a limit.

/// The bytes end inside a field, or use a wire type that OTLP does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

pub(crate) type Read<T> = Result<T, Unreadable>;

/// Reads one message from borrowed bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline(always)]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next read begins, in bytes from the message's start.
    #[inline(always)]
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Read<u64> {
        let first = *self.bytes.get(self.at).ok_or(Unreadable)?;
        self.at += 1;
        if first < 0x80 { Ok(u64::from(first)) } else { self.long_varint(first) }
    }

    #[inline(always)]
    fn long_varint(&mut self, first: u8) -> Read<u64> {
        let (mut value, mut shift) = (u64::from(first & 0x7f), 7);
        while shift < 64 {
            let byte = *self.bytes.get(self.at).ok_or(Unreadable)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
        Err(Unreadable)
    }

    /// A length-delimited field.
    #[inline(always)]
    pub(crate) fn message(&mut self) -> Read<&'a [u8]> {
        let length = usize::try_from(self.varint()?).map_err(|_| Unreadable)?;
        let end = self.at.checked_add(length).ok_or(Unreadable)?;
        let message = self.bytes.get(self.at..end).ok_or(Unreadable)?;
        self.at = end;
        Ok(message)
    }

    #[inline(always)]
    pub(crate) fn fixed64(&mut self) -> Read<u64> {
        let word = word(self.bytes.get(self.at..).ok_or(Unreadable)?);
        self.at += 8;
        word.ok_or(Unreadable)
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, key: u64) -> Read<()> {
        match key & 7 {
            0 => self.varint().map(drop),
            1 => self.fixed64().map(drop),
            2 => self.message().map(drop),
            5 => {
                self.at += 4;
                if self.at <= self.bytes.len() { Ok(()) } else { Err(Unreadable) }
            }
            _ => Err(Unreadable),
        }
    }
}

/// The first eight bytes.
#[inline(always)]
pub(crate) fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
