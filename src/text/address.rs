//! Addresses as they are shown. Main function: [`without_password`].

use std::borrow::Cow;

/// Returns an address, or the template of one, without the password that stands in it.
pub fn without_password(address: &str) -> Cow<'_, str> {
    let Some(authority) = address.find("://").map(|at| at + 3) else { return Cow::Borrowed(address) };
    let rest = &address[authority..];
    let rest = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let password = rest.rfind('@').and_then(|end| Some((rest[..end].find(':')? + 1, end)));
    match password {
        Some((start, end)) => {
            let (start, end) = (authority + start, authority + end);
            Cow::Owned(format!("{}redacted{}", &address[..start], &address[end..]))
        }
        None => Cow::Borrowed(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_and_nothing_else_is_touched() {
        for (address, shown) in [
            ("https://u:hush@h/a", "https://u:redacted@h/a"),
            ("https://u:h@sh@h:8080", "https://u:redacted@h:8080"),
            ("https://u@h/a:b@c", "https://u@h/a:b@c"),
            ("https://h:80/x@y", "https://h:80/x@y"),
            ("https://u:{{ env.P }}@{{ vars.host }}/", "https://u:redacted@{{ vars.host }}/"),
            ("mailto:u@h", "mailto:u@h"),
            ("/api/x", "/api/x"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }
}
