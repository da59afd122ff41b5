//! [`Poller`]: the polls of `amflow serve`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::mutes::{doubtful_mutes, may_mute};
use crate::cli::reading;
use crate::client::Cluster;
use crate::engine::{Clock, Delivery, Service};
use crate::model::payload::RawAlert;
use crate::model::{LabelSet, Matcher};
use crate::server::Metrics;
use crate::source::from_poll;

/// Polls Alertmanager: what webhooks never tell, and what came while nobody listened.
pub(super) struct Poller {
    pub(super) service: Service,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) cluster: Cluster,
    pub(super) filters: Vec<Matcher>,
    pub(super) scope: String,
    /// Playbooks that mute, with the names of an alert's labels: whether their mutes are exact has been looked at.
    pub(super) judged: HashSet<(String, Vec<String>)>,
}

impl Poller {
    /// Polls for ever, so often and when somebody asks for it; `None`: only then.
    pub(super) async fn run(mut self, every: Option<Duration>) {
        if every.is_none() {
            self.service.poll_asked().await;
        }
        loop {
            let next = self.clock.steady().saturating_add(every.unwrap_or(Duration::MAX));
            let began = self.clock.now();
            let polled = self.poll().await;
            self.metrics.polled(polled.is_ok(), began, self.clock.now());
            if let Err(why) = polled {
                self.service.engine().notice(&format!("a poll failed: {why}"));
            }
            tokio::select! {
                () = self.clock.sleep(next.saturating_sub(self.clock.steady())) => {}
                () = self.service.poll_asked() => {}
            }
        }
    }

    async fn poll(&mut self) -> Result<(), String> {
        let (now, library, engine) = (self.clock.now(), self.service.library(), self.service.engine());
        let keep = |raw: &RawAlert<'_>| {
            reading::library_matches(&library, raw)
                && self.filters.iter().all(|filter| filter.matches(raw.labels()))
        };
        let intake = from_poll(&self.cluster, &self.filters, now, &keep).await;
        let mut intake = intake.map_err(|error| error.to_string())?;
        for warning in &intake.warnings {
            engine.notice(warning);
        }
        for bad in &intake.bad {
            engine.notice(&format!("{bad}; it is passed over"));
        }
        intake.settle();
        let mut delivery = Delivery {
            scope: self.scope.clone(),
            source: intake.source,
            alerts: intake.alerts.into_iter().map(Arc::new).collect(),
            at: now,
            fresh: true,
            listed: intake.listed.map(Arc::from),
        };
        let muting = may_mute(&library, &delivery.alerts);
        let failed = |error: crate::engine::StoreError| error.to_string();
        let answered = intake.answered.unwrap_or(now);
        delivery
            .alerts
            .extend(engine.ends(&delivery, answered).await.map_err(failed)?.into_iter().map(Arc::new));
        let receipt = self.service.deliver(delivery).await.map_err(|error| error.to_string())?;
        self.metrics.admitted(&receipt);
        self.doubt(muting).await;
        engine.keep_raised(&self.scope).await.map_err(failed)
    }

    /// Says once of each playbook and kind of alert that its mutes are not exact.
    async fn doubt(&mut self, mut muting: Vec<(String, LabelSet)>) {
        muting.retain(|(playbook, labels)| {
            let names = labels.iter().map(|(name, _)| name.to_owned()).collect();
            self.judged.insert((playbook.clone(), names))
        });
        for doubt in doubtful_mutes(&self.cluster, &muting).await {
            self.service.engine().notice(&doubt);
        }
    }
}
