//! What `amflow serve` is measured against where no product does the same: the least that a receiver of webhooks can
//! do. It reads the whole body into structs that own what they hold, and does nothing with them.
//!
//! `bare_receive serve ADDRESS` answers webhooks; `bare_receive parse FILE` reads a body that is in memory, several
//! times, and prints the median of the seconds that each took.
#![expect(clippy::disallowed_methods, reason = "a program of its own, with its own clock and arguments")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::Instant;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often a body is read.
const ROUNDS: usize = 11;

type Pairs = BTreeMap<String, String>;

/// A webhook as Alertmanager sends it.
#[expect(dead_code, reason = "it is read from bytes, and nothing is done with it")]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    version: String,
    group_key: String,
    truncated_alerts: u64,
    status: String,
    receiver: String,
    group_labels: Pairs,
    common_labels: Pairs,
    common_annotations: Pairs,
    #[serde(rename = "externalURL")]
    external_url: String,
    alerts: Vec<Alert>,
}

#[expect(dead_code, reason = "it is read from bytes, and nothing is done with it")]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: String,
    labels: Pairs,
    annotations: Pairs,
    starts_at: Timestamp,
    ends_at: Timestamp,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

#[derive(Serialize)]
struct Answer {
    alerts: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(address),
        ["parse", file] => parse(&std::fs::read(file)?),
        _ => Err("bare_receive serve ADDRESS, or bare_receive parse FILE".into()),
    }
}

fn serve(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let answer = |Json(webhook): Json<Webhook>| async move {
            let alerts = webhook.alerts.len();
            black_box(&webhook);
            Json(Answer { alerts })
        };
        let router = Router::new().route("/webhook", post(answer)).layer(DefaultBodyLimit::disable());
        let router = router.route("/-/ready", get(async || {}));
        let listener = tokio::net::TcpListener::bind(address).await?;
        axum::serve(listener, router).await?;
        Ok(())
    })
}

fn parse(body: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let webhook: Webhook = serde_json::from_slice(body)?;
        black_box(&webhook);
        took.push(begun.elapsed().as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    writeln!(io::stdout().lock(), "{}", took[ROUNDS / 2])?;
    Ok(())
}
