//! The kind of an effect in a few words: what an approval holds on to while the whole of it is not yet known.

use super::effect::Effect;
use super::hold::Hold;

/// What stands for the part of a kind that a hole decides: no effect is of such a kind.
const NOT_KNOWN: &str = "(not yet known)";

impl Effect {
    /// Returns its kind: `run systemctl`, `POST https://wiki.example.com`, `query`.
    pub fn kind(&self) -> String {
        match self {
            Effect::Command(command) => of_command(command.argv.first().map(String::as_str)),
            Effect::Request(request) => {
                let server = match &request.connection {
                    Some(name) => format!("connection {name}"),
                    None => origin(&request.url).unwrap_or(&request.url).to_owned(),
                };
                format!("{} {server}", request.method)
            }
            Effect::Query(_) => "query".to_owned(),
            Effect::Sighting(_) => "look".to_owned(),
            Effect::Hold(effect) => effect.hold.describe().to_owned(),
        }
    }

    /// Returns whether it does the same as another. By which key a server knows a repeated request, and since
    /// when an alert that is posted fires, is not what it does.
    pub fn does_the_same(&self, other: &Effect) -> bool {
        match (self, other) {
            (Effect::Request(one), Effect::Request(two)) => {
                let (mut one, mut two) = (one.clone(), two.clone());
                (one.idempotency_key, two.idempotency_key) = (None, None);
                one == two
            }
            (Effect::Command(one), Effect::Command(two)) => {
                let (mut one, mut two) = (one.clone(), two.clone());
                (one.context, two.context) = (None, None);
                one == two
            }
            _ => self == other,
        }
    }
}

impl Hold {
    /// Returns whether it is the same as another but for the time at which it was thought of.
    pub fn does_the_same(&self, other: &Hold) -> bool {
        match (self, other) {
            (Hold::Alert(one), Hold::Alert(two)) => {
                let mut two = two.clone();
                two.starts_at = one.starts_at;
                *one == two
            }
            _ => self == other,
        }
    }
}

/// Returns the kind of a command; without a program, of one that only a hole decides.
pub(super) fn of_command(program: Option<&str>) -> String {
    format!("run {}", program.unwrap_or(NOT_KNOWN))
}

/// Returns the kind of a request to a connection, or to the server that the author's text names.
pub(super) fn of_request(method: &str, connection: Option<&str>, url: &str) -> String {
    if let Some(name) = connection {
        return format!("{method} connection {name}");
    }
    let certain = url.split("{{").next().unwrap_or(url);
    let is_whole = certain.len() == url.len();
    let server = origin(certain).filter(|origin| is_whole || origin.len() < certain.len());
    format!("{method} {}", server.unwrap_or(NOT_KNOWN))
}

/// Returns scheme, host and port of a URL.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // Who logs in is not where it goes, and a password is not shown.
    let host = host.rsplit('@').next().unwrap_or(host);
    let at = scheme.len() + 3;
    if url.get(at..at + host.len()) == Some(host) { url.get(..at + host.len()) } else { Some(host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_request_is_known_as_far_as_the_author_wrote_it() {
        for (url, kind) in [
            ("https://wiki.example.com/api/{{ x }}", "POST https://wiki.example.com"),
            ("https://wiki.example.com", "POST https://wiki.example.com"),
            ("https://wiki.example.com{{ x }}", "POST (not yet known)"),
            ("https://{{ x }}/api", "POST (not yet known)"),
            ("{{ x }}", "POST (not yet known)"),
            ("https://ann:hush@h:1/x", "POST h:1"),
        ] {
            assert_eq!(of_request("POST", None, url), kind, "{url}");
        }
        assert_eq!(of_request("GET", Some("wiki"), "{{ x }}"), "GET connection wiki");
    }
}
