//! Whether a server could be asked: what an `http_config` names is there and can be read. Nothing is asked.

use std::fs;
use std::path::{Path, PathBuf};

use super::http_config::HttpConfig;
use super::tls_config::TlsConfig;

impl HttpConfig {
    /// Says which file that it names cannot be read, and why.
    pub(super) fn unreadable(&self) -> Option<String> {
        self.files().into_iter().find_map(|(key, path)| {
            let why = why_unreadable(path)?;
            Some(format!("`{key}`: can't read `{}`: {why}", path.display()))
        })
    }

    /// Returns every file that it names, each with its key.
    fn files<'c>(&'c self) -> Vec<(String, &'c Path)> {
        let mut files: Vec<(String, &'c Path)> = Vec::new();
        let mut add = |key: &str, path: Option<&'c PathBuf>| {
            files.extend(path.map(|path| (key.to_owned(), path.as_path())));
        };
        if let Some(basic) = &self.basic_auth {
            add("basic_auth.username_file", basic.username_file.as_ref());
            add("basic_auth.password_file", basic.password_file.as_ref());
        }
        if let Some(authorization) = &self.authorization {
            add("authorization.credentials_file", authorization.credentials_file.as_ref());
        }
        add("bearer_token_file", self.bearer_token_file.as_ref());
        if let Some(oauth2) = &self.oauth2 {
            add("oauth2.client_secret_file", oauth2.client_secret_file.as_ref());
        }
        for (name, header) in &self.http_headers {
            header.files.iter().for_each(|file| add(&format!("http_headers.{name}.files"), Some(file)));
        }
        files.extend(tls_files("tls_config", &self.tls_config));
        files
            .extend(self.oauth2.iter().flat_map(|oauth2| tls_files("oauth2.tls_config", &oauth2.tls_config)));
        files
    }
}

fn tls_files<'t>(parent: &'static str, tls: &'t TlsConfig) -> impl Iterator<Item = (String, &'t Path)> {
    let files = [("ca_file", &tls.ca_file), ("cert_file", &tls.cert_file), ("key_file", &tls.key_file)];
    files.into_iter().filter_map(move |(key, path)| Some((format!("{parent}.{key}"), path.as_deref()?)))
}

/// Says why a file cannot be read. A pipe is left alone: what is read of it is gone.
fn why_unreadable(path: &Path) -> Option<String> {
    let looked = fs::metadata(path).and_then(|meta| match meta.is_file() {
        true => fs::File::open(path).map(drop),
        false if meta.is_dir() => Err(std::io::ErrorKind::IsADirectory.into()),
        false => Ok(()),
    });
    looked.err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_file_that_is_named_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for name in ["pw", "ca", "cert", "key", "token", "user"] {
            fs::write(at(name), "x").unwrap();
        }
        symlink(at("pw"), at("link")).unwrap();
        let good = format!(
            "{{basic_auth: {{username_file: {}, password_file: {}}}, tls_config: {{ca_file: {}, cert_file: {}, key_file: {}}}, http_headers: {{X-A: {{files: [{}]}}}}}}",
            at("user"),
            at("link"),
            at("ca"),
            at("cert"),
            at("key"),
            at("token")
        );
        let config = |yaml: &str| serde_yaml::from_str::<HttpConfig>(yaml).unwrap();
        assert_eq!(config(&good).unreadable(), None);
        assert_eq!(config(&good).files().len(), 6);
        for (yaml, key) in [
            ("{authorization: {credentials_file: FILE}}", "authorization.credentials_file"),
            ("{bearer_token_file: FILE}", "bearer_token_file"),
            ("{basic_auth: {username: u, password_file: FILE}}", "basic_auth.password_file"),
            ("{basic_auth: {username_file: FILE}}", "basic_auth.username_file"),
            ("{http_headers: {X-A: {files: [FILE]}}}", "http_headers.X-A.files"),
            ("{tls_config: {ca_file: FILE}}", "tls_config.ca_file"),
            ("{tls_config: {cert_file: FILE}}", "tls_config.cert_file"),
            ("{tls_config: {key_file: FILE}}", "tls_config.key_file"),
            (
                "{oauth2: {client_id: a, token_url: 'http://t', client_secret_file: FILE}}",
                "oauth2.client_secret_file",
            ),
            (
                "{oauth2: {client_id: a, token_url: 'http://t', tls_config: {ca_file: FILE}}}",
                "oauth2.tls_config.ca_file",
            ),
        ] {
            let said = config(&yaml.replace("FILE", &at("none"))).unreadable().unwrap();
            assert!(said.starts_with(&format!("`{key}`: can't read `{}`: No such", at("none"))), "{said}");
        }
        let said = config(&format!("{{bearer_token_file: {}}}", dir.path().display())).unreadable().unwrap();
        assert!(said.contains("directory"), "{said}");
    }
}
