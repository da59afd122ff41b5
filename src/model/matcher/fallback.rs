//! The default of Alertmanager 0.27 and later: both grammars run, and where they differ the classic one wins.

use super::{Matcher, MatcherError, MatcherWarning, Parsed, Seen, classic, utf8};

/// Reads a list by both grammars.
pub(super) fn parse_list(text: &str, seen: &mut Seen) -> Result<Parsed, MatcherError> {
    let (matchers, warnings) = choose(
        utf8::parse_list(text, seen),
        || classic::parse_list(text, seen),
        text,
        |list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    )?;
    Ok(Parsed { matchers, warnings })
}

/// Reads one matcher by both grammars; braces around it are refused first.
pub(super) fn parse_one(text: &str, seen: &mut Seen) -> Result<(Matcher, Vec<MatcherWarning>), MatcherError> {
    if let Some(error) = utf8::braces(text) {
        return Err(error);
    }
    choose(utf8::parse_single(text, seen), || classic::parse_one(text, 0, seen), text, ToString::to_string)
}

fn choose<T: PartialEq>(
    new: Result<T, MatcherError>,
    old: impl FnOnce() -> Result<T, MatcherError>,
    text: &str,
    print: impl Fn(&T) -> String,
) -> Result<(T, Vec<MatcherWarning>), MatcherError> {
    match (new, old()) {
        (Ok(new), Ok(old)) if new == old => Ok((new, Vec::new())),
        (Ok(_), Ok(old)) => {
            let message =
                format!("Alertmanager's two grammars read `{text}` in different ways; the classic one holds");
            let suggestion = print(&old);
            Ok((old, vec![MatcherWarning { message, suggestion }]))
        }
        (Err(error), Ok(old)) => {
            let message = format!("only Alertmanager's classic grammar can read `{text}` ({error})");
            let suggestion = print(&old);
            Ok((old, vec![MatcherWarning { message, suggestion }]))
        }
        (Ok(new), Err(_)) => Ok((new, Vec::new())),
        // The words of the classic grammar, as in Alertmanager; where they only say that the shape is wrong,
        // the new grammar knows the place.
        (Err(new), Err(old)) => {
            let vague = old.message.starts_with("bad matcher format")
                && (1..old.range.len()).contains(&new.range.len());
            let range = if vague { new.range } else { old.range };
            Err(MatcherError { message: old.message, range, hint: old.hint.or(new.hint) })
        }
    }
}
