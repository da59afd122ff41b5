//! amflow: the workflow engine beside Alertmanager.
//!
//! A step never does anything. It turns into an [`step::Effect`] (data) and later reads a
//! [`step::Reply`] (data); the [`engine`] performs effects and journals facts before believing them.
//!
//! Reading order: [`text`] (files and positions), [`model`] (alerts, matchers), [`template`] (text
//! with holes), [`step`] (kinds of step), [`playbook`] (what people write), [`run`] (the pure state
//! machine), then [`engine`] (which drives it) and the adapters [`client`], [`perform`], [`store`],
//! [`source`], [`report`]. [`cli`] wires them. A module uses only modules named before it.

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod text;
pub mod model;
pub mod template;
pub mod step;
pub mod playbook;
pub mod run;
pub mod engine;
pub mod client;
pub mod perform;
pub mod store;
pub mod source;
pub mod report;
pub mod playtest;
pub mod server;
pub mod config;
pub mod cli;

#[cfg(test)]
pub(crate) mod testing;
