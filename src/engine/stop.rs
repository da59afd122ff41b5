//! [`Stop`]: how an engine is told to stop: first gently, then at once.

use tokio::sync::watch;

/// The receiving half: cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop {
    state: watch::Receiver<Asked>,
}

/// The giving half.
#[derive(Debug)]
pub struct Stopper {
    state: watch::Sender<Asked>,
}

#[derive(Clone, Debug, Default)]
struct Asked {
    times: u32,
    by: String,
}

impl Stop {
    /// Makes both halves.
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = watch::channel(Asked::default());
        (Stopper { state: sender }, Stop { state: receiver })
    }

    /// Returns by what the engine was asked to stop, if it was.
    pub fn asked(&self) -> Option<String> {
        let asked = self.state.borrow();
        (asked.times > 0).then(|| asked.by.clone())
    }

    /// Returns whether it was asked twice: everything ends at once.
    pub fn at_once(&self) -> bool {
        self.state.borrow().times > 1
    }

    /// Waits until it is asked (again). Never returns when nobody can ask any more.
    pub async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Asks to stop; the second time: at once.
    pub fn ask(&self, by: &str) {
        self.state.send_modify(|asked| {
            asked.times += 1;
            by.clone_into(&mut asked.by);
        });
    }
}
