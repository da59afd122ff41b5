//! Links by which a person decides a task without a password. Main type: [`Links`].
//!
//! A link says who it is for, what it is about and until when, and is signed with a key that only this store's
//! owner can read. It is good for one decision: the task is bound to a digest of what it would do, and nobody
//! decides the same twice.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

/// What is signed begins with this: a signature for something else is none for a link.
const PURPOSE: &[u8] = b"amflow link to a task, version 1\n";
/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// Bytes of a link's token, at most: what is longer is none.
const MOST_BYTES: usize = 4_096;

/// Makes and reads links.
pub struct Links {
    key: hmac::Key,
}

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The run.
    #[serde(rename = "r")]
    pub run: String,
    /// The step that asks.
    #[serde(rename = "s")]
    pub step: String,
    /// The digest of what is asked.
    #[serde(rename = "d")]
    pub digest: String,
    /// Who decides by it.
    #[serde(rename = "w")]
    pub who: String,
    /// Until when, in seconds since the epoch.
    #[serde(rename = "e")]
    pub expires: i64,
}

/// Why a link is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was not made here, or was changed.
    #[error("this link was not made here, or was changed on its way")]
    Forged,
    /// Its time is over.
    #[error("this link is too old: ask for a new one")]
    Expired,
}

/// Why the key of links cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the key of links `{}`: {problem}", path.display())]
pub struct KeyError {
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl Links {
    /// Reads the key of a file, or makes it when there is none.
    ///
    /// # Errors
    ///
    /// It can be neither read nor made.
    pub fn open(path: &Path) -> Result<Links, KeyError> {
        let failed = |problem: String| KeyError { path: path.to_owned(), problem };
        let key = match read_key(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_key(path).and_then(|()| read_key(path)).map_err(|error| failed(error.to_string()))?
            }
            read => read.map_err(|error| failed(error.to_string()))?,
        };
        if key.len() != KEY_BYTES {
            return Err(failed(format!("it has {} bytes, not {KEY_BYTES}: remove it", key.len())));
        }
        Ok(Links { key: hmac::Key::new(hmac::HMAC_SHA256, &key) })
    }

    /// Makes the token of a link.
    pub fn sign(&self, link: &Link) -> String {
        let says = serde_json::to_vec(link).unwrap_or_default();
        let signature = hmac::sign(&self.key, &[PURPOSE, &says].concat());
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&says), URL_SAFE_NO_PAD.encode(signature))
    }

    /// Reads the token of a link.
    ///
    /// # Errors
    ///
    /// It is not taken.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Link, LinkError> {
        let parts = token.split_once('.').filter(|_| token.len() <= MOST_BYTES);
        let (says, signature) = parts.ok_or(LinkError::Forged)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| LinkError::Forged);
        let (says, signature) = (decode(says)?, decode(signature)?);
        // Compares in constant time.
        let signed = [PURPOSE, &says].concat();
        hmac::verify(&self.key, &signed, &signature).map_err(|_| LinkError::Forged)?;
        let link: Link = serde_json::from_slice(&says).map_err(|_| LinkError::Forged)?;
        if link.expires <= now.as_second() { Err(LinkError::Expired) } else { Ok(link) }
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links")
    }
}

fn read_key(path: &Path) -> io::Result<Vec<u8>> {
    let mut key = Vec::new();
    File::open(path)?.take(1_024).read_to_end(&mut key)?;
    Ok(key)
}

/// Makes a key. When another process does so at the same time, the first of both keys stays.
fn make_key(path: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("there is no randomness"))?;
    let whole = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&whole)?;
    let written = file.write_all(&key).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&whole, path));
    fs::remove_file(&whole)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn link() -> Link {
        Link {
            run: "r1".to_owned(),
            step: "ask".to_owned(),
            digest: "d".to_owned(),
            who: "ann".to_owned(),
            expires: 1_000,
        }
    }

    #[test]
    fn a_link_is_read_until_its_time_is_over_and_by_its_own_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("links.key");
        let links = Links::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let at = |second| Timestamp::from_second(second).unwrap();
        let token = links.sign(&link());
        assert_eq!(links.read(&token, at(999)), Ok(link()));
        assert_eq!(links.read(&token, at(1_000)), Err(LinkError::Expired));
        assert_eq!(Links::open(&path).unwrap().read(&token, at(0)), Ok(link()), "the key is kept");
        let others = Links::open(&dir.path().join("others.key")).unwrap();
        assert_eq!(others.read(&token, at(0)), Err(LinkError::Forged));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside the keys");
    }

    #[test]
    fn whatever_is_changed_of_a_link_makes_it_none() {
        let dir = tempfile::tempdir().unwrap();
        let links = Links::open(&dir.path().join("links.key")).unwrap();
        let token = links.sign(&link());
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let read = links.read(&String::from_utf8(changed).unwrap(), Timestamp::UNIX_EPOCH);
            assert_eq!(read, Err(LinkError::Forged), "at {at}");
        }
        for none in ["", ".", "a.b", &"x".repeat(10_000), &token[1..], &format!("{token}=")] {
            assert_eq!(links.read(none, Timestamp::UNIX_EPOCH), Err(LinkError::Forged), "{none}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("links.key");
        fs::write(&path, "short").unwrap();
        assert!(Links::open(&path).unwrap_err().to_string().contains("5 bytes, not 32"));
        assert!(Links::open(Path::new("/nonexistent/links.key")).is_err());
    }
}
