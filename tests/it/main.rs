//! The integration tests: one binary, one module per subject.

#![allow(clippy::unwrap_used, reason = "a test that can't go on is a test that fails")]
#![allow(clippy::disallowed_methods, reason = "tests start programs, look at clocks and print")]

mod cli;
mod layers;
mod support;

mod alertmanager;

mod checks;
mod client;
mod docs;
mod fuzz;
mod help;
mod histories;
mod hostile;
mod output;
mod perform;
mod perform_net;
mod plan;
mod playbooks;
mod raised;
mod report;
mod scenarios;
mod schemas;
mod validate;
mod template_docs;
