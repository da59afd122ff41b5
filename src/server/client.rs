//! [`Client`]: who is at the other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// Their address.
    pub(super) address: SocketAddr,
    /// The DNS names and URIs of the certificate that was verified; `None` without one.
    pub(super) names: Option<Arc<[String]>>,
}

/// Returns the DNS names and URIs that a certificate is for. What cannot be read has none.
pub(super) fn names_of(certificate: &CertificateDer<'_>) -> Arc<[String]> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Arc::default() };
    certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_owned).collect()
}
