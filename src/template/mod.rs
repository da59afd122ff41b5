//! Text with holes: parsed once for the language it stands in, filled after that language has been parsed.
//!
//! A value never becomes syntax. Each language has its own type ([`ShellTemplate`], [`UrlTemplate`],
//! [`HeaderTemplate`], [`JsonTemplate`], [`MatcherTemplate`], [`TextTemplate`]); [`Expression`] is
//! one value. All see the names of a [`Scope`]. [`Names`] knows which names there are, and which of
//! them were written by strangers. The filters are listed in [`FILTERS`].

mod problem;
mod reference;
mod scope;
mod environment;
mod filters;
mod parsed;
mod outline;
mod expression;
mod text;
mod url;
mod header;
mod json;
mod matcher;
mod shell;
mod stand_in;
mod promql;
mod names;

pub use minijinja::Value;

pub use expression::Expression;
pub use filters::{Entry, FILTERS, FUNCTIONS, TESTS, value_from_json};
pub use header::HeaderTemplate;
pub use json::{JsonTemplate, json_from_value};
pub use matcher::MatcherTemplate;
pub use names::{KnownChildren, NameFacts, Names, Taint};
pub use problem::{Problem, RenderError};
pub use promql::PromqlTemplate;
pub use reference::Reference;
pub use scope::Scope;
pub use shell::{
    ArgvReading, Dialect, ReadAsCode, ShellScript, ShellTemplate, interpreter_in, is_interpreter,
    is_special_variable,
};
pub use text::TextTemplate;
pub use url::UrlTemplate;
