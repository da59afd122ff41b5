//! [`RequestWatch`]: who sees what is asked of servers, and how long they take.

use std::fmt::Debug;
use std::time::Duration;

use url::Url;

/// Sees what is asked of servers. It must not block.
pub trait RequestWatch: Debug + Send + Sync {
    /// A request was answered, or was not.
    fn asked(&self, asked: &Asked<'_>);
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'r> {
    /// Its method.
    pub method: &'r str,
    /// Its address.
    pub url: &'r Url,
    /// How long it took until the answer began, or did not come.
    pub took: Duration,
    /// The status of the answer; `None`: there was none.
    pub status: Option<u16>,
}
