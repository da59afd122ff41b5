//! Does effects for real: commands, HTTP requests, queries, holds. Main type: [`Live`].

mod clock;
mod environment;
mod group;
mod hold;
mod http;
mod launch;
mod live;
mod notify;
mod output;
mod outputs;
mod owner;
mod proc;
mod process;
mod programs;
mod query;
mod redact;
mod scratch;
mod secrets;
mod sighting;
mod survivors;
mod trouble;
mod users;
mod whoami;

pub use clock::SystemClock;
pub use environment::{BASE_VARIABLES, Environment};
pub use http::Connection;
pub use live::{DEFAULT_GRACE, Live, LiveOptions};
pub use notify::Notify;
pub use output::Capture;
pub use owner::{host_name, life_of, owner};
pub use proc::ignores_hangup;
pub use redact::{RedactedStream, Redactor, SHORTEST_REDACTED};
pub use secrets::{SecretError, SecretSource, Secrets};
pub use whoami::os_user;
