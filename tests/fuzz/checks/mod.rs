//! What the fuzz targets check: one file each, with a function that takes any bytes, and seeds to begin with.
//!
//! The targets of `cargo fuzz` and the integration tests are both made of [`TARGETS`]: what a fuzzer found is kept in
//! `tests/fixtures/fuzz/TARGET/` and goes through the same function.

mod deliveries;
mod expressions;
mod hostile;
mod input;
mod journals;
mod matchers;
mod patterns;
mod payloads;
mod pen;
mod playbooks;
mod requests;
mod server;
mod shell_runs;
mod template;
mod template_header;
mod template_json;
mod template_matcher;
mod template_promql;
mod template_shell;
mod template_text;
mod template_url;
mod times;

use std::path::Path;

pub(crate) use hostile::{FRAGMENTS, PAYLOADS, hostile_values, places};

/// One thing that is tried.
pub(crate) struct Target {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Tries an input; panics when something does not hold.
    pub(crate) check: fn(&[u8]),
    /// Inputs to begin with; the argument is the project's directory.
    pub(crate) seeds: fn(&Path) -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        /// All targets, in alphabetical order.
        pub(crate) const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), check: $name::check, seeds: $name::seeds }),*
        ];
    };
}

targets!(
    deliveries,
    expressions,
    journals,
    matchers,
    patterns,
    payloads,
    playbooks,
    requests,
    shell_runs,
    template_header,
    template_json,
    template_matcher,
    template_promql,
    template_shell,
    template_text,
    template_url,
    times,
);
