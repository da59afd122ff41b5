//! Holds in Alertmanager: [`hold`] makes, renews and releases silences and posted alerts.
//!
//! A silence carries its owner's mark in its comment, so that it is found again after a crash instead
//! of being made twice. A posted alert is known by its labels: posting it again is renewing it.

use jiff::{SignedDuration, Timestamp};

use super::trouble::Trouble;
use crate::client::alertmanager::{LONG_AGO, SilenceEnd, has_marker};
use crate::client::{Cluster, ClusterError};
use crate::model::{
    LabelSet, MatchOp, Matcher, PostableAlert, PostableSilence, STATE_LABEL, Silence, SilenceId, SilenceState,
};
use crate::step::{AlertHold, Hold, HoldAction, HoldEffect, SilenceHold};

/// Makes, renews or releases a hold. Returns the server's id for it, where it has one.
pub(super) async fn hold(
    cluster: &Cluster,
    effect: &HoldEffect,
    now: Timestamp,
) -> Result<Option<String>, Trouble> {
    match &effect.hold {
        Hold::Alert(alert) => post(cluster, alert, effect.action, now).await.map(|()| None),
        Hold::Silence(silence) => {
            let silences = Silences { cluster, silence, mark: mark(&effect.owner), now };
            let known = effect.id.as_deref().map(SilenceId::new);
            let id = match effect.action {
                HoldAction::Make | HoldAction::Renew => Some(silences.keep(known).await?),
                HoldAction::Release => silences.release(known).await?,
            };
            Ok(id.map(|id| id.to_string()))
        }
    }
}

/// The silence of one owner.
struct Silences<'a> {
    cluster: &'a Cluster,
    silence: &'a SilenceHold,
    mark: String,
    now: Timestamp,
}

impl Silences<'_> {
    /// Makes it, or moves its end to a lease from now. The id of the answer counts from now on.
    ///
    /// What a person expired stays so: the hold goes on without muting. What lapsed, because amflow came
    /// too late or the server lost it, is made anew.
    async fn keep(&self, known: Option<SilenceId>) -> Result<SilenceId, Trouble> {
        let id = match known {
            Some(id) => Some(id),
            None => self.find().await?.map(|silence| silence.id),
        };
        let ends_at = lease_end(self.now, self.silence.lease_seconds);
        if let Some(id) = id {
            match self.cluster.extend_silence(&id, ends_at).await {
                Ok(id) | Err(ClusterError::SilenceEnded { id, how: SilenceEnd::Expired }) => return Ok(id),
                Err(ClusterError::SilenceEnded { .. } | ClusterError::UnknownSilence(_)) => (),
                Err(error) => return Err(error.into()),
            }
        }
        let silence = PostableSilence {
            id: None,
            matchers: self.matchers()?,
            starts_at: LONG_AGO,
            ends_at,
            created_by: self.silence.created_by.clone(),
            comment: format!("{} {}", self.silence.comment, self.mark).trim_start().to_owned(),
            annotations: std::collections::BTreeMap::new(),
        };
        Ok(self.cluster.create_silence(&silence, &self.mark).await?)
    }

    async fn release(&self, known: Option<SilenceId>) -> Result<Option<SilenceId>, Trouble> {
        let id = match known {
            Some(id) => Some(id),
            None => self.find().await?.map(|silence| silence.id),
        };
        if let Some(id) = &id {
            // One that nobody knows any more mutes no more either.
            self.cluster.expire_silence(id).await?;
        }
        Ok(id)
    }

    /// Finds the silence that this owner has made before and that has not ended.
    async fn find(&self) -> Result<Option<Silence>, Trouble> {
        // Asked for by its matchers, which are compared as they are written: the list of all may be long.
        let found = self.cluster.silences(&self.matchers()?).await?;
        let own = found.silences.into_iter().filter(|silence| {
            silence.status != SilenceState::Expired && has_marker(&silence.comment, &self.mark)
        });
        Ok(own.max_by_key(|silence| silence.ends_at))
    }

    fn matchers(&self) -> Result<Vec<Matcher>, Trouble> {
        let matchers = self.silence.matchers.iter().map(|(name, op, value)| {
            let op = match op.as_str() {
                "=" => MatchOp::Equal,
                "!=" => MatchOp::NotEqual,
                "=~" => MatchOp::Regex,
                "!~" => MatchOp::NotRegex,
                other => return Err(Trouble::for_good(format!("`{other}` is no operator of a matcher"))),
            };
            Matcher::new(name.as_str(), op, value.as_str())
                .map_err(|error| Trouble::for_good(format!("the matcher of `{name}`: {error}")))
        });
        let matchers = matchers.collect::<Result<Vec<Matcher>, Trouble>>()?;
        // Alertmanager takes a lone `a != "b"`, which would silence nearly everything.
        if matchers.iter().all(Matcher::matches_empty) {
            return Err(Trouble::for_good(
                "the matchers of the silence fit an alert without labels: it would silence everything",
            ));
        }
        Ok(matchers)
    }
}

/// Posts an alert to every peer, always with its first startsAt (unless the clock was set back since): with endsAt
/// alone Alertmanager would move startsAt. It is done when one peer has it; those that are away learn it by the next renewal, and
/// forget it at the end of its lease.
async fn post(
    cluster: &Cluster,
    alert: &AlertHold,
    action: HoldAction,
    now: Timestamp,
) -> Result<(), Trouble> {
    if alert.labels.get(STATE_LABEL).is_none_or(String::is_empty) {
        let message = format!(
            "an alert of amflow's own must have the label `{STATE_LABEL}`, so that it is never worked on"
        );
        return Err(Trouble::for_good(message));
    }
    let ends_at = match action {
        HoldAction::Make | HoldAction::Renew => lease_end(now, alert.lease_seconds),
        HoldAction::Release => now,
    };
    let posted = PostableAlert {
        labels: alert
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect::<LabelSet>(),
        annotations: alert.annotations.clone(),
        // An end before the beginning is refused (400), and a beginning in the future must not put the end off: the
        // clock may have been set back since.
        starts_at: alert.starts_at.min(now),
        ends_at,
        // Anything but a URI or nothing is refused (422).
        generator_url: url::Url::parse(&alert.generator_url).map(String::from).unwrap_or_default(),
    };
    let mut failed = Vec::new();
    let mut taken = false;
    for answer in cluster.post_alerts(&[posted]).await? {
        match answer.result {
            Ok(()) => taken = true,
            Err(error) => failed.push(error),
        }
    }
    if taken { Ok(()) } else { Err(ClusterError::NoAnswer(failed).into()) }
}

/// What the comment of a silence ends with.
fn mark(owner: &str) -> String {
    format!("[amflow {owner}]")
}

fn lease_end(now: Timestamp, seconds: u64) -> Timestamp {
    let lease = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.checked_add(lease).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_step_is_not_in_the_mark_of_another() {
        let comment = |owner: &str| format!("mutes while it works {}", mark(owner));
        assert!(has_marker(&comment("r1/hosts[2]/mute"), &mark("r1/hosts[2]/mute")));
        for other in ["r1/hosts", "r1/hosts[2]", "r1/hosts[2]/mut", "r1/hosts[12]/mute", "r11/hosts[2]/mute"]
        {
            assert!(!has_marker(&comment("r1/hosts[2]/mute"), &mark(other)), "{other}");
            assert!(!has_marker(&comment(other), &mark("r1/hosts[2]/mute")), "{other}");
        }
    }

    #[test]
    fn a_lease_without_end_ends_with_time() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        assert_eq!(lease_end(now, 300).to_string(), "2026-11-23T06:05:00Z");
        assert_eq!(lease_end(now, u64::MAX), Timestamp::MAX);
    }
}
