//! An address as a source.

use jiff::Timestamp;
use url::Url;

use super::error::SourceError;
use super::intake::{Intake, Keep};
use crate::client::error::shown;
use crate::client::{HttpClient, HttpRequest};
use crate::model::payload::{PayloadReader, RawAlert};

/// Reads alerts from what a GET of an address answers, as it comes.
///
/// # Errors
/// It does not answer with success and to the end, or its answer is not alerts.
pub async fn from_url(
    client: &HttpClient,
    url: &Url,
    now: Timestamp,
    keep: &Keep<'_>,
) -> Result<Intake, SourceError> {
    let name = shown(url);
    let request = HttpRequest::get(url.clone()).header("accept", "application/json");
    let mut response = client.send(request).await?.success().await?;
    let mut reader = PayloadReader::new(&name);
    let mut alerts = Vec::new();
    let mut visit = |raw: &RawAlert<'_>| {
        if keep(raw) {
            alerts.push(raw.to_alert(now)?);
        }
        Ok(())
    };
    while let Some(chunk) = response.chunk().await? {
        let chunk = chunk.as_ref();
        reader.space(chunk.len())[..chunk.len()].copy_from_slice(chunk);
        reader.filled(chunk.len(), &mut visit).map_err(SourceError::Answer)?;
    }
    let stats = reader.finish(&mut visit).map_err(SourceError::Answer)?;
    if stats.is_empty_input() {
        return Err(SourceError::EmptyAnswer { name });
    }
    Intake::of(&name, alerts, stats)
}
