//! [`watch`]: tells of pauses that begin and end, whichever process made them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use crate::engine::{Clock, Service, gate_keys};
use crate::run::PauseNews;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);

/// Tells of each change in one line, until nobody listens. A store that cannot be read tells of itself elsewhere.
pub(super) async fn watch(service: Service, clock: Arc<dyn Clock>, tell: Sender<String>) {
    let mut news = PauseNews::default();
    loop {
        let gates = service.engine().store().gates(gate_keys::pause("")).await;
        for told in gates.map(|gates| news.look(&gates, clock.now())).unwrap_or_default() {
            if tell.send(told).await.is_err() {
                return;
            }
        }
        clock.sleep(LOOK).await;
    }
}
