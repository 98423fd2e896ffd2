use model::{Counted, PANE_NS, PointKind, PointsDelta, StreamPoint, Timestamp};

use crate::arena::{Arena, Generation, NONE};
use crate::hash::{Key, Seed};
use crate::index::Index;
use crate::series::Series;

const FEED: u64 = 42;

/// Cumulative streams that were seen, with the points that wait for the hand-over.
///
/// They are no baselines, which are the engine's: what is remembered of a stream spares the look
/// at its attributes, and lets the newest point stand for those that it makes needless.
#[derive(Debug)]
pub(crate) struct Streams {
    index: Index,
    all: Vec<Stream>,
    free: Vec<u32>,
    feeds: Arena<Feed>,
    /// Streams whose newest point waits, or waited.
    touched: Vec<u32>,
    /// Points that wait.
    waiting: usize,
    streams_max: usize,
    waiting_max: usize,
    /// The stream after the one that was found last. Senders keep an order, and streams are
    /// numbered as they come: it is mostly the next one.
    guess: u32,
    refused: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    key: Key,
    identity: u128,
    /// What the engine goes on from; if it `ended`, only the latest time and start are known.
    newest: Sample,
    /// The time of the point before the newest one, if the newest one goes on from it; 0 = none.
    before_ns: u64,
    feed: u32,
    used: Generation,
    is_waiting: bool,
    failed: bool,
    is_live: bool,
}

/// What streams count for.
#[derive(Debug)]
struct Feed {
    series: u32,
    /// [`NONE`] without.
    beside: u32,
    kind: PointKind,
    /// Points that no newer one stands for.
    points: Vec<StreamPoint>,
    /// Streams of it whose newest point waits.
    touched: usize,
}

/// A new stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewStream {
    /// Equal in every worker.
    pub(crate) identity: u128,
    pub(crate) feed: u32,
    /// Whether the attributes say that what it counts has failed.
    pub(crate) failed: bool,
}

/// A point of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) start_ns: u64,
    pub(crate) time_ns: u64,
    pub(crate) counted: Counted,
    pub(crate) beside: Counted,
    pub(crate) ended: bool,
    pub(crate) is_delta: bool,
}

/// There was no room for a point in the hand-over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

impl Streams {
    pub(crate) fn new(streams_max: usize, waiting_max: usize) -> Self {
        Self {
            index: Index::default(),
            all: Vec::new(),
            free: Vec::new(),
            // Bounded by the series: each has a handful of kinds at most.
            feeds: Arena::new(usize::MAX, usize::MAX),
            touched: Vec::new(),
            waiting: 0,
            streams_max: streams_max.min(NONE as usize),
            waiting_max,
            guess: 0,
            refused: 0,
        }
    }

    /// Finds a stream and marks it as used.
    #[inline(always)]
    pub(crate) fn find(&mut self, key: Key, now: Generation) -> Option<u32> {
        let guessed = self.all.get_mut(self.guess as usize);
        if let Some(stream) = guessed.filter(|stream| stream.key == key && stream.is_live) {
            stream.used = now;
            self.guess += 1;
            return Some(self.guess - 1);
        }
        let id = self.index.get(key)?;
        self.all[id as usize].used = now;
        self.guess = id + 1;
        Some(id)
    }

    /// Remembers a stream that is not there yet; `None` if there is no room.
    pub(crate) fn insert(&mut self, key: Key, new: NewStream, now: Generation) -> Option<u32> {
        if self.index.len() >= self.streams_max {
            self.refused += 1;
            return None;
        }
        let stream = Stream {
            key,
            identity: new.identity,
            newest: Sample::default(),
            before_ns: 0,
            feed: new.feed,
            used: now,
            is_waiting: false,
            failed: new.failed,
            is_live: true,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.all[id as usize] = stream;
                id
            }
            None => {
                self.all.push(stream);
                (self.all.len() - 1) as u32
            }
        };
        self.index.insert(key, id);
        Some(id)
    }

    /// What streams of a kind count for: a series, and perhaps one beside it.
    pub(crate) fn feed(
        &mut self,
        seed: Seed,
        (series, beside): (u32, u32),
        kind: PointKind,
        now: Generation,
    ) -> u32 {
        let start = seed.start(FEED).number(u64::from(series) << 32 | u64::from(beside));
        let key = start.number(kind as u64).finish();
        if let Some(id) = self.feeds.find(key, now) {
            return id;
        }
        let feed = Feed { series, beside, kind, points: Vec::new(), touched: 0 };
        self.feeds.insert(key, 0, now, feed)
    }

    #[inline(always)]
    pub(crate) fn has_failed(&self, id: u32) -> bool {
        self.all[id as usize].failed
    }

    /// The series that a stream counts for, and the one beside.
    pub(crate) fn series(&self, id: u32) -> (u32, u32) {
        let feed = self.feeds.get(self.all[id as usize].feed);
        (feed.series, feed.beside)
    }

    /// Takes a point of a stream.
    #[inline]
    pub(crate) fn take(&mut self, id: u32, sample: Sample) -> Result<(), Full> {
        let stream = &mut self.all[id as usize];
        let newest = stream.newest;
        if !sample.is_taken_after(&newest) {
            return self.take_odd(id, sample);
        }
        let follows = sample.follows(&newest);
        if stream.is_waiting {
            if follows && sample.stands_for(&newest, stream.before_ns) {
                stream.newest = sample;
                return Ok(());
            }
            if self.waiting >= self.waiting_max {
                return Err(Full);
            }
            let point = newest.point(stream.identity, id);
            self.feeds.get_mut(stream.feed).points.push(point);
        } else {
            if self.waiting >= self.waiting_max {
                return Err(Full);
            }
            stream.is_waiting = true;
            self.touched.push(id);
            self.feeds.get_mut(stream.feed).touched += 1;
        }
        self.waiting += 1;
        stream.before_ns = if follows { newest.time_ns } else { 0 };
        stream.newest = sample;
        Ok(())
    }

    /// Takes a point that the engine may drop, and after the newest one in any case: were it the
    /// newest itself, it would pass for what the next one goes on from.
    #[cold]
    fn take_odd(&mut self, id: u32, sample: Sample) -> Result<(), Full> {
        if self.waiting >= self.waiting_max {
            return Err(Full);
        }
        self.waiting += 1;
        let stream = &mut self.all[id as usize];
        let points = &mut self.feeds.get_mut(stream.feed).points;
        if std::mem::take(&mut stream.is_waiting) {
            points.push(stream.newest.point(stream.identity, id));
        }
        points.push(sample.point(stream.identity, id));
        // Of two writers, the engine alone knows which it follows.
        if sample.is_of_an_older_writer(&stream.newest) && !sample.ended {
            let time_ns = sample.time_ns.max(stream.newest.time_ns);
            stream.newest = Sample { time_ns, ended: true, ..stream.newest };
            stream.before_ns = 0;
        }
        Ok(())
    }

    /// Takes a point of a stream that there was no room to remember.
    pub(crate) fn take_loose(&mut self, new: NewStream, sample: Sample) -> Result<(), Full> {
        if self.waiting >= self.waiting_max {
            return Err(Full);
        }
        self.waiting += 1;
        let point = sample.point(new.identity, StreamPoint::NO_ID);
        self.feeds.get_mut(new.feed).points.push(point);
        Ok(())
    }

    /// The points that wait, by what they count for.
    pub(crate) fn hand_over(&mut self, series: &Arena<Series>) -> Vec<PointsDelta> {
        if self.waiting == 0 {
            return Vec::new();
        }
        self.waiting = 0;
        for feed in self.feeds.values_mut().filter(|feed| feed.touched > 0) {
            feed.points.reserve_exact(std::mem::take(&mut feed.touched));
        }
        for id in self.touched.drain(..) {
            let stream = &mut self.all[id as usize];
            if std::mem::take(&mut stream.is_waiting) {
                let point = stream.newest.point(stream.identity, id);
                self.feeds.get_mut(stream.feed).points.push(point);
            }
        }
        let key_of = |id: u32| series.get(id).key.clone();
        let filled = self.feeds.values_mut().filter(|feed| !feed.points.is_empty());
        filled
            .map(|feed| PointsDelta {
                id: feed.series,
                key: key_of(feed.series),
                kind: feed.kind,
                beside: (feed.beside != NONE).then(|| (feed.beside, key_of(feed.beside))),
                points: std::mem::take(&mut feed.points),
            })
            .collect()
    }

    /// What must be kept since streams count for it.
    pub(crate) fn keep(&mut self, series: &mut Arena<Series>) {
        for stream in self.all.iter().filter(|stream| stream.is_live) {
            self.feeds.keep(stream.feed, stream.used);
        }
        for (_, used, feed) in self.feeds.iter() {
            series.keep(feed.series, used);
            if feed.beside != NONE {
                series.keep(feed.beside, used);
            }
        }
    }

    /// Lets go of what was last used before `since`. Nothing may wait.
    pub(crate) fn sweep(&mut self, since: Generation) {
        let Self { index, all, free, .. } = self;
        index.retain(|id| {
            let stream = &mut all[id as usize];
            stream.is_live = stream.used >= since;
            if !stream.is_live {
                free.push(id);
            }
            stream.is_live
        });
        self.feeds.sweep(since);
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Points of streams that there was no room to remember.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

impl Sample {
    /// Whether the stream simply went on since `before`: the difference of both is what was counted
    /// in between, with nothing to correct.
    #[inline(always)]
    fn follows(&self, before: &Self) -> bool {
        self.start_ns == before.start_ns
            && before.start_ns < before.time_ns
            && before.time_ns < self.time_ns
            && has_grown(self.counted, before.counted)
            && has_grown(self.beside, before.beside)
            && !before.ended
    }

    /// Whether the engine surely takes it, which follows `newest` or an older point.
    #[inline(always)]
    fn is_taken_after(&self, newest: &Self) -> bool {
        self.time_ns > newest.time_ns && !self.is_of_an_older_writer(newest) && !self.ended
    }

    fn is_of_an_older_writer(&self, newest: &Self) -> bool {
        self.start_ns != 0 && self.start_ns < newest.start_ns
    }

    /// Whether `before` is needless, which this one follows: what came up to it and what came since
    /// counts in the same pane. It itself followed a point at `before_that_ns`, 0 = none.
    #[inline(always)]
    fn stands_for(&self, before: &Self, before_that_ns: u64) -> bool {
        // A time on the edge of panes belongs to the earlier one: what was counted came before.
        let pane = |ns: u64| (ns - 1) / PANE_NS;
        before_that_ns != 0
            && self.time_ns - before_that_ns <= PANE_NS
            && pane(self.time_ns) == pane(before.time_ns)
    }

    fn point(&self, stream: u128, id: u32) -> StreamPoint {
        StreamPoint {
            stream,
            id,
            start: Timestamp::from_unix_ns(self.start_ns),
            time: Timestamp::from_unix_ns(self.time_ns),
            counted: self.counted,
            beside: self.beside,
            ended: self.ended,
            is_delta: self.is_delta,
        }
    }
}

fn has_grown(now: Counted, before: Counted) -> bool {
    now.total >= before.total && now.bad >= before.bad && now.uncertain >= before.uncertain
}
