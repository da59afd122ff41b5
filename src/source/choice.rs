//! Which source it is. Main function: [`choose`], which looks at nothing but what it is handed.

use std::path::PathBuf;

use url::Url;

use super::error::SourceError;

/// Where alerts are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Alertmanager is asked.
    Poll,
    /// Standard input.
    Stdin {
        /// Somebody said so (`--from -`), so that no alerts at all may be meant.
        named: bool,
    },
    /// A file.
    File(PathBuf),
    /// What a GET of this address answers.
    Url(Url),
}

/// What standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stdin {
    /// A terminal: somebody sits there.
    Terminal,
    /// `/dev/null`, another device, or nothing: what a process without an input is given.
    Nothing,
    /// A pipe, a socket or a file: somebody made it carry data.
    Data,
}

/// Chooses the source: the one that is named by `from` (`--from`) or `poll` (`--poll`), else standard input
/// when it carries data, else a poll.
///
/// Where Alertmanager is says nothing about where alerts come from: `alertmanager` only tells whether a poll
/// is possible. An empty pipe is a source too, and never turns into a poll: when `amtool ... |` fails,
/// nothing may be started.
///
/// # Errors
/// Two sources are named, the name is none, or there is nobody to poll.
pub fn choose(
    from: Option<&str>,
    poll: bool,
    stdin: Stdin,
    alertmanager: bool,
) -> Result<Source, SourceError> {
    match (from, poll) {
        (Some(from), true) => Err(SourceError::TwoSources { from: from.to_owned() }),
        (Some(from), false) => named(from),
        (None, false) if stdin == Stdin::Data => Ok(Source::Stdin { named: false }),
        (None, _) if alertmanager => Ok(Source::Poll),
        (None, _) => Err(SourceError::NobodyToPoll),
    }
}

/// Returns what is to be said when standard input is not read although bytes wait there.
pub fn passed_over(source: &Source, bytes_wait: bool) -> Option<&'static str> {
    let instead = match source {
        Source::Stdin { .. } => return None,
        Source::Poll => "standard input holds data, and is ignored because of --poll",
        Source::File(_) | Source::Url(_) => "standard input holds data, and is ignored because of --from",
    };
    bytes_wait.then_some(instead)
}

fn named(from: &str) -> Result<Source, SourceError> {
    let scheme = from.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        _ if from == "-" => Ok(Source::Stdin { named: true }),
        _ if from.is_empty() => {
            Err(SourceError::NoSource { from: from.to_owned(), why: "it is empty".to_owned() })
        }
        Some("http" | "https") => Url::parse(from)
            .map(Source::Url)
            .map_err(|error| SourceError::NoSource { from: from.to_owned(), why: error.to_string() }),
        Some(other) if other.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => {
            let why = format!("`{other}` is no scheme that alerts can be read by: use http or https");
            Err(SourceError::NoSource { from: from.to_owned(), why })
        }
        _ => Ok(Source::File(PathBuf::from(from))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STDINS: [Stdin; 3] = [Stdin::Terminal, Stdin::Nothing, Stdin::Data];

    /// Says a choice in one word.
    fn word(from: Option<&str>, poll: bool, stdin: Stdin, alertmanager: bool) -> &'static str {
        match choose(from, poll, stdin, alertmanager) {
            Ok(Source::Poll) => "poll",
            Ok(Source::Stdin { named: true }) => "named stdin",
            Ok(Source::Stdin { named: false }) => "stdin",
            Ok(Source::File(_)) => "file",
            Ok(Source::Url(_)) => "url",
            Err(SourceError::NobodyToPoll) => "nobody",
            Err(SourceError::TwoSources { .. }) => "two",
            Err(SourceError::NoSource { .. }) => "none",
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_combination_has_its_source() {
        // By --from, --poll: what a terminal, nothing and data on standard input choose, with an Alertmanager
        // and without one.
        let table = [
            (None, false, ["poll", "poll", "stdin"], ["nobody", "nobody", "stdin"]),
            (None, true, ["poll"; 3], ["nobody"; 3]),
            (Some("-"), false, ["named stdin"; 3], ["named stdin"; 3]),
            (Some("alerts.json"), false, ["file"; 3], ["file"; 3]),
            (Some("/dev/stdin"), false, ["file"; 3], ["file"; 3]),
            (Some("./http:/x"), false, ["file"; 3], ["file"; 3]),
            (Some("http://h/alerts"), false, ["url"; 3], ["url"; 3]),
            (Some("HTTPS://h:1/"), false, ["url"; 3], ["url"; 3]),
            (Some("ftp://h/x"), false, ["none"; 3], ["none"; 3]),
            (Some("http://"), false, ["none"; 3], ["none"; 3]),
            (Some(""), false, ["none"; 3], ["none"; 3]),
            (Some("-"), true, ["two"; 3], ["two"; 3]),
            (Some("alerts.json"), true, ["two"; 3], ["two"; 3]),
            (Some("http://h/"), true, ["two"; 3], ["two"; 3]),
        ];
        for (from, poll, with, without) in table {
            for (alertmanager, wanted) in [(true, with), (false, without)] {
                for (stdin, wanted) in STDINS.into_iter().zip(wanted) {
                    let got = word(from, poll, stdin, alertmanager);
                    assert_eq!(got, wanted, "{from:?} {poll} {stdin:?} {alertmanager}");
                }
            }
        }
    }

    #[test]
    fn bytes_that_nobody_reads_are_told_of() {
        let file = Source::File("a".into());
        let url = Source::Url(Url::parse("http://h/").unwrap());
        for (source, says) in [(&Source::Poll, "--poll"), (&file, "--from"), (&url, "--from")] {
            assert_eq!(passed_over(source, false), None);
            assert!(passed_over(source, true).unwrap().contains(says));
        }
        for named in [true, false] {
            assert_eq!(passed_over(&Source::Stdin { named }, true), None);
        }
    }
}
