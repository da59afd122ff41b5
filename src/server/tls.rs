//! TLS of the server. Main type: [`Tls`].

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::options::TlsFiles;

/// Why the server cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is none that is needed.
    #[error("`{}`: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The files do not fit together.
    #[error("certificate and key cannot be used: {0}")]
    Unfit(String),
}

/// How often the files are looked at.
const LOOK: SignedDuration = SignedDuration::from_secs(5);

/// Certificate and key as they are now: files that were renewed count for the next connection.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    config: Arc<ServerConfig>,
    stamp: Stamp,
    looked: Timestamp,
}

/// What shows that a file is another one: inode, size, time.
type Stamp = Vec<Option<(u64, u64, i64, i64)>>;

/// What became of files that have changed: they are in force, or cannot be.
pub(super) type Renewed = Result<(), TlsError>;

impl Tls {
    /// Reads the files of a server's TLS.
    ///
    /// # Errors
    ///
    /// They cannot be read, or do not fit together.
    pub fn read(files: &TlsFiles, now: Timestamp) -> Result<Tls, TlsError> {
        let stamp = stamp(files);
        let kept = Kept { config: read(files)?, stamp, looked: now };
        Ok(Tls { files: files.clone(), kept: Mutex::new(kept) })
    }

    /// Returns what holds now. When files have changed `tell` is told once; when they cannot be used, what held
    /// before goes on to.
    pub(super) fn current(&self, now: Timestamp, tell: impl FnOnce(Renewed)) -> Arc<ServerConfig> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Also when the clock was set back.
        if now.duration_since(kept.looked).abs() < LOOK {
            return Arc::clone(&kept.config);
        }
        kept.looked = now;
        let seen = stamp(&self.files);
        if seen != kept.stamp {
            kept.stamp = seen;
            match read(&self.files) {
                Ok(config) => {
                    kept.config = config;
                    tell(Ok(()));
                }
                Err(error) => tell(Err(error)),
            }
        }
        Arc::clone(&kept.config)
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    let all = [Some(&files.cert_file), Some(&files.key_file), files.client_ca_file.as_ref()];
    let seen = all.into_iter().flatten().map(|path| fs::metadata(path).ok());
    seen.map(|meta| meta.map(|m| (m.ino(), m.size(), m.mtime(), m.mtime_nsec()))).collect()
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|error| TlsError::File { path: files.key_file.clone(), problem: error.to_string() })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unfit(error.to_string()))?;
    let builder = match &files.client_ca_file {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| TlsError::File { path: path.clone(), problem: error.to_string() })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if files.client_required { verifier } else { verifier.allow_unauthenticated() };
            let verifier = verifier
                .build()
                .map_err(|error| TlsError::File { path: path.clone(), problem: error.to_string() })?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| TlsError::Unfit(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |problem: String| TlsError::File { path: path.to_owned(), problem };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if read.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(read) }
}
