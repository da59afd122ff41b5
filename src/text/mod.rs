//! Source files, spans, positions, diagnostics: what is said about what people wrote.
//!
//! The way of a file: bytes become a [`SourceFile`], that becomes [`Node`]s with spans ([`parse`]), and
//! [`decode`] checks a node against a JSON Schema and makes a typed value of it. Every problem on the
//! way is a [`Diagnostic`]; all of them are collected in [`Diagnostics`], and [`render`] shows them.

mod span;
mod source;
mod diagnostic;
mod suggest;
mod count;
mod escape;
mod scalar;
mod node;
mod parse;
mod tree;
mod syntax;
mod core_schema;
mod address;
mod schema;
mod walk;
mod branch;
mod limits;
mod decode;
pub mod render;
pub mod traps;

pub use address::without_password;
pub use count::plural;
pub use decode::{Decoded, decode, read};
pub use diagnostic::{Diagnostic, Diagnostics, Related, Severity};
pub use escape::{escape_for_terminal, escape_lines_for_terminal};
pub use node::{Entry, Mapping, Node, NodeKind, PathSegment, Sequence};
pub use parse::{Document, parse};
pub use scalar::{CoreTag, Scalar, ScalarStyle};
pub use schema::{schema_for_editors, schema_of};
pub use source::{Position, SourceFile};
pub use span::{Span, Spanned};
pub use suggest::{closest, hint as suggestion, list as word_list};
pub use walk::{check, walk};
