//! Crashes under a disk that tears: each 512-byte sector written since the last completed sync is
//! kept or lost on its own, and the length of the file with them. A second crash may come while
//! the journal recovers from the first. What comes back must be a state that some commit made,
//! and no commit that was acknowledged may be missing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};

use super::{EPOCH, at, page, row, sinks, snapshot, waiting};
use crate::open::{builder, restore};
use crate::{Commit, Journal, JournalError, Restored};

const SECTOR_BYTES: u64 = 512;
const HISTORIES: u64 = 600;
const IMAGES_PER_CRASH: usize = 3;
const COMMITS_PER_HISTORY: u64 = 12;
const KEYS: u64 = 5;

/// xorshift64*, so that a failing seed can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }
}

/// What survives for sure, what is there now, and the sectors in which they differ.
#[derive(Debug, Default)]
struct Disk {
    durable: Vec<u8>,
    live: Vec<u8>,
    dirty: BTreeMap<u64, ()>,
    syncs_until_crash: Option<u64>,
    crashed: bool,
}

#[derive(Clone, Debug)]
struct TornDisk(Arc<Mutex<Disk>>);

impl TornDisk {
    fn with(image: Vec<u8>, syncs_until_crash: Option<u64>) -> Self {
        let disk =
            Disk { durable: image.clone(), live: image, syncs_until_crash, ..Disk::default() };
        Self(Arc::new(Mutex::new(disk)))
    }

    fn crashed(&self) -> bool {
        self.0.lock().unwrap().crashed
    }

    /// What a machine may find after the power is back.
    fn image(&self, random: &mut Random) -> Vec<u8> {
        let disk = self.0.lock().unwrap();
        let mut image = disk.durable.clone();
        let len = if random.below(2) == 0 { disk.live.len() } else { disk.durable.len() };
        image.resize(len, 0);
        for &sector in disk.dirty.keys() {
            let from = (sector * SECTOR_BYTES) as usize;
            let to = (from + SECTOR_BYTES as usize).min(image.len()).min(disk.live.len());
            if from < to && random.below(2) == 0 {
                image[from..to].copy_from_slice(&disk.live[from..to]);
            }
        }
        image
    }
}

impl Disk {
    fn check(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }
}

impl StorageBackend for TornDisk {
    fn len(&self) -> io::Result<u64> {
        let disk = self.0.lock().unwrap();
        disk.check()?;
        Ok(disk.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.0.lock().unwrap();
        disk.check()?;
        let from = offset as usize;
        let bytes = disk.live.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof);
        out.copy_from_slice(bytes.map_err(io::Error::from)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.check()?;
        disk.live.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.check()?;
        if let Some(left) = disk.syncs_until_crash {
            disk.crashed = left == 0;
            disk.syncs_until_crash = Some(left.saturating_sub(1));
            disk.check()?;
        }
        let Disk { durable, live, dirty, .. } = &mut *disk;
        durable.clone_from(live);
        dirty.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.check()?;
        let from = offset as usize;
        let to = from + data.len();
        disk.live
            .get_mut(from..to)
            .ok_or(io::ErrorKind::UnexpectedEof)
            .map_err(io::Error::from)?
            .copy_from_slice(data);
        let sectors = offset / SECTOR_BYTES..(offset + data.len() as u64).div_ceil(SECTOR_BYTES);
        disk.dirty.extend(sectors.map(|sector| (sector, ())));
        Ok(())
    }
}

fn open(disk: &TornDisk) -> Result<(Journal, Restored), JournalError> {
    let db: Database = builder(true)
        .create_with_backend(disk.clone())
        .map_err(|error| JournalError::from(redb::Error::from(error)))?;
    restore(db, Path::new("torn"), EPOCH, at(0), &sinks())
}

/// The commit of a number: overwrites a row, removes one, sends a page and a snapshot, and
/// confirms the page before the last.
fn commit(journal: &Journal, number: u64, random: &mut Random) -> Result<(), JournalError> {
    let confirmed = journal
        .pending_where("kafka", &[model::OutgoingKind::Page], 1, |head| {
            head.incident_id.number + 2 <= number
        })?
        .iter()
        .map(|entry| entry.receipt("kafka"))
        .collect();
    let filler = "x".repeat(random.below(6000) as usize);
    let mut rows = vec![
        row("number", &number.to_string()),
        row(&format!("key {}", number % KEYS), &format!("{number} {filler}")),
    ];
    if number.is_multiple_of(3) {
        rows.push(model::Row { key: format!("key {}", (number + 1) % KEYS).into(), value: None });
    }
    let outgoing = vec![page(number, 1), snapshot(number, 1)];
    journal.commit(Commit { at: at(number), rows, outgoing, confirmed, ..Commit::default() })
}

/// Which rows and pages there are after the commit of a number.
fn expected(number: u64) -> (BTreeMap<String, u64>, Vec<String>) {
    let mut rows = BTreeMap::new();
    for n in 1..=number {
        rows.insert(format!("key {}", n % KEYS), n);
        if n.is_multiple_of(3) {
            rows.remove(&format!("key {}", (n + 1) % KEYS));
        }
    }
    let first = number.saturating_sub(1).max(1);
    (rows, (first..=number).map(|n| page(n, 1).id()).collect())
}

/// Checks that the journal holds the state of one commit, and says of which.
fn check(journal: &Journal, restored: &Restored, seed: u64) -> u64 {
    let (mut number, mut rows) = (0, BTreeMap::new());
    for (key, value) in &restored.rows {
        let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        let first: u64 = value.split(' ').next().unwrap().parse().unwrap();
        if key == "number" {
            number = first;
        } else {
            rows.insert(key.into_owned(), first);
        }
    }
    let (rows_expected, pages_expected) = expected(number);
    assert_eq!(rows, rows_expected, "seed {seed}: rows at {number}");
    let pages: Vec<String> =
        waiting(journal, "kafka").into_iter().filter(|id| id.contains(":page:")).collect();
    assert_eq!(pages, pages_expected, "seed {seed}: pages at {number}");
    let at_expected = (number > 0).then(|| at(number));
    assert_eq!(restored.last_commit_at, at_expected, "seed {seed}: time at {number}");
    number
}

/// Commits until the disk fails. Says how many commits were acknowledged and how many tried, or
/// nothing if the store was not even created.
fn run(disk: &TornDisk, random: &mut Random) -> Option<(u64, u64)> {
    let (journal, _) = open(disk).ok()?;
    for number in 1..=COMMITS_PER_HISTORY {
        if commit(&journal, number, random).is_err() {
            return Some((number - 1, number));
        }
    }
    Some((COMMITS_PER_HISTORY, COMMITS_PER_HISTORY))
}

#[test]
fn no_acknowledged_commit_is_lost_and_none_is_half_there_whatever_sectors_a_crash_tears() {
    let mut images = 0;
    let mut crashes_in_commits = 0;
    for seed in 1..=HISTORIES {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let syncs = random.below(COMMITS_PER_HISTORY * 2 + 4);
        let disk = TornDisk::with(Vec::new(), Some(syncs));
        let outcome = run(&disk, &mut random);
        let (acknowledged, tried) = outcome.unwrap_or_default();
        assert!(disk.crashed(), "seed {seed}: the crash came too late");
        crashes_in_commits += u64::from(tried > acknowledged);
        for _ in 0..IMAGES_PER_CRASH {
            let image = disk.image(&mut random);
            let second = TornDisk::with(image.clone(), Some(random.below(4)));
            let recovered = open(&second);
            let recovering = if second.crashed() { second.image(&mut random) } else { image };
            drop(recovered);
            let (journal, restored) = match open(&TornDisk::with(recovering, None)) {
                Ok(opened) => opened,
                // A store that was never created holds nothing: it is set aside.
                Err(_) if outcome.is_none() => continue,
                Err(error) => panic!("seed {seed}: {acknowledged} commits, then: {error}"),
            };
            let number = check(&journal, &restored, seed);
            assert!(
                (acknowledged..=tried).contains(&number),
                "seed {seed}: {acknowledged} acknowledged, {tried} tried, {number} there"
            );
            images += 1;
        }
    }
    assert!(images > HISTORIES as usize * IMAGES_PER_CRASH / 2, "{images} images");
    assert!(crashes_in_commits > HISTORIES / 2, "{crashes_in_commits} crashes hit a commit");
}

#[test]
fn the_harness_sees_a_commit_that_was_not_synced() {
    let mut random = Random(1);
    let disk = TornDisk::with(Vec::new(), None);
    let (journal, _) = open(&disk).unwrap();
    commit(&journal, 1, &mut random).unwrap();
    let before = disk.0.lock().unwrap().durable.clone();
    commit(&journal, 2, &mut random).unwrap();
    disk.0.lock().unwrap().durable = before;
    let lost = disk.0.lock().unwrap().durable.clone();
    let (journal, restored) = open(&TornDisk::with(lost, None)).unwrap();
    assert_eq!(check(&journal, &restored, 0), 1);
}
