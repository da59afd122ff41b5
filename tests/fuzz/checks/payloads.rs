//! Whole bodies: however they are cut, they are read alike; what is wrong has its place.

use std::path::Path;

use amflow::model::payload::{PayloadError, PayloadReader, Place, RawAlert, ReadStats, read_alerts};
use amflow::model::{Alert, AlertStatus, Labels};
use jiff::Timestamp;

use super::input::{Dice, files};

type Outcome = Result<(Vec<Alert>, ReadStats), PayloadError>;

pub(crate) fn seeds(root: &Path) -> Vec<Vec<u8>> {
    files(&root.join("tests/fixtures/payloads"))
}

/// The input is a body.
pub(crate) fn check(data: &[u8]) {
    let now = now();
    let whole = read_alerts("input", data, now);
    for size in [1, 3, 64, data.len().max(1)] {
        assert_eq!(read(data, || size), whole, "in pieces of {size}");
    }
    let mut dice = Dice::of(data);
    assert_eq!(read(data, || dice.below(9) * dice.below(40)), whole, "in pieces of all sizes");
    match &whole {
        Err(error) => places(error).for_each(|place| is_in(place, data)),
        Ok((alerts, stats)) => {
            stats.bad.iter().for_each(|bad| is_in(&bad.place, data));
            assert_eq!(stats.bytes, data.len() as u64);
            assert_eq!(alerts.len() as u64 + stats.bad_count, stats.alerts, "an alert is good or bad");
            is_written_and_read_again(alerts);
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).expect("a time")
}

/// Reads in pieces of these sizes, some of which may be nothing.
fn read(data: &[u8], mut size: impl FnMut() -> usize) -> Outcome {
    let (mut reader, mut alerts) = (PayloadReader::new("input"), Vec::new());
    let mut keep = |raw: &RawAlert<'_>| {
        assert!(!raw.labels().is_empty(), "an alert without labels is no alert");
        let alert = raw.to_alert(now())?;
        assert!(raw.labels().pairs().eq(alert.labels.iter()) || raw.labels().to_set() == alert.labels);
        assert_eq!((raw.fingerprint(), raw.is_own()), (alert.fingerprint, alert.is_own()));
        alerts.push(alert);
        Ok(())
    };
    let mut rest = data;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(size().min(rest.len()));
        let space = reader.space(piece.len());
        assert!(space.len() >= piece.len());
        // More than the input, and what its buffer held before, is never needed.
        assert!(space.len() <= 2 * data.len() + 2, "{} bytes of room for {}", space.len(), data.len());
        space[..piece.len()].copy_from_slice(piece);
        reader.filled(piece.len(), &mut keep)?;
        rest = after;
    }
    let stats = reader.finish(&mut keep)?;
    Ok((alerts, stats))
}

fn places(error: &PayloadError) -> impl Iterator<Item = &Place> {
    assert!(!error.to_string().is_empty() && !error.hint().is_empty());
    std::iter::once(match error {
        PayloadError::Broken { place, .. }
        | PayloadError::CutOff { place }
        | PayloadError::TooLarge { place }
        | PayloadError::NotJson { place, .. }
        | PayloadError::ErrorAnswer { place, .. }
        | PayloadError::NotAlerts { place, .. } => place,
        PayloadError::AllBad { first, .. } => &first.place,
    })
}

/// A place says the same in bytes as in line and column.
fn is_in(place: &Place, data: &[u8]) {
    let before = usize::try_from(place.byte).ok().and_then(|byte| data.get(..byte));
    let before = before.unwrap_or_else(|| panic!("{place} is at byte {} of {}", place.byte, data.len()));
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    assert_eq!((place.line, place.column), (line as u64, column as u64), "{place}");
}

/// What amflow writes it reads: as a delivery, and as it keeps it.
fn is_written_and_read_again(alerts: &[Alert]) {
    let text = serde_json::to_vec(alerts).expect("alerts are JSON");
    let kept: Vec<Alert> = serde_json::from_slice(&text).expect("what is kept is read again");
    assert_eq!(kept, alerts);
    let (delivered, stats) = read_alerts("again", &text, now()).expect("what is written is alerts");
    // API v2 says of an alert that has not ended whether it is muted, and leaves it to its end whether it still fires: a
    // webhook's word that it fires, though its end is past, is kept and not delivered.
    let judged = |alert: &Alert| match alert.status {
        AlertStatus::Firing => Alert { status: AlertStatus::by_end(alert.ends_at, now()), ..alert.clone() },
        AlertStatus::Resolved => alert.clone(),
    };
    assert_eq!((delivered, stats.bad_count), (alerts.iter().map(judged).collect(), 0));
}
