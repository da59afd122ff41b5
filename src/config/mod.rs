//! Flags, file and environment become one resolved structure.
//!
//! [`Settings`] is what commands work with. It is made of [`Overrides`] (flags), the configuration file
//! ([`ConfigSpec`] as written, [`ConfigFile`] as checked) and the [`Environment`].

pub mod env;
mod spec;
mod file;
mod places;
mod server;
mod settings;
mod telemetry;

pub use env::Environment;
pub use file::{ConfigError, ConfigFile, Connection};
pub use places::{PlaybookPlaces, StorePlace};
pub use server::{ServerSettings, prefix_of, url_of};
pub use settings::{
    AlertmanagerSettings, DEFAULT_SCOPE, Overrides, PROMETHEUS_SCOPE, PrometheusSettings, Settings,
};
pub use spec::{
    AlertmanagerSpec, ConfigSpec, ConnectionSpec, GlobalLimitsSpec, PrometheusSpec, StoreSpec, schema,
};
pub use telemetry::{CollectorSettings, TelemetrySettings};
