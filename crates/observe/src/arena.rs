use crate::hash::Key;
use crate::index::Index;

/// Counts the stretches of time after which idle entries are let go; see
/// [`crate::GENERATION_S`].
pub(crate) type Generation = u32;

/// Entries by dense id, found by the fingerprint of what they were made of.
///
/// At most `max` are alive, and at most `family_max` of one family (the values of one tag, the
/// operations of one service). When full, nothing is added and the caller uses its overflow entry.
/// An entry that was not used for [`crate::IDLE_GENERATIONS`] is let go and its id is lent anew.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    index: Index,
    /// How many are alive of each family.
    families: Index,
    values: Vec<T>,
    /// When each was last used. Apart from the values, which are touched at other times.
    used: Vec<Generation>,
    origins: Vec<Origin>,
    free: Vec<u32>,
    max: usize,
    family_max: u32,
    /// How many times as many a family may have while the table is no more than half full.
    lenience: u32,
    refused: u64,
}

/// Under what an entry is found.
#[derive(Clone, Copy, Debug)]
struct Origin {
    key: Key,
    family: Key,
    live: bool,
}

/// Stands for "no entry" where an id is kept.
pub(crate) const NONE: u32 = u32::MAX;

impl<T> Arena<T> {
    pub(crate) fn new(max: usize, family_max: usize) -> Self {
        Self {
            index: Index::default(),
            families: Index::default(),
            values: Vec::new(),
            used: Vec::new(),
            origins: Vec::new(),
            free: Vec::new(),
            max: max.min(NONE as usize),
            family_max: u32::try_from(family_max).unwrap_or(u32::MAX),
            lenience: 1,
            refused: 0,
        }
    }

    /// As [`Arena::new`], where a family may have so many times its share while the table is no
    /// more than half full.
    pub(crate) fn lenient(max: usize, family_max: usize, lenience: u32) -> Self {
        Self { lenience, ..Self::new(max, family_max) }
    }

    /// Finds the entry and marks it as used.
    #[inline(always)]
    pub(crate) fn find(&mut self, key: Key, now: Generation) -> Option<u32> {
        let id = self.index.get(key)?;
        self.used[id as usize] = now;
        Some(id)
    }

    /// Whether there is room for one more of the family; counts it if not.
    pub(crate) fn has_room(&mut self, family: Key) -> bool {
        let is_spacious = self.index.len() < self.max / 2;
        let lenience = if is_spacious { self.lenience } else { 1 };
        let family_max = self.family_max.saturating_mul(lenience);
        let has_room = self.index.len() < self.max
            && self.families.get(family).is_none_or(|count| count < family_max);
        self.refused += u64::from(!has_room);
        has_room
    }

    /// Adds an entry that is not there yet. Room is not looked at, since overflow entries must
    /// always be there.
    pub(crate) fn insert(&mut self, key: Key, family: Key, now: Generation, value: T) -> u32 {
        let origin = Origin { key, family, live: true };
        match self.families.get_mut(family) {
            Some(count) => *count += 1,
            None => self.families.insert(family, 1),
        }
        let id = match self.free.pop() {
            Some(id) => {
                self.values[id as usize] = value;
                self.used[id as usize] = now;
                self.origins[id as usize] = origin;
                id
            }
            None => {
                self.values.push(value);
                self.used.push(now);
                self.origins.push(origin);
                (self.values.len() - 1) as u32
            }
        };
        self.index.insert(key, id);
        id
    }

    #[inline(always)]
    pub(crate) fn get(&self, id: u32) -> &T {
        &self.values[id as usize]
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, id: u32) -> &mut T {
        &mut self.values[id as usize]
    }

    /// All values that there is room for, by id, also what was let go.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.iter_mut()
    }

    /// The entry keeps another one alive.
    pub(crate) fn keep(&mut self, id: u32, used: Generation) {
        let known = &mut self.used[id as usize];
        *known = (*known).max(used);
    }

    /// Ids, last uses and values of what is alive, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Generation, &T)> {
        let all = self.values.iter().zip(&self.used).zip(&self.origins).enumerate();
        all.filter(|(_, (_, origin))| origin.live)
            .map(|(id, ((value, &used), _))| (id as u32, used, value))
    }

    /// Lets go of what was last used before `since`.
    pub(crate) fn sweep(&mut self, since: Generation) {
        for (id, origin) in self.origins.iter_mut().enumerate() {
            if !origin.live || self.used[id] >= since {
                continue;
            }
            origin.live = false;
            self.index.remove(origin.key);
            if let Some(count) = self.families.get_mut(origin.family) {
                *count -= 1;
                if *count == 0 {
                    self.families.remove(origin.family);
                }
            }
            self.free.push(id as u32);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Look-ups that found no room, since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(arena: &mut Arena<&'static str>, key: Key, family: Key, now: u32) -> Option<u32> {
        arena
            .find(key, now)
            .or_else(|| arena.has_room(family).then(|| arena.insert(key, family, now, "value")))
    }

    #[test]
    fn what_is_idle_makes_room_and_what_is_used_stays() {
        let mut arena = Arena::new(2, 9);
        let first = intern(&mut arena, 1, 0, 0);
        let second = intern(&mut arena, 2, 0, 0);
        assert_eq!(intern(&mut arena, 3, 0, 0), None);
        assert_eq!((arena.len(), arena.refused()), (2, 1));
        assert_eq!(intern(&mut arena, 1, 0, 5), first);
        arena.sweep(3);
        let left: Vec<_> = arena.iter().map(|(id, used, _)| (id, used)).collect();
        assert_eq!(left, [(first.unwrap(), 5)]);
        assert_eq!(intern(&mut arena, 3, 0, 5), second);
    }

    #[test]
    fn a_family_has_a_limit_of_its_own_and_gets_its_room_back() {
        let mut arena = Arena::new(9, 1);
        assert!(intern(&mut arena, 1, 7, 0).is_some());
        assert_eq!(intern(&mut arena, 2, 7, 0), None);
        assert!(intern(&mut arena, 3, 8, 0).is_some());
        arena.sweep(1);
        assert!(intern(&mut arena, 2, 7, 1).is_some());
    }

    #[test]
    fn a_lenient_table_gives_a_family_more_while_it_is_half_empty() {
        let mut arena = Arena::lenient(8, 2, 2);
        let mut taken = |keys: std::ops::Range<u64>, family| {
            keys.filter(|key| intern(&mut arena, Key::from(*key), family, 0).is_some()).count()
        };
        assert_eq!(taken(0..9, 7), 4);
        assert_eq!(taken(10..19, 8), 2);
        assert_eq!(taken(20..29, 9), 2);
        assert_eq!(taken(30..39, 10), 0);
    }

    #[test]
    fn an_entry_that_another_one_keeps_is_not_swept() {
        let mut arena = Arena::new(2, 2);
        let id = intern(&mut arena, 1, 0, 0).unwrap();
        arena.keep(id, 4);
        arena.keep(id, 2);
        arena.sweep(4);
        assert_eq!(arena.iter().count(), 1);
    }
}
