//! A cluster of Alertmanagers as one. Main type: [`Cluster`].
//!
//! Alerts are not gossiped, silences are: alerts are asked of and posted to every peer, a silence is made
//! at any one. What is read works while one peer answers; what failed is told, never taken for empty.

mod alerts;
mod cluster;
mod error;
mod inhibition;
mod merge;
mod silences;
mod status;

pub(super) use alerts::read as read_alerts;
pub use alerts::{AlertQuery, ClusterAlerts};
pub use cluster::{Cluster, Dialect, PeerAnswer, PeerResult, PostAnswer};
pub use error::{ClusterError, PeerError};
pub use inhibition::{InhibitRules, Mute};
pub use merge::merge;
pub use silences::{Expired, LONG_AGO, SilenceEnd, SilenceList, has_marker};
pub use status::{AlertmanagerStatus, PeerStatus};
