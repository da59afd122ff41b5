//! Filters on addresses and paths.

/// The host of `host:port`, `[v6]:port`, a bare address, or a URL.
pub(super) fn host(address: &str) -> String {
    split_address(address).0.to_owned()
}

/// The port of `host:port` or of a URL, when it names one.
pub(super) fn port(address: &str) -> Option<u16> {
    split_address(address).1.and_then(|port| port.parse().ok())
}

fn split_address(address: &str) -> (&str, Option<&str>) {
    let authority = match address.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            authority.rsplit_once('@').map_or(authority, |(_, host)| host)
        }
        None => address,
    };
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match authority.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        // No colon, or several: an IPv6 address without brackets has no port.
        _ => (authority, None),
    }
}

/// `"/var/log/syslog" | basename`, as POSIX has it: slashes at the end don't count.
pub(super) fn basename(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() && !path.is_empty() {
        return "/".to_owned();
    }
    trimmed.rsplit('/').next().unwrap_or_default().to_owned()
}

/// `"/var/log/syslog" | dirname`, as POSIX has it.
pub(super) fn dirname(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((directory, _)) => {
            let directory = directory.trim_end_matches('/');
            if directory.is_empty() { "/".to_owned() } else { directory.to_owned() }
        }
        None if trimmed.is_empty() && !path.is_empty() => "/".to_owned(),
        None => ".".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_come_apart() {
        for (address, expected_host, expected_port) in [
            ("db1:9100", "db1", Some(9100)),
            ("db1", "db1", None),
            ("10.0.0.1:80", "10.0.0.1", Some(80)),
            ("[2001:db8::1]:9100", "2001:db8::1", Some(9100)),
            ("[::1]", "::1", None),
            ("2001:db8::1", "2001:db8::1", None),
            ("https://user@example.com:8443/path?x=1", "example.com", Some(8443)),
            ("https://example.com/a:b", "example.com", None),
            ("db1:metrics", "db1", None),
            ("", "", None),
        ] {
            assert_eq!((host(address).as_str(), port(address)), (expected_host, expected_port), "{address}");
        }
    }

    #[test]
    fn paths_come_apart_as_basename_and_dirname_of_posix_do() {
        for (path, base, directory) in [
            ("/var/log/syslog", "syslog", "/var/log"),
            ("/var/log/", "log", "/var"),
            ("file", "file", "."),
            ("/file", "file", "/"),
            ("/", "/", "/"),
            ("//a//b", "b", "//a"),
            ("", "", "."),
        ] {
            assert_eq!((basename(path).as_str(), dirname(path).as_str()), (base, directory), "{path}");
        }
    }
}
