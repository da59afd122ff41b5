//! Traces for commands: what sends them, wired as the settings say. Main type: [`Telemetry`].

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::error::CliError;
use super::workbench;
use crate::client::HttpClient;
use crate::config::TelemetrySettings;
use crate::engine::{Reporter, Stop};
use crate::perform::host_name;
use crate::report::{Exporter, Tell, Together, TraceReporter, TraceTarget};

/// How long the end of a command waits for its last spans to be sent, at most.
const FLUSH: Duration = Duration::from_secs(3);
/// The same, for one that was told to stop at once.
const SHORT_FLUSH: Duration = Duration::from_millis(300);

/// Makes spans of events, and sends them from a task of the context's runtime.
#[derive(Clone)]
pub(super) struct Telemetry {
    exporter: Exporter,
}

impl Telemetry {
    /// Begins to send where the settings say, or waits until they say so.
    pub(super) fn start(
        context: &Context,
        settings: &TelemetrySettings,
        tell: Tell,
    ) -> Result<Telemetry, CliError> {
        let (exporter, work) = Exporter::new(target(settings), workbench::clock(), tell);
        context.spawn(work.work())?;
        Ok(Telemetry { exporter })
    }

    /// Returns a reporter that does what another one does, and makes spans.
    pub(super) fn beside(&self, reporter: Arc<dyn Reporter>) -> Arc<dyn Reporter> {
        let traces: Arc<dyn Reporter> = Arc::new(TraceReporter::new(self.exporter.clone()));
        Arc::new(Together(vec![reporter, traces]))
    }

    /// Returns what sends, for its figures.
    pub(super) fn exporter(&self) -> Exporter {
        self.exporter.clone()
    }

    /// Sends where these settings say from now on.
    pub(super) fn aim(&self, settings: &TelemetrySettings) {
        self.exporter.aim(target(settings));
    }

    /// Sends what is left, for a short time: a collector that does not answer keeps nobody waiting.
    pub(super) async fn flush(&self, stop: &Stop) {
        self.exporter.flush(if stop.at_once() { SHORT_FLUSH } else { FLUSH }).await;
    }
}

fn target(settings: &TelemetrySettings) -> Option<TraceTarget> {
    let collector = settings.collector.as_ref()?;
    let own = [
        ("service.name", "amflow".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("host.name", host_name()),
    ];
    let own =
        own.into_iter().filter(|(key, value)| !value.is_empty() && !collector.resource.contains_key(*key));
    let said = collector.resource.iter().map(|(key, value)| (key.clone(), value.clone()));
    Some(TraceTarget {
        url: collector.url.clone(),
        client: HttpClient::new(collector.http_config.clone(), collector.options.clone()),
        headers: collector.headers.clone(),
        gzip: collector.gzip,
        resource: own.map(|(key, value)| (key.to_owned(), value)).chain(said).collect(),
    })
}
