//! [`Question`]: what a task asks beside yes or no, with the type of its answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Pattern;
use crate::text::{closest, word_list};

/// Bytes of one answer, at most.
const MOST_BYTES: usize = 4096;

/// What a task asks beside yes or no.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// The answer's name: `steps.<id>.inputs.<name>`.
    pub name: String,
    /// What people are asked; the name when nothing is written.
    pub prompt: String,
    /// What the answer is.
    #[serde(rename = "type")]
    pub kind: QuestionType,
    /// Whether there is no approval without an answer.
    pub required: bool,
    /// The answer when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What a text must match as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// What a choice may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QuestionType {
    /// A text.
    #[default]
    String,
    /// A whole number.
    Int,
    /// Yes or no.
    Bool,
    /// One of several texts.
    Choice,
}

impl QuestionType {
    /// Returns the type of this name.
    pub fn parse(word: &str) -> Option<QuestionType> {
        Some(match word {
            "string" => QuestionType::String,
            "int" => QuestionType::Int,
            "bool" => QuestionType::Bool,
            "choice" => QuestionType::Choice,
            _ => return None,
        })
    }
}

impl Question {
    /// Takes an answer: a value of its type, or the text that somebody typed for it.
    ///
    /// # Errors
    ///
    /// Why it is none, for people.
    pub fn accept(&self, given: &Value) -> Result<Value, String> {
        match (self.kind, given) {
            (_, Value::String(text)) => self.read(text),
            (QuestionType::Int, Value::Number(number)) => match number.as_i64() {
                Some(number) => self.number(number),
                None => Err(format!("`{number}` is not a whole number")),
            },
            (QuestionType::Bool, Value::Bool(_)) => Ok(given.clone()),
            _ => Err(format!("{} is needed", self.wanted())),
        }
    }

    /// Returns what an answer is, for people: `a whole number from 1 to 9`.
    pub fn wanted(&self) -> String {
        match self.kind {
            QuestionType::String => "a text".to_owned(),
            QuestionType::Bool => "`yes` or `no`".to_owned(),
            QuestionType::Choice => {
                format!("one of {}", word_list(&self.choices.iter().map(String::as_str).collect::<Vec<_>>()))
            }
            QuestionType::Int => match (self.min, self.max) {
                (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
                (Some(min), None) => format!("a whole number of at least {min}"),
                (None, Some(max)) => format!("a whole number of at most {max}"),
                (None, None) => "a whole number".to_owned(),
            },
        }
    }

    fn read(&self, text: &str) -> Result<Value, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("it is longer than {MOST_BYTES} bytes"));
        }
        match self.kind {
            QuestionType::String => self.text(text),
            QuestionType::Int => match text.trim().parse::<i64>() {
                Ok(number) => self.number(number),
                Err(_) => Err(format!("`{text}` is not {}", self.wanted())),
            },
            QuestionType::Bool => match text.trim().to_ascii_lowercase().as_str() {
                "yes" | "y" | "true" => Ok(Value::Bool(true)),
                "no" | "n" | "false" => Ok(Value::Bool(false)),
                _ => Err(format!("`{text}` is not {}", self.wanted())),
            },
            QuestionType::Choice if self.choices.iter().any(|choice| choice == text) => Ok(text.into()),
            QuestionType::Choice => {
                let near = closest(text, self.choices.iter().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                Err(format!("`{text}` is not {}{near}", self.wanted()))
            }
        }
    }

    fn text(&self, text: &str) -> Result<Value, String> {
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err("it has control characters".to_owned());
        }
        if let Some(source) = &self.pattern {
            // It was read when the playbook was loaded; what cannot be read any more matches nothing.
            if !Pattern::new(source).is_ok_and(|pattern| pattern.is_match(text)) {
                return Err(format!("`{text}` does not match `{source}`"));
            }
        }
        Ok(text.into())
    }

    fn number(&self, number: i64) -> Result<Value, String> {
        if self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max) {
            return Err(format!("`{number}` is not {}", self.wanted()));
        }
        Ok(number.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question(kind: QuestionType) -> Question {
        Question {
            name: "q".to_owned(),
            prompt: "q".to_owned(),
            kind,
            required: true,
            default: None,
            pattern: None,
            choices: Vec::new(),
            min: None,
            max: None,
        }
    }

    #[test]
    fn an_answer_has_the_type_that_was_asked_for() {
        let text = Question { pattern: Some("[a-z]+".to_owned()), ..question(QuestionType::String) };
        let int = Question { min: Some(1), max: Some(9), ..question(QuestionType::Int) };
        let choice = Question {
            choices: vec!["restart".to_owned(), "drain".to_owned()],
            ..question(QuestionType::Choice)
        };
        let table: &[(&Question, Value, Result<Value, &str>)] = &[
            (&text, json!("abc"), Ok(json!("abc"))),
            (&text, json!("abc1"), Err("`abc1` does not match `[a-z]+`")),
            (&text, json!(7), Err("a text is needed")),
            (&question(QuestionType::String), json!("a\u{1b}"), Err("it has control characters")),
            (&question(QuestionType::String), json!("5"), Ok(json!("5"))),
            (&int, json!("5"), Ok(json!(5))),
            (&int, json!(9), Ok(json!(9))),
            (&int, json!(10), Err("`10` is not a whole number from 1 to 9")),
            (&int, json!("five"), Err("`five` is not a whole number from 1 to 9")),
            (&int, json!(1.5), Err("`1.5` is not a whole number")),
            (&question(QuestionType::Bool), json!("Yes"), Ok(json!(true))),
            (&question(QuestionType::Bool), json!(false), Ok(json!(false))),
            (&question(QuestionType::Bool), json!("maybe"), Err("`maybe` is not `yes` or `no`")),
            (&choice, json!("drain"), Ok(json!("drain"))),
            (&choice, json!("drian"), Err("`drian` is not one of `restart`, `drain`; did you mean `drain`?")),
        ];
        for (question, given, wanted) in table {
            let wanted = wanted.clone().map_err(str::to_owned);
            assert_eq!(question.accept(given), wanted, "{given}");
        }
    }
}
