use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{Credential, Credentials, Role};
use otlp::{Scratch, Signal, Summary, Value};
use receive::{Gate, GateOptions, Intake, Listeners, Roster, Tenant, Unobserved};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 20;
pub(crate) const IN_FLIGHT_BYTES_MAX: usize = 4 << 20;

/// A door with its intake; gone when dropped.
pub(crate) struct Server {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) gate: Arc<Gate>,
    pub(crate) intake: Arc<Recorded>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

/// Writes down what it was given, and reads it as the real one does.
pub(crate) struct Recorded {
    pub(crate) requests: Mutex<Vec<(String, Signal, Vec<u8>)>>,
    /// What the journal answers; nothing while it takes its time.
    pub(crate) journal: watch::Sender<Option<bool>>,
    /// How many tenants have a place.
    pub(crate) tenants_max: AtomicUsize,
    /// For how many seconds what it was given has been waiting.
    pub(crate) backlog_s: AtomicU64,
}

struct Nothing;

impl Server {
    /// Lets everybody in.
    pub(crate) fn open() -> Self {
        Self::start(options(), Vec::new())
    }

    /// Answers once the journal has.
    pub(crate) fn durable() -> Self {
        Self::start(GateOptions { durable: true, ..options() }, Vec::new())
    }

    /// Knows a sender and a viewer of the tenant `shop`.
    pub(crate) fn guarded() -> Self {
        let credentials = vec![
            Credential::new("shop".into(), Role::Ingest, "sender".to_owned()),
            Credential::new("shop".into(), Role::Viewer, "viewer".to_owned()),
        ];
        Self::start(options(), credentials)
    }

    pub(crate) fn start(options: GateOptions, credentials: Vec<Credential>) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let bind = || receive::bind(any).expect("a free port");
        let (grpc, http) = (bind(), bind());
        let addresses = [&grpc, &http].map(|listener| listener.local_addr().expect("bound"));
        let gate = Gate::new(options, Arc::new(Credentials::new(credentials)));
        let intake = Arc::new(Recorded::new());
        let (stop, stopped) = watch::channel(false);
        let listeners = Listeners { grpc: Some(grpc), http: Some(http) };
        let desk = Roster::new(1).1.remove(0);
        let served = receive::serve(listeners, desk, Arc::clone(&gate), intake.clone(), stopped);
        let served = tokio::spawn(served);
        let [grpc, http] = addresses;
        Self { grpc, http, gate, intake, stop, served }
    }

    pub(crate) fn count(&self) -> usize {
        self.intake.requests.lock().expect("lock").len()
    }

    /// Stops serving, once what is in flight is answered.
    pub(crate) fn stop(&self) {
        let _ = self.stop.send(true);
    }

    /// Waits until serving has ended.
    pub(crate) async fn served(self) {
        self.served.await.expect("no panic");
    }

    /// Waits until a condition of the door holds; the test's own time limit ends a vain wait.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn options() -> GateOptions {
    GateOptions {
        request_bytes_max: REQUEST_BYTES_MAX,
        in_flight_bytes_max: IN_FLIGHT_BYTES_MAX,
        work_ahead: Duration::from_secs(10),
        durable: false,
    }
}

impl Recorded {
    pub(crate) fn new() -> Self {
        let journal = watch::channel(Some(true)).0;
        let tenants_max = AtomicUsize::new(usize::MAX);
        Self { requests: Mutex::default(), journal, tenants_max, backlog_s: AtomicU64::new(0) }
    }

    fn has_place_for(&self, tenant: &Tenant) -> bool {
        let requests = self.requests.lock().expect("lock");
        let tenants: BTreeSet<&str> = requests.iter().map(|(tenant, ..)| &**tenant).collect();
        tenants.contains(&**tenant) || tenants.len() < self.tenants_max.load(Ordering::Relaxed)
    }
}

impl Intake for Recorded {
    fn observe(
        &self,
        tenant: &Tenant,
        signal: Signal,
        request: &[u8],
    ) -> Result<Summary, Unobserved> {
        if !self.has_place_for(tenant) {
            return Err(Unobserved::TooManyTenants);
        }
        let scratch = Scratch::new();
        let summary = match signal {
            Signal::Traces => otlp::traces(request, &scratch, &mut Nothing),
            Signal::Metrics => otlp::metrics(request, &scratch, &mut Nothing),
            Signal::Logs => otlp::logs(request, &scratch, &mut Nothing),
        }?;
        let seen = (tenant.to_string(), signal, request.to_vec());
        self.requests.lock().expect("lock").push(seen);
        Ok(summary)
    }

    fn backlog(&self) -> Duration {
        Duration::from_secs(self.backlog_s.load(Ordering::Relaxed))
    }

    fn journalled(&self, _: &Tenant) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let mut journal = self.journal.subscribe();
        Box::pin(async move {
            let answer = journal.wait_for(Option::is_some).await;
            answer.ok().and_then(|answer| *answer).unwrap_or(false)
        })
    }
}

impl<'a> otlp::TraceVisitor<'a> for Nothing {
    fn resource(&mut self, _: otlp::Resource<'a>) {}
    fn scope(&mut self, _: otlp::Scope<'a>) {}
    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}
    fn span(&mut self, _: &otlp::Span<'a>) {}
    fn discard(&mut self) {}
    fn settle(&mut self) {}
    fn forget(&mut self) {}
}

impl<'a> otlp::MetricsVisitor<'a> for Nothing {
    fn resource(&mut self, _: otlp::Resource<'a>) {}
    fn scope(&mut self, _: otlp::Scope<'a>) {}
    fn metric(&mut self, _: &otlp::Metric<'a>) {}
    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}
    fn number(&mut self, _: &otlp::NumberPoint<'a>) {}
    fn histogram(&mut self, _: &otlp::HistogramPoint<'a>) {}
    fn exponential_histogram(&mut self, _: &otlp::ExponentialHistogramPoint<'a>) {}
    fn summary(&mut self, _: &otlp::SummaryPoint<'a>) {}
    fn discard(&mut self) {}
}

impl<'a> otlp::LogsVisitor<'a> for Nothing {
    fn resource(&mut self, _: otlp::Resource<'a>) {}
    fn scope(&mut self, _: otlp::Scope<'a>) {}
    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}
    fn record(&mut self, _: &otlp::LogRecord<'a>) {}
    fn discard(&mut self) {}
}
