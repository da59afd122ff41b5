//! Help for unit tests: where shared test data is, when it is there.

use std::path::PathBuf;

/// Returns the path of a file of the shared test data, or `None` in a clone that has none beside it.
///
/// Looked for in `$AMFLOW_SHARED`, then `../shared` and `../../shared` beside the crate. With
/// `AMFLOW_REQUIRE_SHARED=1`, as continuous integration sets it, its absence is a failure.
#[expect(clippy::disallowed_methods, reason = "tests say by the environment where data is")]
pub(crate) fn shared_data(relative: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("AMFLOW_SHARED").map(PathBuf::from);
    let places = [named, Some(root.join("../shared")), Some(root.join("../../shared"))];
    let found = places.into_iter().flatten().map(|p| p.join("data").join(relative)).find(|p| p.exists());
    assert!(
        found.is_some() || std::env::var_os("AMFLOW_REQUIRE_SHARED").is_none(),
        "shared test data `{relative}` is required here (AMFLOW_REQUIRE_SHARED is set) and was not found"
    );
    found
}
