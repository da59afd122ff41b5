//! URLs: a value stays in its segment of the path, or its name or value of the query.

use std::path::Path;

use amflow::template::UrlTemplate;
use url::{Url, form_urlencoded};

use super::template::{Case, WORD, filled, scope, with_hostile_values};

const WRITTEN: &[&str] = &[
    "https://host.example:8443/a/{{ x }}/b?c=d#e",
    "https://h/?q={{ x }}&{{ x }}=s#{{ x }}",
    "http://user:pw@h/{{ x }}-{{ x }}",
    "https://[::1]:80/%7E{{ x }}/.{{ x }}",
    "https://h?{{ x }}",
    "https://h/{% if n %}{{ x }}{% else %}b{% endif %}",
    "https://h/{% for h in hosts %}{{ h }}/{% endfor %}end",
    "HTTPS://H/../a/./{{ x }}",
    "https://{{ x }}/",
    "https:/{{ x }}",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    with_hostile_values(WRITTEN)
}

/// The input is a value and a URL.
pub(crate) fn check(data: &[u8]) {
    let case = Case::of(data);
    let template = match UrlTemplate::compile(&case.source) {
        Ok(template) => template,
        Err(problems) => return case.are_in(&problems),
    };
    let text = match template.render(&case.scope()) {
        Ok(text) => text,
        Err(error) => return case.is_told(&error),
    };
    let url = Url::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert!(["http", "https"].contains(&url.scheme()) && url.has_host(), "{text}");
    if !case.is_plain() {
        return;
    }
    // A word takes the same places, and in them a value must be found again.
    let worded = template.render(&scope(WORD)).unwrap_or_else(|error| panic!("{:?}: {error}", case.source));
    let worded = Url::parse(&worded).unwrap_or_else(|error| panic!("{worded}: {error}"));
    let about = format!("{:?} with {:?} became {text}", case.source, case.value);
    let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port());
    assert_eq!(place(&url), place(&worded), "{about}");
    let user = |url: &Url| (url.username().to_owned(), url.password().map(str::to_owned));
    assert_eq!(user(&url), user(&worded), "{about}");
    let path = |url: &Url| url.path().split('/').map(decoded).collect::<Vec<_>>();
    assert_eq!(path(&url), with(path(&worded), &case.value), "{about}");
    let query = |url: &Url| url.query().map(|query| query.split('&').map(decoded).collect::<Vec<_>>());
    assert_eq!(query(&url), query(&worded).map(|parts| with(parts, &case.value)), "{about}");
    let fragment = |url: &Url| url.fragment().map(decoded).into_iter().collect::<Vec<_>>();
    assert_eq!(fragment(&url), with(fragment(&worded), &case.value), "{about}");
    let pairs = |url: &Url| url.query_pairs().into_owned().collect::<Vec<_>>();
    // A part of the query in which nothing stands any more is no parameter.
    let parts = worded.query().unwrap_or_default().split('&');
    let parts = parts.filter(|part| !filled(&decoded(part), &case.value).is_empty());
    let expected = parts.flat_map(|part| form_urlencoded::parse(part.as_bytes()).into_owned());
    let expected: Vec<_> =
        expected.map(|(n, v)| (filled(&n, &case.value), filled(&v, &case.value))).collect();
    assert_eq!(pairs(&url), expected, "{about}");
}

/// Takes percent-encoding away. Bytes that are no UTF-8 stay apart from all that is.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        let byte = match (first, tail) {
            (b'%', [high, low, ..]) => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4) | low)
            }
            _ => None,
        };
        if byte.is_some() {
            rest = &tail[2..];
        }
        bytes.push(byte.unwrap_or(*first));
    }
    String::from_utf8(bytes).unwrap_or_else(|error| format!("not UTF-8: {:?}", error.as_bytes()))
}

fn with(parts: Vec<String>, value: &str) -> Vec<String> {
    parts.iter().map(|part| filled(part, value)).collect()
}
