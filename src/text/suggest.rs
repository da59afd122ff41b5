//! The closest known word to one that is not known: `did you mean ...`.

/// Returns the known word that was probably meant by `word`, or none when nothing is close.
///
/// Letters may be swapped, missing, doubled or wrong: one in a word of up to 5, then one more per 3.
/// Case and the difference between `-`, `_` and a space count for little.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normal(word);
    let length = wanted.chars().count();
    let allowed = if length <= 2 { length.saturating_sub(1) } else { 1 + length.saturating_sub(3) / 3 };
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let normal = normal(candidate);
        let distance = if normal == wanted { 0 } else { distance(&wanted, &normal) };
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) && candidate != word {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Returns `did you mean ...?` for the closest known word, or the list of known words when it is short.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = closest(word, known.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let known: Vec<&str> = known.into_iter().collect();
    (1..=12).contains(&known.len()).then(|| format!("known here: {}", list(&known)))
}

/// Returns words in backticks with commas between them.
pub fn list<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    quoted.join(", ")
}

/// Long words are not worth comparing: the distance takes the product of both lengths.
const LONGEST: usize = 80;

fn distance(a: &str, b: &str) -> usize {
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let plural = a.strip_suffix('s') == Some(b) || b.strip_suffix('s') == Some(a);
    if plural { 1 } else { strsim::osa_distance(a, b) }
}

fn normal(word: &str) -> String {
    word.chars().map(|c| if matches!(c, '-' | ' ') { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 8] = ["name", "matchers", "when", "status", "limits", "timeout", "on_failure", "id"];

    #[test]
    fn slips_of_the_keyboard_find_the_word() {
        for (typed, meant) in [
            ("nmae", "name"),
            ("matcher", "matchers"),
            ("Timeout", "timeout"),
            ("on-failure", "on_failure"),
            ("onfailure", "on_failure"),
            ("stauts", "status"),
            ("ids", "id"),
        ] {
            assert_eq!(closest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn other_words_find_nothing() {
        for typed in ["description", "x", "", "retry", "zz"] {
            assert_eq!(closest(typed, KEYS), None, "{typed}");
        }
        assert_eq!(closest(&"n".repeat(5000), KEYS), None);
    }

    #[test]
    fn a_hint_names_the_closest_word_or_a_short_list() {
        assert_eq!(hint("nmae", KEYS).as_deref(), Some("did you mean `name`?"));
        assert_eq!(hint("zz", ["a_b", "c_d"]).as_deref(), Some("known here: `a_b`, `c_d`"));
        assert_eq!(hint("zz", []), None);
        assert_eq!(hint("zz", ["some_long_word"; 20]), None);
    }
}
