//! What a web page could make a browser on this machine send, and what of it is refused.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Returns whether a page of another site makes a browser send this. Without credentials, as on loopback, such a
/// request would do something; with them browsers send none along.
pub(super) fn is_from_another_site(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (says("sec-fetch-site"), says("origin"), says("host")) {
        (Some(site), ..) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, from)| from != host),
        (None, Some(_), None) => true,
        (None, None, _) => false,
    }
}

/// Returns whether a request names a host that is not this machine. A page may have its own name lead to loopback, and
/// is then of the same site for the browser (DNS rebinding); it cannot make the browser name an address, `localhost`
/// or the `own` host instead.
pub(super) fn is_for_another_host(headers: &HeaderMap, own: Option<&str>) -> bool {
    let Some(host) = headers.get(header::HOST) else { return false };
    let Ok(host) = host.to_str() else { return true };
    let name = without_port(host);
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is = |other: &str| name.trim_end_matches('.').eq_ignore_ascii_case(other);
    !(name.is_empty() || is_address || is("localhost") || own.is_some_and(is))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_browser_sends_nothing_for_another_site() {
        let from = |pairs: &[(&'static str, &'static str)]| is_from_another_site(&headers(pairs));
        assert!(!from(&[("host", "amflow:9096")]), "no browser");
        assert!(!from(&[("host", "a:1"), ("origin", "http://a:1"), ("sec-fetch-site", "same-origin")]));
        assert!(!from(&[("host", "a:1"), ("origin", "https://a:1")]));
        assert!(!from(&[("sec-fetch-site", "none")]), "typed by a person");
        assert!(from(&[("host", "a:1"), ("origin", "http://b:1")]));
        assert!(from(&[("host", "a:1"), ("origin", "null")]));
        assert!(from(&[("host", "a:1"), ("origin", "http://a:1"), ("sec-fetch-site", "cross-site")]));
        assert!(from(&[("host", "a:1"), ("sec-fetch-site", "same-site")]));
    }

    #[test]
    fn only_names_that_cannot_be_made_to_lead_here_are_this_machine() {
        for host in
            ["127.0.0.1:9096", "127.0.0.1", "[::1]:9096", "[::1]", "localhost:9096", "LOCALHOST.", "", ":80"]
        {
            assert!(!is_for_another_host(&headers(&[("host", host)]), None), "{host}");
        }
        assert!(!is_for_another_host(&headers(&[]), None), "no browser leaves it out");
        for host in
            ["evil.example:9096", "localhost.evil.example", "127.0.0.1.evil.example", "ops.example", "a:b"]
        {
            assert!(is_for_another_host(&headers(&[("host", host)]), None), "{host}");
        }
        assert!(!is_for_another_host(&headers(&[("host", "Ops.example:443")]), Some("ops.example")));
        assert!(is_for_another_host(&headers(&[("host", "other.example")]), Some("ops.example")));
    }
}
