//! Who may send deliveries. Main type: [`Auth`].
//!
//! Several credentials hold at the same time, so that one can be replaced without a gap. Secrets are read
//! anew for every request: one that was renewed counts at once.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::{digest, hmac};

use super::client::Client;
use crate::perform::Secrets;

/// How far the time of a signed body may lie from ours, in seconds: what was overheard cannot be sent again later.
const SKEW_SECONDS: i64 = 300;

/// One way in, and what it is called in logs and journals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its name: never a secret.
    pub name: String,
    /// What has to be shown.
    pub way: Way,
}

/// What a client shows to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
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
        /// The header with the time in seconds since the epoch, which is signed with the body: `TIME:BODY`.
        timestamp_header: Option<String>,
    },
    /// A certificate that the configured authority has signed.
    Certificate {
        /// DNS names or URIs among its alternative names, one of which it must have; none: any.
        names: Vec<String>,
    },
}

/// All ways in. None at all: everybody may (on loopback, or with client certificates).
#[derive(Debug)]
pub struct Auth {
    credentials: Vec<Credential>,
    secrets: Secrets,
}

/// What a request's head says of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Known by this credential.
    Known(Arc<str>),
    /// Nobody has to be known here.
    Anybody,
    /// Known when its body is signed.
    Signs,
    /// Not known.
    Unknown,
}

/// The signatures that a request carries, as its body comes.
pub(super) struct Signing {
    open: Vec<(Arc<str>, hmac::Context, Vec<u8>)>,
}

impl Way {
    /// Returns the name of the secret that it needs, if any.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Way::Bearer { secret } | Way::Basic { secret, .. } | Way::Signature { secret, .. } => {
                Some(secret)
            }
            Way::Certificate { .. } => None,
        }
    }
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
        let mut secrets = self.credentials.iter().filter_map(|credential| credential.way.secret());
        secrets.try_for_each(|secret| self.secrets.resolve(secret).map(drop))
    }

    /// Returns whether nobody has to be known.
    pub(super) fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Judges the head of a request.
    pub(super) fn sender(&self, headers: &HeaderMap, client: &Client) -> Sender {
        if self.credentials.is_empty() {
            let certified = client.names.as_ref().map(|names| names.first().map_or("a certificate", |n| n));
            return certified.map_or(Sender::Anybody, |name| Sender::Known(name.into()));
        }
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let known = self.credentials.iter().find(|credential| match &credential.way {
            Way::Bearer { secret } => {
                given.and_then(|given| scheme(given, "bearer")).is_some_and(|t| self.is(secret, t.as_bytes()))
            }
            Way::Basic { username, secret } => {
                let pair = given.and_then(|given| scheme(given, "basic"));
                let pair = pair.and_then(|pair| STANDARD.decode(pair).ok()).unwrap_or_default();
                let at = pair.iter().position(|byte| *byte == b':');
                let parts = at.map(|at| (&pair[..at], &pair[at + 1..]));
                parts.is_some_and(|(user, password)| {
                    same(user, username.as_bytes()) & self.is(secret, password)
                })
            }
            Way::Certificate { names } => client.names.as_ref().is_some_and(|presented| {
                names.is_empty() || names.iter().any(|name| presented.iter().any(|p| is_name(p, name)))
            }),
            Way::Signature { .. } => false,
        });
        if let Some(known) = known {
            return Sender::Known(known.name.as_str().into());
        }
        let signs = self.credentials.iter().any(|credential| {
            matches!(&credential.way, Way::Signature { header, .. } if headers.contains_key(header.as_str()))
        });
        if signs { Sender::Signs } else { Sender::Unknown }
    }

    /// Begins to check the signatures that a request carries.
    pub(super) fn signing(&self, headers: &HeaderMap, now: Timestamp) -> Signing {
        let open = self.credentials.iter().filter_map(|credential| {
            let Way::Signature { secret, header, timestamp_header } = &credential.way else { return None };
            let signature = unhex(headers.get(header.as_str())?.as_bytes())?;
            let secret = self.secrets.resolve(secret).ok()?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
            let mut context = hmac::Context::with_key(&key);
            if let Some(header) = timestamp_header {
                let time = headers.get(header.as_str())?;
                let seconds: i64 = time.to_str().ok()?.trim().parse().ok()?;
                let is_near = now.as_second().abs_diff(seconds) <= SKEW_SECONDS.unsigned_abs();
                is_near.then_some(())?;
                context.update(time.as_bytes());
                context.update(b":");
            }
            Some((credential.name.as_str().into(), context, signature))
        });
        Signing { open: open.collect() }
    }

    /// Returns what a client that was not let in is told to show.
    pub(super) fn challenge(&self) -> &'static str {
        let has = |wanted: fn(&Way) -> bool| self.credentials.iter().any(|c| wanted(&c.way));
        match (has(|way| matches!(way, Way::Bearer { .. })), has(|way| matches!(way, Way::Basic { .. }))) {
            (true, true) => "Bearer, Basic realm=\"amflow\"",
            (_, false) => "Bearer",
            (false, true) => "Basic realm=\"amflow\"",
        }
    }

    /// Compares with a secret. One that cannot be read lets nobody in.
    fn is(&self, secret: &str, given: &[u8]) -> bool {
        self.secrets.resolve(secret).is_ok_and(|secret| same(secret.expose().as_bytes(), given))
    }
}

impl Signing {
    /// Takes the next piece of the body as it was sent.
    pub(super) fn take(&mut self, piece: &[u8]) {
        self.open.iter_mut().for_each(|(_, context, _)| context.update(piece));
    }

    /// Returns by which credential the whole body is signed.
    pub(super) fn end(self) -> Option<Arc<str>> {
        self.open
            .into_iter()
            .find_map(|(name, context, signature)| same(context.sign().as_ref(), &signature).then_some(name))
    }
}

/// Names of hosts are the same in capitals; everything else is compared as it is.
fn is_name(presented: &str, wanted: &str) -> bool {
    presented == wanted || (!wanted.contains(':') && presented.eq_ignore_ascii_case(wanted))
}

fn scheme<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let (scheme, rest) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim())
}

/// Compares in a time that tells nothing of where they differ, nor of their lengths.
fn same(one: &[u8], other: &[u8]) -> bool {
    let digest = |bytes| digest::digest(&digest::SHA256, bytes);
    let (one, other) = (digest(one), digest(other));
    let differ = one.as_ref().iter().zip(other.as_ref()).fold(0, |differ, (a, b)| differ | (a ^ b));
    std::hint::black_box(differ) == 0
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::perform::{Environment, SecretSource};

    fn auth(timestamp_header: Option<&str>) -> Auth {
        let environment: Environment = [("T1", "one"), ("T2", "two"), ("PW", "pass:word"), ("KEY", "k")]
            .map(|(k, v)| (k.into(), v.into()))
            .into_iter()
            .collect();
        let source = |name: &str| SecretSource { env: Some(name.to_owned()), ..SecretSource::default() };
        let sources: BTreeMap<_, _> =
            ["T1", "T2", "PW", "KEY", "GONE"].map(|name| (name.to_owned(), source(name))).into();
        let bearer = |secret: &str| Way::Bearer { secret: secret.to_owned() };
        let signature = Way::Signature {
            secret: "KEY".to_owned(),
            header: "x-sig".to_owned(),
            timestamp_header: timestamp_header.map(str::to_owned),
        };
        let ways = [
            ("old", bearer("T1")),
            ("new", bearer("T2")),
            ("gone", bearer("GONE")),
            ("am", Way::Basic { username: "am".to_owned(), secret: "PW".to_owned() }),
            ("grafana", signature),
            (
                "peer",
                Way::Certificate { names: vec!["am.example.com".to_owned(), "spiffe://x/am".to_owned()] },
            ),
        ];
        let credentials = ways.map(|(name, way)| Credential { name: name.to_owned(), way }).into();
        Auth::new(credentials, Secrets::new(sources, [], environment))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn client(names: Option<&[&str]>) -> Client {
        let names = names.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        Client { address: ([10, 0, 0, 1], 1).into(), names }
    }

    #[test]
    fn any_of_several_credentials_lets_in_and_nothing_else() {
        let auth = auth(None);
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let known = |name: &str| Sender::Known(name.into());
        for (value, sender) in [
            ("Bearer one".to_owned(), known("old")),
            ("bearer  two".to_owned(), known("new")),
            ("Bearer three".to_owned(), Sender::Unknown),
            ("Bearer ".to_owned(), Sender::Unknown),
            ("Bearer".to_owned(), Sender::Unknown),
            ("one".to_owned(), Sender::Unknown),
            (basic("am:pass:word"), known("am")),
            (basic("am:pass"), Sender::Unknown),
            (basic("x:pass:word"), Sender::Unknown),
            (basic("am"), Sender::Unknown),
            ("Basic !!".to_owned(), Sender::Unknown),
        ] {
            let judged = auth.sender(&headers(&[("authorization", &value)]), &client(None));
            assert_eq!(judged, sender, "{value}");
        }
        assert_eq!(auth.sender(&HeaderMap::new(), &client(None)), Sender::Unknown);
        assert!(auth.check().unwrap_err().to_string().contains("GONE"));
        assert_eq!(auth.challenge(), "Bearer, Basic realm=\"amflow\"");
    }

    #[test]
    fn a_certificate_lets_in_by_one_of_its_names() {
        let auth = auth(None);
        let known = Sender::Known("peer".into());
        for (names, sender) in [
            (&["AM.example.com"][..], known.clone()),
            (&["x", "spiffe://x/am"], known),
            (&["spiffe://X/am"], Sender::Unknown),
            (&["example.com"], Sender::Unknown),
            (&[], Sender::Unknown),
        ] {
            assert_eq!(auth.sender(&HeaderMap::new(), &client(Some(names))), sender, "{names:?}");
        }
        let none = Auth::new(Vec::new(), Secrets::new(BTreeMap::new(), [], Environment::default()));
        assert_eq!(none.sender(&HeaderMap::new(), &client(None)), Sender::Anybody);
        assert_eq!(none.sender(&HeaderMap::new(), &client(Some(&["a"]))), Sender::Known("a".into()));
    }

    fn hex(message: &[u8]) -> String {
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"k"), message);
        signed.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn is_signed(auth: &Auth, headers: &HeaderMap, body: &[u8]) -> bool {
        let mut signing = auth.signing(headers, Timestamp::from_second(1_000).unwrap());
        body.chunks(3).for_each(|piece| signing.take(piece));
        signing.end().is_some()
    }

    #[test]
    fn a_signed_body_lets_in() {
        let auth = auth(None);
        // printf body | openssl dgst -sha256 -hmac k
        let signed = headers(&[("x-sig", &hex(b"body"))]);
        assert_eq!(auth.sender(&signed, &client(None)), Sender::Signs);
        assert!(is_signed(&auth, &signed, b"body"));
        assert!(!is_signed(&auth, &signed, b"bodx"));
        for bad in ["", "zz", "abc", "00"] {
            assert!(!is_signed(&auth, &headers(&[("x-sig", bad)]), b"body"), "{bad}");
        }
    }

    #[test]
    fn a_signature_with_a_time_holds_for_five_minutes() {
        let auth = auth(Some("x-time"));
        for (time, fits) in
            [("1000", true), ("1300", true), ("700", true), ("1301", false), ("699", false), ("x", false)]
        {
            let signature = hex(format!("{time}:body").as_bytes());
            let headers = headers(&[("x-sig", &signature), ("x-time", time)]);
            assert_eq!(is_signed(&auth, &headers, b"body"), fits, "{time}");
        }
        assert!(!is_signed(&auth, &headers(&[("x-sig", &hex(b"body"))]), b"body"), "the time is missing");
        assert!(!is_signed(&auth, &headers(&[("x-sig", &hex(b":body")), ("x-time", "")]), b"body"));
    }
}
