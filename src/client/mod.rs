//! HTTP with Prometheus' `http_config`; an Alertmanager cluster; Prometheus.
//!
//! Main types: [`HttpClient`] sends requests by an [`HttpConfig`]; [`Cluster`] is a cluster of
//! Alertmanagers, [`Prometheus`] a Prometheus. [`AmtoolConfig`] finds an Alertmanager where amtool would.

pub mod alertmanager;
pub mod amtool;
pub mod base_url;
pub mod error;
pub mod http;
pub mod http_config;
pub mod prometheus;
pub mod proxy;
pub mod standin;
pub mod tls_config;

mod auth;
mod readiness;
mod tls;
mod watch;
mod yaml;

pub use alertmanager::{
    AlertQuery, Cluster, ClusterAlerts, ClusterError, Dialect, InhibitRules, Mute, PeerAnswer, PeerError,
    PeerResult,
};
pub use amtool::AmtoolConfig;
pub use base_url::{BaseUrl, BaseUrlError};
pub use error::{Failure, HttpError};
pub use http::{Cut, HttpClient, HttpOptions, HttpRequest, HttpResponse};
pub use http_config::{
    Authorization, BasicAuth, HeaderValues, HttpConfig, HttpConfigError, HttpConfigProblem, OAuth2,
};
pub use prometheus::{Prometheus, PrometheusError, QueryAnswer};
pub use proxy::ProxyEnvironment;
pub use standin::{StandIn, StandInOptions};
pub use tls_config::{TlsConfig, TlsVersion};
pub use watch::{Asked, RequestWatch};
pub use yaml::YamlError;
