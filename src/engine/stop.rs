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
    drain: bool,
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

    /// Returns whether runs are to be left where they are, for the next process to go on with.
    pub fn draining(&self) -> bool {
        self.state.borrow().drain
    }

    /// Waits until it is asked (again). Never returns when nobody can ask any more.
    pub async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Asks to leave runs as soon as what they do is done: nothing is cancelled, nothing new is begun.
    pub fn drain(&self) {
        self.state.send_modify(|asked| asked.drain = true);
    }

    /// Asks to leave runs at once, in the middle of what they do.
    pub fn abandon(&self, by: &str) {
        self.state.send_modify(|asked| {
            asked.times = 2;
            by.clone_into(&mut asked.by);
        });
    }

    /// Asks to stop; the second time: at once.
    pub fn ask(&self, by: &str) {
        self.state.send_modify(|asked| {
            asked.times += 1;
            by.clone_into(&mut asked.by);
        });
    }
}
