//! Numbers with their nouns: `1 problem`, `2 problems`.

/// Returns a number and its noun, the noun in the plural unless the number is 1.
///
/// ```
/// use amflow::text::plural;
/// assert_eq!(plural(1, "problem"), "1 problem");
/// assert_eq!(plural(0, "problem"), "0 problems");
/// assert_eq!(plural(2, "retry"), "2 retries");
/// ```
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        return format!("1 {noun}");
    }
    let bytes = noun.as_bytes();
    let before = bytes.len().checked_sub(2).map(|at| bytes[at].to_ascii_lowercase());
    match noun.strip_suffix('y') {
        Some(stem) if !matches!(before, Some(b'a' | b'e' | b'o' | b'u')) => format!("{count} {stem}ies"),
        _ if ["s", "x", "ch", "sh"].iter().any(|end| noun.ends_with(end)) => format!("{count} {noun}es"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_follow_their_number() {
        for (count, noun, expected) in [
            (0, "run", "0 runs"),
            (1, "run", "1 run"),
            (3, "entry", "3 entries"),
            (3, "delivery", "3 deliveries"),
            (2, "key", "2 keys"),
            (2, "match", "2 matches"),
            (2, "status", "2 statuses"),
        ] {
            assert_eq!(plural(count, noun), expected);
        }
    }
}
