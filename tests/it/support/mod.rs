//! What several tests need: a real Alertmanager, certificates, small servers.

pub(crate) mod alertmanager;
pub(crate) mod collector;
pub(crate) mod http;
pub(crate) mod lab;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod schema;
pub(crate) mod tls;
