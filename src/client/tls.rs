//! TLS by a [`TlsConfig`]. Main function: [`client_config`].
//!
//! Nothing is read from disk until a handshake needs it: a client for `http://` URLs works on a machine
//! without any CA certificate and pays nothing for them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};

use super::tls_config::{TlsConfig, TlsVersion};

/// How TLS will be spoken, with rustls and ring.
///
/// # Errors
/// Text that says which file can't be used and why; certificates and keys are looked at once here, so
/// that a wrong path is known before the first request.
pub(super) fn client_config(tls: &TlsConfig, http2: bool) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let versions: Vec<_> =
        [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)]
            .into_iter()
            .filter(|(version, _)| {
                tls.min_version.is_none_or(|min| *version >= min)
                    && tls.max_version.is_none_or(|max| *version <= max)
            })
            .map(|(_, spoken)| spoken)
            .collect();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| format!("no version of TLS is left: {error}"))?;
    let expected_name = match &tls.server_name {
        Some(name) => {
            let parsed = ServerName::try_from(name.clone());
            Some(parsed.map_err(|_| format!("`{name}` in tls_config.server_name is not a host name"))?)
        }
        None => None,
    };
    let trust = if tls.insecure_skip_verify {
        Trust::Anyone
    } else {
        match Pem::new(tls.ca.as_deref(), tls.ca_file.as_deref()) {
            Some(pem) => {
                authorities(&pem.read()?, &provider).map_err(|problem| pem.blame(&problem))?;
                Trust::Only { pem, last: Mutex::new(None) }
            }
            None => Trust::Machine(OnceLock::new()),
        }
    };
    let verifier = Verifier { trust, expected_name, provider: Arc::clone(&provider) };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let certificate = Pem::new(tls.cert.as_deref(), tls.cert_file.as_deref());
    let key = Pem::new(tls.key.as_ref().map(crate::model::Secret::expose), tls.key_file.as_deref());
    let mut config = match certificate.zip(key) {
        Some((certificate, key)) => {
            let identity = Identity { certificate, key, provider, last: Mutex::new(None) };
            identity.load()?;
            builder.with_client_cert_resolver(Arc::new(identity))
        }
        None => builder.with_no_client_auth(),
    };
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Says what to do about a failed handshake, where that is known.
pub(super) fn hint(error: &TlsError) -> Option<String> {
    use rustls::{AlertDescription as Alert, CertificateError as Bad};
    let text = match error {
        TlsError::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => {
                "its CA is not known here; name the CA's certificate in `tls_config.ca_file`"
            }
            Bad::BadSignature => {
                "it was signed by another CA of the same name, perhaps a newer one; name that in `tls_config.ca_file`"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name; use that name in the URL or give `tls_config.server_name`"
            }
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "its certificate has expired; renew it, and check this machine's clock"
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet; check this machine's clock"
            }
            _ => return None,
        },
        TlsError::AlertReceived(
            Alert::CertificateRequired | Alert::HandshakeFailure | Alert::BadCertificate,
        ) => "the server may want a client certificate; give `tls_config.cert_file` and `key_file`",
        TlsError::AlertReceived(Alert::UnknownCA) => {
            "the server doesn't trust the CA of our client certificate"
        }
        TlsError::AlertReceived(Alert::ProtocolVersion) | TlsError::PeerIncompatible(_) => {
            "no common version of TLS; amflow speaks TLS 1.2 and TLS 1.3"
        }
        TlsError::InvalidMessage(_) => {
            "the server doesn't seem to speak TLS; try http:// instead of https://"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// PEM text, or the file that has it.
#[derive(Debug, Clone)]
enum Pem {
    Text(crate::model::Secret),
    File(PathBuf),
}

impl Pem {
    fn new(text: Option<&str>, file: Option<&Path>) -> Option<Self> {
        text.map(|text| Self::Text(crate::model::Secret::new(text)))
            .or_else(|| file.map(|file| Self::File(file.into())))
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.expose().as_bytes().to_vec()),
            Self::File(path) => {
                std::fs::read(path).map_err(|error| format!("can't read `{}`: {error}", path.display()))
            }
        }
    }

    fn blame(&self, problem: &str) -> String {
        match self {
            Self::Text(_) => format!("PEM text in tls_config: {problem}"),
            Self::File(path) => format!("`{}`: {problem}", path.display()),
        }
    }
}

/// Verifies the server's certificate.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    expected_name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

/// Whom to trust.
enum Trust {
    /// Any certificate: `insecure_skip_verify`.
    Anyone,
    /// The authorities of the machine, read at the first handshake.
    Machine(OnceLock<Result<Arc<dyn ServerCertVerifier>, String>>),
    /// Named authorities, read at every handshake, parsed when they changed.
    Only { pem: Pem, last: Mutex<Option<Parsed>> },
}

/// PEM text, and the verifier that was made of it.
type Parsed = (Vec<u8>, Arc<WebPkiServerVerifier>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anyone => "Anyone",
            Self::Machine(_) => "Machine",
            Self::Only { .. } => "Only",
        })
    }
}

impl Verifier {
    fn authority(&self) -> Result<Option<Arc<dyn ServerCertVerifier>>, String> {
        match &self.trust {
            Trust::Anyone => Ok(None),
            Trust::Machine(once) => once.get_or_init(|| machine(&self.provider)).clone().map(Some),
            Trust::Only { pem, last } => {
                let bytes = pem.read()?;
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((known, verifier)) = &*last
                    && *known == bytes
                {
                    return Ok(Some(Arc::clone(verifier) as Arc<dyn ServerCertVerifier>));
                }
                let verifier = authorities(&bytes, &self.provider).map_err(|problem| pem.blame(&problem))?;
                *last = Some((bytes, Arc::clone(&verifier)));
                Ok(Some(verifier))
            }
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let name = self.expected_name.as_ref().unwrap_or(server_name);
        match self.authority().map_err(TlsError::General)? {
            Some(authority) => {
                authority.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
            }
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The authorities that the machine trusts (`SSL_CERT_FILE`, `SSL_CERT_DIR`, `/etc/ssl/certs`).
fn machine(provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    match rustls_platform_verifier::Verifier::new(Arc::clone(provider)) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(error) => Err(format!(
            "no CA certificates on this machine ({error}); install the package `ca-certificates`, \
             or name the server's CA in `tls_config.ca_file`"
        )),
    }
}

/// The authorities in PEM text.
fn authorities(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("not a certificate of a CA: {error}"))?;
    }
    if roots.is_empty() {
        return Err("no certificate in it; a PEM file has `-----BEGIN CERTIFICATE-----`".to_owned());
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())
}

/// The certificate that we show to a server that asks. When its files can't be read for a moment, as
/// while they are being replaced, the last one is shown.
struct Identity {
    certificate: Pem,
    key: Pem,
    provider: Arc<CryptoProvider>,
    last: Mutex<Option<Arc<CertifiedKey>>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    fn load(&self) -> Result<Arc<CertifiedKey>, String> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate.read()?)
            .collect::<Result<_, _>>()
            .map_err(|error| self.certificate.blame(&format!("not PEM: {error}")))?;
        if chain.is_empty() {
            return Err(self.certificate.blame("no certificate in it"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key.read()?)
            .map_err(|error| self.key.blame(&format!("no private key that can be used: {error}")))?;
        let certified = CertifiedKey::from_der(chain, key, &self.provider)
            .map_err(|error| self.key.blame(&format!("can't be used with the certificate: {error}")))?;
        let certified = Arc::new(certified);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&certified));
        Ok(certified)
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.load().ok().or_else(|| self.last.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Finds the error of rustls inside an error of the transport.
pub(super) fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TlsError>() {
            return Some(found);
        }
        // `source` of an `io::Error` skips the very error that it wraps.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}
