//! What is SQLite's own: conformance, files, commits, other processes, errors.

use crate::store::{Access, Opening, conformance, open};

#[tokio::test]
async fn it_does_what_every_store_must() {
    let dir = tempfile::tempdir().unwrap();
    let mut n = 0;
    conformance::run(|| {
        n += 1;
        open(&dir.path().join(n.to_string()), &Opening::new(Access::Write)).unwrap().store
    })
    .await;
}
