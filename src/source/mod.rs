//! Where alerts come from: which source it is ([`choose`]), and one file for each of them.
//!
//! Every source brings the same: an [`Intake`]. What it does not keep needs no memory, however long the input is.
//!
//! ```
//! use amflow::source::{Source, Stdin, choose};
//!
//! // amtool alert query -o json | amflow run
//! assert_eq!(choose(None, false, Stdin::Data, true)?, Source::Stdin { named: false });
//! // */2 * * * * amflow run --poll
//! assert_eq!(choose(None, true, Stdin::Data, true)?, Source::Poll);
//! # Ok::<(), amflow::source::SourceError>(())
//! ```

mod body;
mod choice;
mod error;
mod file;
mod intake;
mod poll;
mod stdin;
mod url;

pub use body::Body;
pub use choice::{Source, Stdin, choose, passed_over};
pub use error::SourceError;
pub use file::from_file;
pub use intake::{Intake, Keep, Origin};
pub use poll::from_poll;
pub use stdin::{from_stdin, look_at_stdin, stdin_has_bytes};
pub use url::from_url;
