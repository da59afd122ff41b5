//! Who is asking: the `Authorization` header of a request. Main type: [`Credentials`].

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::error::{Failure, HttpError, excerpt};
use super::http::{HttpClient, HttpOptions, HttpRequest};
use super::http_config::{BasicAuth, HeaderValues, HttpConfig, OAuth2};
use crate::model::Secret;

/// A token is not used in the last moments of its life, which a request may outlast.
const TOKEN_MARGIN: Duration = Duration::from_secs(10);
/// What a token's answer may be at most, in bytes.
const MAX_TOKEN_ANSWER: usize = 1024 * 1024;
/// No secret's file is larger than this, in bytes.
const MAX_SECRET_FILE: u64 = 1024 * 1024;

/// Where the `Authorization` header comes from.
pub(super) enum Credentials {
    None,
    Basic(BasicAuth),
    /// A type such as `Bearer`, and what follows it.
    Typed {
        kind: String,
        value: TextOrFile,
    },
    OAuth2(Box<TokenSource>),
}

/// A secret as text, or the file that holds it.
pub(super) enum TextOrFile {
    Text(Secret),
    File(std::path::PathBuf),
}

/// Fetches and keeps a token.
pub(super) struct TokenSource {
    settings: OAuth2,
    client: HttpClient,
    token_url: Url,
    state: Mutex<TokenState>,
}

type BoxedFetch<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, HttpError>> + Send + 'a>>;

#[derive(Default)]
struct TokenState {
    token: Option<Token>,
    /// Whether this server wants the client's name and secret in the body; none when it was not asked yet.
    in_body: Option<bool>,
}

#[derive(Clone)]
struct Token {
    header: Secret,
    fresh_until: Option<Instant>,
}

/// The answer of a token URL (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
}

impl Credentials {
    /// Chooses what a configuration names.
    pub(super) fn new(config: &HttpConfig, options: &HttpOptions) -> Result<Self, String> {
        let bearer = |value| Self::Typed { kind: "Bearer".to_owned(), value };
        if let Some(basic) = &config.basic_auth {
            return Ok(Self::Basic(basic.clone()));
        }
        if let Some(authorization) = &config.authorization {
            let kind = authorization.kind.as_deref().map(str::trim).filter(|kind| !kind.is_empty());
            let value =
                TextOrFile::of(authorization.credentials.as_ref(), authorization.credentials_file.as_deref());
            let kind = kind.unwrap_or("Bearer").to_owned();
            return Ok(value.map_or(Self::None, |value| Self::Typed { kind, value }));
        }
        if let Some(value) = TextOrFile::of(config.bearer_token.as_ref(), config.bearer_token_file.as_deref())
        {
            return Ok(bearer(value));
        }
        match &config.oauth2 {
            Some(settings) => {
                let token_url = Url::parse(&settings.token_url)
                    .map_err(|error| format!("oauth2.token_url is not a URL: {error}"))?;
                let options = HttpOptions { headers: Vec::new(), watch: None, ..options.clone() };
                let client = HttpClient::new(settings.transport(), options);
                let state = Mutex::new(TokenState::default());
                Ok(Self::OAuth2(Box::new(TokenSource {
                    settings: settings.clone(),
                    client,
                    token_url,
                    state,
                })))
            }
            None => Ok(Self::None),
        }
    }

    /// Returns the `Authorization` header for the next request.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, Failure> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Basic(basic) => {
                let username = match &basic.username_file {
                    Some(file) => read_secret(file).await.map_err(Failure::Setup)?.expose().to_owned(),
                    None => basic.username.clone().unwrap_or_default(),
                };
                let password = TextOrFile::of(basic.password.as_ref(), basic.password_file.as_deref());
                let password = match password {
                    Some(password) => password.read().await.map_err(Failure::Setup)?,
                    None => Secret::new(""),
                };
                basic_header(&username, password.expose())
            }
            Self::Typed { kind, value } => {
                format!("{kind} {}", value.read().await.map_err(Failure::Setup)?.expose())
            }
            Self::OAuth2(source) => source.token().await?.header.expose().to_owned(),
        };
        sensitive(&text).map(Some).map_err(Failure::Setup)
    }

    /// Says why a token could not be asked for at present.
    pub(super) fn unready(&self) -> Option<String> {
        match self {
            Self::OAuth2(source) => source.client.unready(),
            Self::None | Self::Basic(_) | Self::Typed { .. } => None,
        }
    }

    /// Forgets a token that a server refused. Returns whether another try can help.
    pub(super) async fn refused(&self, header: Option<&HeaderValue>) -> bool {
        let Self::OAuth2(source) = self else { return false };
        let mut state = source.state.lock().await;
        let same = |token: &Token| {
            header.is_some_and(|header| header.as_bytes() == token.header.expose().as_bytes())
        };
        if state.token.as_ref().is_some_and(same) {
            state.token = None;
        }
        true
    }
}

impl TextOrFile {
    fn of(text: Option<&Secret>, file: Option<&Path>) -> Option<Self> {
        text.map(|text| Self::Text(text.clone())).or_else(|| file.map(|file| Self::File(file.to_owned())))
    }

    async fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Text(secret) => Ok(Secret::new(secret.expose().trim())),
            Self::File(file) => read_secret(file).await,
        }
    }
}

impl TokenSource {
    /// Returns the token, fetching one when there is none or it is about to expire. Requests that come
    /// meanwhile wait for the same fetch.
    async fn token(&self) -> Result<Token, Failure> {
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && token.fresh_until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(token.clone());
        }
        let in_body = state.in_body.unwrap_or(false);
        let mut answer = self.fetch(in_body).await;
        // Which of the two ways a server takes is found out as Go's oauth2 package does.
        if state.in_body.is_none()
            && let Err(error) = &answer
            && error.status().is_some_and(|code| (400..500).contains(&code))
            && let Ok(second) = self.fetch(true).await
        {
            state.in_body = Some(true);
            answer = Ok(second);
        } else if answer.is_ok() {
            state.in_body = Some(in_body);
        }
        let token = answer.map_err(|error| Failure::Token(error.to_string()))?;
        state.token = Some(token.clone());
        Ok(token)
    }

    async fn fetch(&self, in_body: bool) -> Result<Token, HttpError> {
        let fail = |failure| HttpError::new("POST", &self.token_url, failure);
        let secret =
            TextOrFile::of(self.settings.client_secret.as_ref(), self.settings.client_secret_file.as_deref());
        let secret = match secret {
            Some(secret) => secret.read().await.map_err(|problem| fail(Failure::Setup(problem)))?,
            None => Secret::new(""),
        };
        let request = self.request(&secret, in_body);
        let body = apart(&self.client, request).await?;
        let answer: TokenAnswer = serde_json::from_slice(&body)
            .map_err(|_| fail(Failure::Unexpected("the answer has no `access_token`".to_owned())))?;
        let kind = match answer.token_type.as_deref() {
            None | Some("") => "Bearer",
            Some(kind) if kind.eq_ignore_ascii_case("bearer") => "Bearer",
            Some(kind) => kind,
        };
        let lives = answer.expires_in.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        Ok(Token {
            header: Secret::new(format!("{kind} {}", answer.access_token.expose())),
            fresh_until: lives.map(|lives| Instant::now() + lives.saturating_sub(TOKEN_MARGIN)),
        })
    }

    fn request(&self, secret: &Secret, in_body: bool) -> HttpRequest {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.settings.scopes.is_empty() {
            form.append_pair("scope", &self.settings.scopes.join(" "));
        }
        for (name, value) in &self.settings.endpoint_params {
            form.append_pair(name, value);
        }
        let mut request = HttpRequest::new("POST", self.token_url.clone());
        if in_body {
            form.append_pair("client_id", &self.settings.client_id);
            form.append_pair("client_secret", secret.expose());
        } else {
            // RFC 6749, section 2.3.1: both are form-encoded before they become a basic header.
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let header = basic_header(&encode(&self.settings.client_id), &encode(secret.expose()));
            request = request.header(AUTHORIZATION.as_str(), &header);
        }
        request
            .header(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form.finish().into_bytes())
    }
}

/// Sends a request for a token: with its own type, for the future of a request holds this one.
///
/// The client has no credentials, so that this never comes back here.
fn apart(client: &HttpClient, request: HttpRequest) -> BoxedFetch<'_> {
    Box::pin(client.fetch(request, MAX_TOKEN_ANSWER))
}

/// Returns the headers that `http_headers` names, files read now.
pub(super) async fn extra_headers(
    headers: impl Iterator<Item = (&String, &HeaderValues)>,
    into: &mut HeaderMap,
) -> Result<(), String> {
    for (name, given) in headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{name}` is no name of a header"))?;
        for value in &given.values {
            into.append(header.clone(), plain(name, value)?);
        }
        for value in &given.secrets {
            into.append(header.clone(), sensitive(value.expose())?);
        }
        for file in &given.files {
            into.append(header.clone(), sensitive(read_secret(file).await?.expose())?);
        }
    }
    Ok(())
}

/// Returns a header's value that may be shown.
pub(super) fn plain(name: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(value)
        .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
        .map_err(|_| format!("the value of header `{name}` has a line break or another control character"))
}

/// Returns the value of a basic `Authorization` header.
pub(super) fn basic_header(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{username}:{password}")))
}

/// Returns a header's value that is never printed.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| "a secret for a header has a line break or another control character".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read_secret(path: &Path) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("can't read `{}`: {error}", path.display());
    let size = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if size > MAX_SECRET_FILE {
        return Err(format!("`{}` has {size} bytes, too many for a secret", path.display()));
    }
    let bytes = tokio::fs::read(path).await.map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("`{}` is not UTF-8", path.display()))?;
    Ok(Secret::new(text.trim()))
}

/// Some servers write the number as text.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Text(String),
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is only a hint"
    )]
    Ok(match Option::<Written>::deserialize(deserializer)? {
        Some(Written::Number(number)) => Some(number as u64),
        Some(Written::Text(text)) => text.trim().parse().ok(),
        None => None,
    })
}

/// Says why a status is no success.
pub(super) fn status_failure(code: u16, body: &[u8], location: Option<String>) -> Failure {
    Failure::Status { code, excerpt: excerpt(&error_text(body)), location }
}

/// Takes the message out of the JSON shapes of errors; other bodies stay as they are.
fn error_text(body: &[u8]) -> Vec<u8> {
    match serde_json::from_slice(body) {
        Ok(serde_json::Value::String(text)) => text.into_bytes(),
        Ok(serde_json::Value::Object(fields)) => ["error_description", "message", "error"]
            .iter()
            .find_map(|key| fields.get(*key)?.as_str())
            .map_or_else(|| body.to_vec(), |text| text.as_bytes().to_vec()),
        _ => body.to_vec(),
    }
}
