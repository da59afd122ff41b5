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
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    buckets: HashMap<IpAddr, Bucket>,
    swept: Option<Timestamp>,
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
        let client = network(client);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let Clients { buckets, swept } = &mut *clients;
        if buckets.len() >= REMEMBERED && !buckets.contains_key(&client) {
            // Once a second: going through all of them for every request would be an attack by itself.
            if swept.is_none_or(|at| now.duration_since(at).as_secs() != 0) {
                *swept = Some(now);
                buckets.retain(|_, bucket| self.filled(*bucket, now) < full);
            }
            if buckets.len() >= REMEMBERED {
                return false;
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: full, at: now });
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

/// Returns what one client has: an IPv4 address, or an IPv6 network of 64 bits.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(v6) => {
            let mut parts = v6.segments();
            parts[4..].fill(0);
            IpAddr::from(parts)
        }
        v4 @ IpAddr::V4(_) => v4,
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

    #[test]
    fn a_network_of_ipv6_is_one_client_and_so_is_an_address_in_both_forms() {
        let same = |one: &str, other: &str| network(one.parse().unwrap()) == network(other.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let rates = Rates::new(1);
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        let client = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(n));
        let let_in = (0..30_000).filter(|n| rates.allows(client(*n), at(0))).count();
        assert_eq!(let_in, REMEMBERED);
        assert_eq!(rates.clients.lock().unwrap().buckets.len(), REMEMBERED);
        assert!(rates.allows(client(40_000), at(5)), "those whose bucket is full again are forgotten");
        assert_eq!(rates.clients.lock().unwrap().buckets.len(), 1);
    }
}
