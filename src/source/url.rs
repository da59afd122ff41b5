//! An address as a source.

use jiff::Timestamp;
use url::Url;

use super::body::Body;
use super::error::SourceError;
use super::intake::{Intake, Keep};
use crate::client::error::shown;
use crate::client::{HttpClient, HttpRequest};

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
    let mut body = Body::new(&name, now, keep);
    while let Some(chunk) = response.chunk().await? {
        body.take(chunk.as_ref())?;
    }
    body.end().map_err(|error| match error {
        SourceError::Empty { name } => SourceError::EmptyAnswer { name },
        other => other,
    })
}
