//! A storm: ten thousand alerts in a minute, and limits that let few of them through.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::world::{World, library, start};
use crate::engine::{Clock as _, Delivery, RunFilter, RunSummary, Service, ServiceOptions, Store as _};
use crate::model::{Alert, LabelSet};
use crate::playtest::{Script, Scripted};
use crate::run::RunStatus;

/// Webhooks, and alerts in each.
const WEBHOOKS: usize = 100;
const ALERTS: usize = 100;

const LIMITED: &str = "limits: {cooldown: none, targets: 5, rate: 20 in 1h}\nrecheck: never\n\
                       steps: [{id: a, exec: [a]}]\n";

fn webhook(world: &World, n: usize) -> Delivery {
    let now = world.clock.now();
    let alert = |m: usize| {
        let labels = LabelSet::from_iter([("alertname", "Disk"), ("instance", format!("h{n}-{m}").as_str())]);
        Alert { ends_at: Some(now + SignedDuration::from_hours(4)), ..Alert::firing(labels, now) }
    };
    Delivery {
        source: "webhook".to_owned(),
        alerts: (0..ALERTS).map(alert).map(Arc::new).collect(),
        ..world.delivery(&[])
    }
}

/// The most runs that were under way at the same moment.
fn most_at_once(runs: &[RunSummary]) -> usize {
    let at = |moment: Timestamp| {
        runs.iter().filter(|run| run.started_at <= moment && moment < run.updated_at).count()
    };
    runs.iter().map(|run| at(run.started_at)).max().unwrap_or(0)
}

#[tokio::test]
async fn of_ten_thousand_alerts_in_a_minute_limits_let_few_through_and_each_verdict_has_its_reason() {
    let world = World::new();
    // A run takes a minute.
    let Script::Reply(reply) = Script::exit(0, "") else { unreachable!("an exit is a reply") };
    let slow = Script::After(Duration::from_secs(60), reply);
    let process = world.process(1, Scripted::new().on("a", slow), |options| {
        options.always_on = true;
        options.parallel = 100;
    });
    let playbooks = Arc::new(library(&[("p", LIMITED)]));
    // Ten thousand rows are looked at rarely: the clock jumps, the looks do not.
    let options = ServiceOptions {
        look: Duration::from_secs(5),
        offer: Duration::from_secs(30),
        ..ServiceOptions::default()
    };
    let (service, work) = Service::new(process.engine.clone(), playbooks, options);
    let told = async {
        let mut reasons: BTreeMap<(&str, String), usize> = BTreeMap::new();
        for n in 0..WEBHOOKS {
            let receipt = service.deliver(webhook(&world, n)).await.expect("each webhook is answered");
            assert_eq!(receipt.started + receipt.later, ALERTS, "{receipt:?}");
            for (reason, count) in receipt.reasons {
                *reasons.entry(reason).or_default() += count;
            }
            world.clock.sleep(Duration::from_millis(600)).await;
        }
        let minute = world.clock.now().duration_since(start()).as_secs();
        assert!((59..=61).contains(&minute), "the storm is over after a minute: {minute}");
        assert_eq!(reasons.values().sum::<usize>(), WEBHOOKS * ALERTS, "{reasons:?}");
        let started = reasons.remove(&("start", String::new())).unwrap_or(0);
        assert!((5..=20).contains(&started), "{started}");
        for (verdict, reason) in reasons.keys() {
            assert_eq!(*verdict, "later", "{reason}");
            assert!(["targets", "rate"].contains(&reason.as_str()), "{reason}");
        }

        // To the end of the first hour, and until the second has let as many through.
        for (seconds, wanted) in [(3_599, 20), (4_200, 40)] {
            world.clock.sleep_until(start() + SignedDuration::from_secs(seconds)).await;
            let runs = world.store.list(RunFilter::default()).await.unwrap();
            assert_eq!(runs.len(), wanted, "after {seconds} s");
            assert!(runs.iter().all(|run| run.status == RunStatus::Succeeded));
            assert_eq!(most_at_once(&runs), 5);
            let put_off = world.store.later(None).await.unwrap();
            assert_eq!(put_off.len(), WEBHOOKS * ALERTS - wanted, "nothing is lost, and nothing is twice");
            let silent = put_off.iter().find(|row| row.closed.detail.is_empty());
            assert!(silent.is_none(), "{silent:?}");
            let counted: u64 =
                world.store.count_later().await.unwrap().iter().map(|count| count.targets).sum();
            assert_eq!(usize::try_from(counted).unwrap(), put_off.len());
        }
        process.stopper.drain();
    };
    let (left, ()) = tokio::join!(work.drive(), told);
    assert_eq!(left, 0);
}
