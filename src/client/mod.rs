//! HTTP with Prometheus' `http_config`; an Alertmanager cluster; Prometheus.
//!
//! Main types: [`HttpClient`] sends requests by an [`HttpConfig`].

pub mod error;
pub mod http;
pub mod http_config;
pub mod proxy;
pub mod standin;
pub mod tls_config;

mod auth;
mod tls;
mod yaml;

pub use error::{Failure, HttpError};
pub use http::{Cut, HttpClient, HttpOptions, HttpRequest, HttpResponse};
pub use http_config::{
    Authorization, BasicAuth, HeaderValues, HttpConfig, HttpConfigError, HttpConfigProblem, OAuth2,
};
pub use proxy::ProxyEnvironment;
pub use standin::{StandIn, StandInOptions};
pub use tls_config::{TlsConfig, TlsVersion};
