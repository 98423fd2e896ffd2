use hashbrown::HashTable;

use crate::hash::Key;

/// Finds numbers by keys that are hashes already. Never iterated.
///
/// The key stays in registers on its way: a map that takes it by reference writes it down word by
/// word and reads it back as a whole, which costs more than the look-up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    table: HashTable<Entry>,
}

/// A number and the lower 96 bits of its key: four of them fill a cache line.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: [u32; 3],
    value: u32,
}

impl Entry {
    fn new(key: Key, value: u32) -> Self {
        Self { key: [key as u32, (key >> 32) as u32, (key >> 64) as u32], value }
    }

    #[inline(always)]
    fn hash(&self) -> u64 {
        u64::from(self.key[1]) << 32 | u64::from(self.key[0])
    }

    #[inline(always)]
    fn is_of(&self, key: Key) -> bool {
        self.hash() == key as u64 && self.key[2] == (key >> 64) as u32
    }
}

impl Index {
    #[inline(always)]
    pub(crate) fn get(&self, key: Key) -> Option<u32> {
        self.table.find(key as u64, |entry| entry.is_of(key)).map(|entry| entry.value)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut u32> {
        self.table.find_mut(key as u64, |entry| entry.is_of(key)).map(|entry| &mut entry.value)
    }

    /// Adds a key that is not there yet.
    pub(crate) fn insert(&mut self, key: Key, value: u32) {
        debug_assert!(self.get(key).is_none(), "a key was added twice");
        self.table.insert_unique(key as u64, Entry::new(key, value), Entry::hash);
    }

    pub(crate) fn remove(&mut self, key: Key) {
        if let Ok(entry) = self.table.find_entry(key as u64, |entry| entry.is_of(key)) {
            entry.remove();
        }
    }

    /// Lets go of the keys whose number is not to be kept.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(u32) -> bool) {
        self.table.retain(|entry| keeps(entry.value));
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_share_their_lowest_bits_are_told_apart() {
        let keys = [7, 1 << 32 | 7, 1 << 64 | 7];
        let mut index = Index::default();
        for (key, value) in keys.into_iter().zip(1..) {
            index.insert(key, value);
        }
        assert_eq!(keys.map(|key| index.get(key)), [Some(1), Some(2), Some(3)]);
        index.remove(keys[1]);
        *index.get_mut(keys[2]).unwrap() += 1;
        assert_eq!(keys.map(|key| index.get(key)), [Some(1), None, Some(4)]);
        assert_eq!(index.len(), 2);
    }
}
