//! The HTTP side of `amflow serve`: a receiver for webhooks, health, metrics, and an API for runs.
//!
//! [`Server::bind`] takes the addresses, [`Server::run`] answers until it is told to stop. What a request
//! wants is done by the [`Service`](crate::engine::Service); a delivery is answered with 2xx only when its
//! claims are durable, with 503 when they are not, and never with 429 or a redirect: Alertmanager retries
//! 5xx, gives up after 4xx, and does not follow redirects for POST.

mod api;
mod auth;
mod browser;
mod client;
mod listener;
mod links;
mod metrics;
mod openapi;
mod options;
mod page;
mod patient;
mod people;
mod rate;
mod receiver;
mod room;
mod routes;
mod tls;
mod unpack;

pub use auth::{Auth, Credential, Way};
pub use links::{KeyError, Link, LinkError, Links};
pub use listener::{BindError, Server};
pub use metrics::{FAMILIES, Metered, Metrics};
pub use openapi::openapi;
pub use options::{ServerOptions, TlsFiles};
pub use routes::{App, InForce, ReloadAsk};
pub use tls::{Tls, TlsError};
