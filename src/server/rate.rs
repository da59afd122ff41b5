//! [`Rates`]: how many requests a client may make, by its address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Addresses that are remembered; beyond it those that are full again are forgotten first.
const REMEMBERED: usize = 10_000;

/// A bucket of tokens for each client.
#[derive(Debug)]
pub(super) struct Rates {
    per_second: f64,
    clients: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Rates {
    /// Makes it; a client may make as many requests at once as in two seconds.
    pub(super) fn new(per_second: u32) -> Rates {
        Rates { per_second: f64::from(per_second), clients: Mutex::default() }
    }

    /// Returns whether a client may make a request now.
    pub(super) fn allows(&self, client: IpAddr, now: Timestamp) -> bool {
        let full = self.per_second * 2.0;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= REMEMBERED && !clients.contains_key(&client) {
            clients.retain(|_, bucket| self.filled(*bucket, now) < full);
            if clients.len() >= REMEMBERED {
                return false;
            }
        }
        let bucket = clients.entry(client).or_insert(Bucket { tokens: full, at: now });
        bucket.tokens = self.filled(*bucket, now);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    fn filled(&self, bucket: Bucket, now: Timestamp) -> f64 {
        let since = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        (bucket.tokens + since * self.per_second).min(self.per_second * 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_burst_and_then_only_as_fast_as_the_rate() {
        let rates = Rates::new(10);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap();
        assert_eq!((0..100).filter(|_| rates.allows(one, at(0))).count(), 20);
        assert!(rates.allows(other, at(0)), "others are not held back");
        assert_eq!((0..100).filter(|_| rates.allows(one, at(1_000))).count(), 10);
        assert!(!rates.allows(one, at(0)), "a clock that is set back fills nothing");
    }
}
