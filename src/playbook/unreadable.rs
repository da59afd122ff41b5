//! What a run is given in place of a playbook whose text can no longer be read: [`unreadable`].

/// Returns the text of a playbook that fails at once, and says why the text that the run kept cannot be read by
/// this version. The run ends by it as any failed one does: its holds are released, its limits and its concurrency
/// key are free again.
///
/// `taken` tells which paths of steps the run has already: the failing step must be none of them.
pub fn unreadable(name: &str, text: &str, why: &str, taken: impl Fn(&str) -> bool) -> String {
    let step = std::iter::once("playbook".to_owned())
        .chain((2..u32::MAX).map(|n| format!("playbook_{n}")))
        .find(|id| !taken(id))
        .unwrap_or_default();
    // JSON is YAML. Braces in it are text, not a template.
    let why = why.replace('{', "(").replace('}', ")");
    let message = serde_json::Value::String(format!("its text can no longer be read: {why}"));
    // As far as a text tells that cannot be read.
    let sync = if text.contains("on_failure: alert") { "sync: {on_failure: alert}\n" } else { "" };
    format!(
        "version: 1\nname: \"{name}\"\nmatchers: ['alertname =~ \".+\"']\nrecheck: never\ntimeout: none\n{sync}steps:\n  \
         - {{id: {step}, fail: {message}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::{Facts, compile_text};

    #[test]
    fn whatever_is_wrong_it_is_a_playbook_with_a_step_of_its_own() {
        for why in ["unknown key `x`", "a \"b\" {{ c }} {% d %}\n'e' # f: \u{1}", ""] {
            let text = unreadable("1.disk-full_x", "sync: {on_failure: alert}", why, |path| {
                path == "playbook" || path == "playbook_2"
            });
            let playbook = compile_text(&text, &Facts::default()).unwrap();
            assert_eq!(playbook.name.as_str(), "1.disk-full_x");
            assert_eq!(playbook.steps[0].id.as_str(), "playbook_3");
            assert!(playbook.sync.alert_on_failure, "people are told as they were to be");
        }
    }
}
