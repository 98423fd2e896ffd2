use std::sync::Arc;
use std::time::Duration;

use contract::v1::incident_service_server::SERVICE_NAME;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

use crate::shared::{Shared, stopped};

/// How often the daemon is asked whether it is ready.
const PERIOD: Duration = Duration::from_secs(1);
/// The name that stands for the whole server.
const WHOLE: &str = "";

pub(super) fn service(reporter: &HealthReporter) -> HealthServer<impl Health> {
    HealthServer::new(HealthService::from_health_reporter(reporter.clone()))
}

/// Keeps `grpc.health.v1` true until the daemon stops.
pub(crate) async fn watch(shared: Arc<Shared>, reporter: HealthReporter) {
    let mut stopped = std::pin::pin!(stopped(shared.stop.clone()));
    loop {
        let ready = shared.control.health().ready;
        tell(&reporter, if ready { ServingStatus::Serving } else { ServingStatus::NotServing })
            .await;
        if tokio::time::timeout(PERIOD, &mut stopped).await.is_ok() {
            return tell(&reporter, ServingStatus::NotServing).await;
        }
    }
}

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    reporter.set_service_status(WHOLE, status).await;
    reporter.set_service_status(SERVICE_NAME, status).await;
}
