//! Who may send deliveries. Main type: [`Auth`].
//!
//! Several credentials hold at the same time, so that one can be replaced without a gap. Secrets are read
//! anew for every request: one that was renewed counts at once.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};

use crate::perform::Secrets;

/// One way in.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `Authorization: Bearer`.
    Bearer {
        /// The secret's name among the server's secrets.
        secret: String,
    },
    /// `Authorization: Basic`.
    Basic {
        /// The user.
        username: String,
        /// The password's name among the server's secrets.
        secret: String,
    },
    /// An HMAC-SHA256 of the body, in hex, as Grafana's webhooks carry it.
    Signature {
        /// The key's name among the server's secrets.
        secret: String,
        /// The header with the signature.
        header: String,
        /// The header with the time, which is signed with the body: `TIME:BODY`.
        timestamp_header: Option<String>,
    },
}

/// All ways in. None at all: everybody may (on loopback, or with client certificates).
#[derive(Debug)]
pub struct Auth {
    credentials: Vec<Credential>,
    secrets: Secrets,
}

/// What a request's head says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Known.
    Known,
    /// Known when its body is signed.
    Signs,
    /// Not known.
    Unknown,
}

impl Auth {
    /// Makes it of credentials, and of the secrets that they name.
    pub fn new(credentials: Vec<Credential>, secrets: Secrets) -> Auth {
        Auth { credentials, secrets }
    }

    /// Reads every secret once, so that one that is missing is found at the start.
    ///
    /// # Errors
    ///
    /// Which, and why.
    pub fn check(&self) -> Result<(), crate::perform::SecretError> {
        self.credentials.iter().try_for_each(|credential| {
            let (Credential::Bearer { secret }
            | Credential::Basic { secret, .. }
            | Credential::Signature { secret, .. }) = credential;
            self.secrets.resolve(secret).map(drop)
        })
    }

    /// Judges the head of a request.
    pub(super) fn sender(&self, headers: &HeaderMap) -> Sender {
        if self.credentials.is_empty() {
            return Sender::Known;
        }
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let mut signs = false;
        for credential in &self.credentials {
            match credential {
                Credential::Bearer { secret } => {
                    let token = given.and_then(|given| scheme(given, "bearer"));
                    if token.is_some_and(|token| self.is(secret, token.as_bytes())) {
                        return Sender::Known;
                    }
                }
                Credential::Basic { username, secret } => {
                    let pair = given.and_then(|given| scheme(given, "basic"));
                    let pair = pair.and_then(|pair| STANDARD.decode(pair).ok()).unwrap_or_default();
                    let at = pair.iter().position(|byte| *byte == b':');
                    let parts = at.map(|at| (&pair[..at], &pair[at + 1..]));
                    if parts.is_some_and(|(user, password)| {
                        same(user, username.as_bytes()) & self.is(secret, password)
                    }) {
                        return Sender::Known;
                    }
                }
                Credential::Signature { header, .. } => signs |= headers.contains_key(header.as_str()),
            }
        }
        if signs { Sender::Signs } else { Sender::Unknown }
    }

    /// Judges a body by its signature.
    pub(super) fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        self.credentials.iter().any(|credential| {
            let Credential::Signature { secret, header, timestamp_header } = credential else { return false };
            let Some(signature) = headers.get(header.as_str()).and_then(|value| unhex(value.as_bytes()))
            else {
                return false;
            };
            let Ok(secret) = self.secrets.resolve(secret) else { return false };
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
            let mut signed = Vec::new();
            if let Some(header) = timestamp_header {
                let Some(time) = headers.get(header.as_str()) else { return false };
                signed.extend_from_slice(time.as_bytes());
                signed.push(b':');
            }
            signed.extend_from_slice(body);
            hmac::verify(&key, &signed, &signature).is_ok()
        })
    }

    /// Compares with a secret. One that cannot be read lets nobody in.
    fn is(&self, secret: &str, given: &[u8]) -> bool {
        self.secrets.resolve(secret).is_ok_and(|secret| same(secret.expose().as_bytes(), given))
    }
}

fn scheme<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let (scheme, rest) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim())
}

/// Compares in a time that tells nothing of where they differ, nor of their lengths.
fn same(one: &[u8], other: &[u8]) -> bool {
    let digest = |bytes| digest::digest(&digest::SHA256, bytes);
    let (one, other) = (digest(one), digest(other));
    one.as_ref().iter().zip(other.as_ref()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if text.len() % 2 != 0 {
        return None;
    }
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::perform::{Environment, SecretSource};

    fn auth() -> Auth {
        let environment: Environment = [("T1", "one"), ("T2", "two"), ("PW", "pass:word"), ("KEY", "k")]
            .map(|(k, v)| (k.into(), v.into()))
            .into_iter()
            .collect();
        let source = |name: &str| SecretSource { env: Some(name.to_owned()), ..SecretSource::default() };
        let sources: BTreeMap<_, _> =
            ["T1", "T2", "PW", "KEY", "GONE"].map(|name| (name.to_owned(), source(name))).into();
        let bearer = |secret: &str| Credential::Bearer { secret: secret.to_owned() };
        let credentials = vec![
            bearer("T1"),
            bearer("T2"),
            bearer("GONE"),
            Credential::Basic { username: "am".to_owned(), secret: "PW".to_owned() },
            Credential::Signature {
                secret: "KEY".to_owned(),
                header: "x-sig".to_owned(),
                timestamp_header: None,
            },
        ];
        Auth::new(credentials, Secrets::new(sources, [], environment))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn any_of_several_credentials_lets_in_and_nothing_else() {
        let auth = auth();
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (value, sender) in [
            ("Bearer one".to_owned(), Sender::Known),
            ("bearer  two".to_owned(), Sender::Known),
            ("Bearer three".to_owned(), Sender::Unknown),
            ("Bearer ".to_owned(), Sender::Unknown),
            ("Bearer".to_owned(), Sender::Unknown),
            ("one".to_owned(), Sender::Unknown),
            (basic("am:pass:word"), Sender::Known),
            (basic("am:pass"), Sender::Unknown),
            (basic("x:pass:word"), Sender::Unknown),
            (basic("am"), Sender::Unknown),
            ("Basic !!".to_owned(), Sender::Unknown),
        ] {
            assert_eq!(auth.sender(&headers(&[("authorization", &value)])), sender, "{value}");
        }
        assert_eq!(auth.sender(&HeaderMap::new()), Sender::Unknown);
        assert!(auth.check().unwrap_err().to_string().contains("GONE"));
    }

    #[test]
    fn a_signed_body_lets_in() {
        let auth = auth();
        // printf body | openssl dgst -sha256 -hmac k
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"k");
        let hex: String =
            hmac::sign(&key, b"body").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let signed = headers(&[("x-sig", &hex)]);
        assert_eq!(auth.sender(&signed), Sender::Signs);
        assert!(auth.is_signed(&signed, b"body"));
        assert!(!auth.is_signed(&signed, b"bodx"));
        for bad in ["", "zz", "abc", "00"] {
            assert!(!auth.is_signed(&headers(&[("x-sig", bad)]), b"body"), "{bad}");
        }
    }
}
