//! Certificates and versions of TLS, as Prometheus' `tls_config` writes them. Main type: [`TlsConfig`].

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::http_config::HttpConfigProblem;
use crate::model::Secret;

/// Certificates and versions of TLS. Files are read again for every new connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The certificate authorities to trust instead of the machine's, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// A file with the certificate authorities to trust instead of the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate to show to the server, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// A file with the certificate to show to the server, and those between it and its authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// The private key of that certificate, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// A file with the private key of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The name that the server's certificate must have, when it is not the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Whether any certificate of the server will do. Whoever can reach the network can then listen.
    pub insecure_skip_verify: bool,
    /// The oldest version to speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_version: Option<TlsVersion>,
    /// The newest version to speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_version: Option<TlsVersion>,
}

/// A version of TLS. amflow speaks 1.2 and 1.3; the older ones are known, so that a file that allows
/// them can be used, and never spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.0.
    #[serde(rename = "TLS10")]
    Tls10,
    /// TLS 1.1.
    #[serde(rename = "TLS11")]
    Tls11,
    /// TLS 1.2.
    #[serde(rename = "TLS12")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "TLS13")]
    Tls13,
}

impl TlsConfig {
    /// Returns the paths in it, to make them absolute.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.ca_file, &mut self.cert_file, &mut self.key_file].into_iter().flatten()
    }

    /// Returns everything in it that contradicts itself; `parent` is the key under which it stands.
    pub(super) fn problems(&self, parent: &str) -> Vec<HttpConfigProblem> {
        let mut found = Vec::new();
        let mut add = |key: &str, message: &str, hint: &str| {
            let key = format!("{parent}.{key}");
            found.push(HttpConfigProblem { key, message: message.to_owned(), hint: hint.to_owned() });
        };
        for (key, text, file) in [
            ("ca_file", self.ca.is_some(), self.ca_file.is_some()),
            ("cert_file", self.cert.is_some(), self.cert_file.is_some()),
            ("key_file", self.key.is_some(), self.key_file.is_some()),
        ] {
            if text && file {
                add(key, "given as text and as a file", "keep one of them");
            }
        }
        let cert = self.cert.is_some() || self.cert_file.is_some();
        let key = self.key.is_some() || self.key_file.is_some();
        if cert && !key {
            add("cert_file", "a client certificate without `key_file`", "give the private key too");
        }
        if key && !cert {
            add("key_file", "a private key without `cert_file`", "give the certificate too");
        }
        if self.max_version.is_some_and(|version| version < TlsVersion::Tls12) {
            add("max_version", "too old a version of TLS", "amflow speaks TLS 1.2 and TLS 1.3");
        }
        if let (Some(min), Some(max)) = (self.min_version, self.max_version)
            && min > max
        {
            add("min_version", "the oldest version is above the newest", "swap them");
        }
        if let Some(name) = &self.server_name
            && rustls::pki_types::ServerName::try_from(name.as_str()).is_err()
        {
            add("server_name", "not a host name or an address", "write the name as the certificate has it");
        }
        found
    }
}
