//! Where request bodies come from: patched copies of templates, or compressed ones.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use flate2::write::GzEncoder;
use tokio::sync::mpsc;

use crate::error::LoadError;
use crate::options::{Compression, LoadOptions, Protocol};
use crate::payload::{Content, Requests};
use crate::schedule::Schedule;

/// gRPC's length-prefixed message: a flag and four bytes of length.
pub(crate) const PREFIX_BYTES: usize = 5;
/// What SDKs and Collectors use unless told otherwise.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;
/// Compressed requests that wait to be sent; then compressing waits.
const PACKED_MAX: usize = 32;
/// In an open loop a request is compressed this long before it is meant to leave.
const PACK_AHEAD: Duration = Duration::from_millis(50);
/// The longest sleep of a compressing thread before it looks whether the run was stopped.
const PACK_NAP: Duration = Duration::from_millis(20);
const PACKERS_MAX: usize = 16;

/// Hands out request bodies, each once. Shared by all that send.
#[derive(Debug)]
pub(crate) struct Feed {
    stock: Arc<Stock>,
    /// Bodies that came back, by template. At most as many as were in flight at once.
    returned: Vec<Mutex<Vec<BytesMut>>>,
    packed: Option<tokio::sync::Mutex<mpsc::Receiver<Body>>>,
}

/// What senders and compressing threads share. Those hold no end of the queue that they fill, so
/// they end when the feed is dropped.
#[derive(Debug)]
struct Stock {
    requests: Requests,
    prefix_bytes: usize,
    next: AtomicU64,
}

/// One request's body, framed for its protocol.
#[derive(Debug)]
pub(crate) struct Body {
    pub n: u64,
    pub bytes: Bytes,
}

impl Feed {
    /// With compression this starts threads that compress until `schedule` ends, the feed is
    /// dropped, or `stop` is set.
    pub(crate) fn start(
        requests: Requests,
        options: &LoadOptions,
        schedule: Schedule,
        stop: &Arc<AtomicBool>,
    ) -> Result<Arc<Self>, LoadError> {
        let packers = match options.compression {
            Compression::None => 0,
            Compression::Gzip | Compression::Zstd => {
                thread::available_parallelism().map_or(1, usize::from).min(PACKERS_MAX)
            }
        };
        let (sender, receiver) = mpsc::channel(PACKED_MAX);
        let stock = Arc::new(Stock {
            requests,
            prefix_bytes: if options.protocol == Protocol::Grpc { PREFIX_BYTES } else { 0 },
            next: AtomicU64::new(0),
        });
        for _ in 0..packers {
            let packer = Packer::new(options.compression)?;
            let (stock, sender, stop) = (Arc::clone(&stock), sender.clone(), Arc::clone(stop));
            thread::Builder::new()
                .name("load-compress".to_owned())
                .spawn(move || stock.pack(packer, schedule, &sender, &stop))
                .map_err(LoadError::Thread)?;
        }
        Ok(Arc::new(Self {
            returned: (0..stock.requests.templates()).map(|_| Mutex::default()).collect(),
            stock,
            packed: (packers > 0).then(|| tokio::sync::Mutex::new(receiver)),
        }))
    }

    pub(crate) fn content(&self) -> Content {
        self.stock.requests.content()
    }

    pub(crate) fn items_per_request(&self) -> u64 {
        self.stock.requests.shape().batch as u64
    }

    /// The next body in its turn, and the moment from which its latency counts. None when the
    /// schedule is over.
    pub(crate) async fn next(&self, schedule: &Schedule) -> Option<(Body, Instant)> {
        if let Some(packed) = &self.packed {
            let body = packed.lock().await.recv().await?;
            let from = schedule.turn(body.n).await?;
            return Some((body, from));
        }
        let n = self.stock.next.fetch_add(1, Ordering::Relaxed);
        let from = schedule.turn(n).await?;
        Some((Body { n, bytes: self.patched(n) }, from))
    }

    /// Gives a body back, so that its memory serves the next copy of its template.
    pub(crate) fn give_back(&self, body: Body) {
        if self.packed.is_none()
            && let Ok(buffer) = body.bytes.try_into_mut()
            && let Some(returned) = self.returned.get(self.stock.requests.template_of(body.n))
        {
            returned.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }

    fn patched(&self, n: u64) -> Bytes {
        let template = self.stock.requests.template_of(n);
        let returned = self
            .returned
            .get(template)
            .and_then(|returned| returned.lock().unwrap_or_else(PoisonError::into_inner).pop());
        let mut body = returned.unwrap_or_else(|| {
            let message = self.stock.requests.template(template);
            let mut body = BytesMut::with_capacity(self.stock.prefix_bytes + message.len());
            body.extend_from_slice(
                prefix(0, message.len()).get(..self.stock.prefix_bytes).unwrap_or(&[]),
            );
            body.extend_from_slice(message);
            body
        });
        if let Some(message) = body.get_mut(self.stock.prefix_bytes..) {
            self.stock.requests.stamp(n, now_unix_ns(), message);
        }
        body.freeze()
    }
}

impl Stock {
    fn pack(
        &self,
        mut packer: Packer,
        schedule: Schedule,
        sender: &mpsc::Sender<Body>,
        stop: &AtomicBool,
    ) {
        let mut message = Vec::new();
        while !stop.load(Ordering::Relaxed) && Instant::now() < schedule.until {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            if !wait_to_pack(&schedule, n, stop) {
                return;
            }
            message.clear();
            message.extend_from_slice(self.requests.template(self.requests.template_of(n)));
            self.requests.stamp(n, now_unix_ns(), &mut message);
            let Ok(packed) = packer.pack(&message, self.prefix_bytes) else { return };
            if sender.blocking_send(Body { n, bytes: packed.into() }).is_err() {
                return;
            }
        }
    }
}

/// Whether request `n` is to be compressed at all.
fn wait_to_pack(schedule: &Schedule, n: u64, stop: &AtomicBool) -> bool {
    let Some(at) = schedule.intended(n).and_then(|intended| intended.checked_sub(PACK_AHEAD))
    else {
        return true;
    };
    while let Some(wait) = at.checked_duration_since(Instant::now()).filter(|w| !w.is_zero()) {
        if stop.load(Ordering::Relaxed) || Instant::now() >= schedule.until {
            return false;
        }
        thread::sleep(wait.min(PACK_NAP));
    }
    true
}

enum Packer {
    Gzip,
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Packer {
    fn new(compression: Compression) -> Result<Self, LoadError> {
        match compression {
            Compression::None | Compression::Gzip => Ok(Self::Gzip),
            Compression::Zstd => {
                zstd::bulk::Compressor::new(ZSTD_LEVEL).map(Self::Zstd).map_err(LoadError::Compress)
            }
        }
    }

    /// The compressed message behind its prefix.
    fn pack(&mut self, message: &[u8], prefix_bytes: usize) -> Result<Vec<u8>, LoadError> {
        let mut body = vec![0; prefix_bytes];
        match self {
            Self::Gzip => {
                let mut gzip = GzEncoder::new(body, flate2::Compression::new(GZIP_LEVEL));
                gzip.write_all(message).map_err(LoadError::Compress)?;
                body = gzip.finish().map_err(LoadError::Compress)?;
            }
            Self::Zstd(zstd) => {
                body.extend(zstd.compress(message).map_err(LoadError::Compress)?);
            }
        }
        let prefix = prefix(1, body.len() - prefix_bytes);
        for (place, byte) in body.iter_mut().take(prefix_bytes).zip(prefix) {
            *place = byte;
        }
        Ok(body)
    }
}

/// Messages are far below 4 GiB: the shape's check sees to it.
pub(crate) fn prefix(flag: u8, message_bytes: usize) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = u32::try_from(message_bytes).unwrap_or(u32::MAX).to_be_bytes();
    [flag, a, b, c, d]
}

pub(crate) fn now_unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
