//! What others tell [`Metrics`] of themselves: the store, and whoever asks Alertmanagers.

use std::time::Duration;

use super::{Metrics, families as f, observe};
use crate::client::{Asked, RequestWatch};
use crate::engine::{StoreError, StoreWatch, StoreWork};

impl StoreWatch for Metrics {
    fn committed(&self, writes: usize, took: Duration) {
        let mut figures = self.lock();
        figures.commits += 1;
        figures.committed_writes += writes as u64;
        figures.commit_seconds.observe(took.as_secs_f64());
    }

    fn answered(&self, work: StoreWork, took: Duration, failed: Option<&StoreError>) {
        let mut figures = self.lock();
        let histogram = match work {
            StoreWork::Read => &mut figures.read_seconds,
            StoreWork::Write => &mut figures.write_seconds,
        };
        histogram.observe(took.as_secs_f64());
        if let Some(reason) = failed.and_then(StoreError::reason) {
            *figures.store_errors.entry(reason).or_default() += 1;
        }
    }
}

impl RequestWatch for Metrics {
    fn asked(&self, asked: &Asked<'_>) {
        let request = name_of(asked.method, asked.url.path());
        let result = match asked.status {
            Some(200..400) => "success",
            Some(400..500) => "refused",
            Some(_) | None => "failure",
        };
        let peer = asked.url.origin().ascii_serialization();
        let mut figures = self.lock();
        *figures.peer_requests.entry((peer, request, result)).or_default() += 1;
        observe(&mut figures.peer_seconds, request, f::SHORT, asked.took.as_secs_f64());
    }
}

/// Returns what was asked, in one of few words.
fn name_of(method: &str, path: &str) -> &'static str {
    match (method, path.split_once("/api/v2/").map(|(_, rest)| rest).unwrap_or_default()) {
        ("GET", "alerts") => "get_alerts",
        ("POST", "alerts") => "post_alerts",
        ("GET", "silences") => "get_silences",
        ("POST", "silences") => "post_silence",
        ("GET", rest) if rest.starts_with("silence/") => "get_silence",
        ("DELETE", rest) if rest.starts_with("silence/") => "delete_silence",
        ("GET", "status") => "get_status",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_few_words_whatever_is_before_their_path() {
        for (method, path, word) in [
            ("GET", "/api/v2/alerts", "get_alerts"),
            ("POST", "/am/api/v2/alerts", "post_alerts"),
            ("GET", "/api/v2/silences", "get_silences"),
            ("POST", "/api/v2/silences", "post_silence"),
            ("GET", "/api/v2/silence/0c1", "get_silence"),
            ("DELETE", "/x/y/api/v2/silence/0c1", "delete_silence"),
            ("GET", "/api/v2/status", "get_status"),
            ("PUT", "/api/v2/alerts", "other"),
            ("GET", "/", "other"),
        ] {
            assert_eq!(name_of(method, path), word, "{method} {path}");
        }
    }
}
