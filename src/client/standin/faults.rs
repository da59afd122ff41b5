//! What can be made to go wrong with the stand-in. Main type: [`Fault`].

use std::time::Duration;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A web page instead of JSON, with status 200.
    Html,
    /// A status with a text, nothing being done.
    Status(u16, String),
    /// The request is done, and its answer breaks off in the middle.
    HalfBody,
    /// The connection is closed as soon as it is made. Requests that are named by a rule are answered with
    /// a broken empty body instead, nothing being done.
    Refuse,
    /// The request is done after a time.
    Delay(Duration),
}

/// Which requests a fault befalls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// The method; none means every method.
    pub method: Option<String>,
    /// A part of the path; an empty one means every path.
    pub path: String,
    /// How many requests it befalls; none means all until it is healed.
    pub times: Option<usize>,
}

impl FaultRule {
    /// Befalls every request until it is healed.
    pub fn always(fault: Fault) -> Self {
        Self { fault, method: None, path: String::new(), times: None }
    }

    /// Befalls the next request with this method and this part of a path.
    pub fn once(fault: Fault, method: &str, path: &str) -> Self {
        Self { fault, method: Some(method.to_owned()), path: path.to_owned(), times: Some(1) }
    }

    fn concerns(&self, method: &str, path: &str) -> bool {
        self.times != Some(0)
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && path.contains(&self.path)
    }
}

/// Takes the first rule that concerns a request, and counts it.
pub(super) fn take(rules: &mut Vec<FaultRule>, method: &str, path: &str) -> Option<Fault> {
    let rule = rules.iter_mut().find(|rule| rule.concerns(method, path))?;
    let fault = rule.fault.clone();
    if let Some(times) = &mut rule.times {
        *times -= 1;
    }
    rules.retain(|rule| rule.times != Some(0));
    Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_befalls_what_it_names_as_often_as_it_says() {
        let mut rules =
            vec![FaultRule::once(Fault::Html, "POST", "/silences"), FaultRule::always(Fault::HalfBody)];
        assert_eq!(take(&mut rules, "POST", "/api/v2/silences"), Some(Fault::Html));
        assert_eq!(take(&mut rules, "POST", "/api/v2/silences"), Some(Fault::HalfBody));
        assert_eq!(take(&mut rules, "GET", "/x"), Some(Fault::HalfBody));
        assert_eq!(rules.len(), 1);
    }
}
