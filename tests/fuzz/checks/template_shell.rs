//! Shell scripts: the script is the same whatever the value is, and does not hold it.

use std::path::Path;

use amflow::template::{Dialect, ShellScript, ShellTemplate};

use super::hostile::{FRAGMENTS, hostile_values, places};
use super::input::input;
use super::template::{Case, WORD, filled, scope};

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let scripts = places().into_iter().map(|place| place.script.to_owned());
    let values = hostile_values();
    let mut values = values.iter().filter(|value| value.len() < 200).cycle();
    let pairs =
        FRAGMENTS.iter().zip(FRAGMENTS.iter().skip(1)).map(|(one, two)| format!("{one}{{{{ x }}}}{two}"));
    let all = scripts.chain(pairs).chain(FRAGMENTS.iter().map(|text| (*text).to_owned()));
    all.map(|script| input(&[values.next().expect("they go round"), &script])).collect()
}

/// The input is a value and a script.
pub(crate) fn check(data: &[u8]) {
    let case = Case::of(data);
    for dialect in [Dialect::Posix, Dialect::Bash] {
        let template = match ShellTemplate::compile(&case.source, dialect) {
            Ok(template) => template,
            Err(problems) => {
                case.are_in(&problems);
                continue;
            }
        };
        let references = template.references();
        assert!(
            references.iter().all(|reference| case.source.get(reference.range.clone()).is_some()),
            "{:?}",
            case.source
        );
        assert!(
            template.variables_read_as_code().all(|(name, becomes)| !name.is_empty() && !becomes.is_empty())
        );
        let made = match template.render(&case.scope()) {
            Ok(made) => made,
            Err(error) => {
                case.is_told(&error);
                continue;
            }
        };
        assert!(!made.script.contains('\0'), "{:?} became {:?}", case.source, made.script);
        if case.is_plain() {
            is_unchanged(&case, &template, &made);
        } else if !template.references().iter().any(|reference| reference.raw) && !case.source.contains("raw")
        {
            let is_telling =
                case.value.len() > 12 && !case.source.contains(&case.value) && !case.value.contains("AMFLOW");
            assert!(
                !is_telling || !made.script.contains(&case.value),
                "{:?} became {}",
                case.source,
                made.script
            );
        }
    }
}

/// Sees that the value is in the variables, and nowhere else.
fn is_unchanged(case: &Case, template: &ShellTemplate, made: &ShellScript) {
    let about = format!("{:?} with {:?} became {}", case.source, case.value, made.script);
    let values: Vec<&str> = made.variables.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, vec![case.value.as_str(); case.source.matches("{{ x }}").count()], "{about}");
    let names: Vec<&str> = made.variables.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<String> = (0..names.len()).map(|at| format!("AMFLOW_V{at}")).collect();
    assert_eq!(names, expected, "{about}");
    match template.render(&scope(WORD)) {
        Ok(worded) => assert_eq!(worded.script, made.script, "{about}"),
        // Arithmetic takes numbers and no words.
        Err(error) => assert_eq!(error.code, "shell-not-a-number", "{about}: {error}"),
    }
    assert!(!made.script.contains(WORD) || filled(&case.source, "") != case.source, "{about}");
}
