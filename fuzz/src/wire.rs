//! Takes apart what prost has written: trusted, so that a fault is a panic.

/// The field number of a key.
pub(crate) const fn field_number(key: u64) -> u64 {
    key >> 3
}

/// The wire type of a key.
pub(crate) const fn wire_type(key: u64) -> u64 {
    key & 7
}

/// Takes one thing after the other from the front.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn key(&mut self) -> Option<u64> {
        (!self.rest.is_empty()).then(|| self.varint())
    }

    pub(crate) fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.take();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = self.varint() as usize;
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    pub(crate) fn fixed64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    pub(crate) fn skip(&mut self, key: u64) {
        match wire_type(key) {
            0 => drop(self.varint()),
            1 => drop(self.fixed64()),
            2 => drop(self.bytes()),
            5 => drop(self.take::<4>()),
            other => panic!("wire type {other}"),
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.rest.split_first_chunk::<N>().expect("prost writes whole fields");
        self.rest = rest;
        *taken
    }
}
