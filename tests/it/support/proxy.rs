//! What stands between the program and an Alertmanager, and spoils what it says. Main type: [`Proxy`].

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What becomes of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// They pass, but the Alertmanager seems to have been started years ago: one that is as young as those of
    /// the tests proves nothing by an alert's absence.
    Veteran,
    /// They pass as they are.
    Honest,
    /// The connection ends after so many bytes.
    Cut(usize),
    /// A page for people comes instead.
    Html,
    /// Connections are closed at once.
    Gone,
    /// What is asked is passed on only after this time.
    Slow(Duration),
    /// What is posted is done, and its answer is lost.
    Unanswered,
}

/// Listens on loopback and passes on what it hears.
pub(crate) struct Proxy {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    asked: Arc<AtomicUsize>,
}

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 44\r\nConnection: close\r\n\r\n\
                    <!DOCTYPE html><html><body>Sign in</body></h";
/// What an Alertmanager says of its start.
const UPTIME: &[u8] = b"\"uptime\":\"";

impl Proxy {
    /// Begins to stand before a port of loopback.
    pub(crate) fn before(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(Mood::Veteran));
        let asked = Arc::new(AtomicUsize::new(0));
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let (now, counter, kept) = (Arc::clone(&mood), Arc::clone(&asked), Arc::clone(&open));
        // It ends with the tests.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                counter.fetch_add(1, Ordering::Relaxed);
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(client.try_clone());
                let mood = *now.lock().unwrap_or_else(PoisonError::into_inner);
                thread::spawn(move || pass(client, target, mood));
            }
        });
        Self { port, mood, open, asked }
    }

    /// Returns the URL to configure.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Changes what becomes of answers; connections that are kept alive end.
    pub(crate) fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
        for client in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may be closed already.
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// Returns how many connections there were.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn pass(mut client: TcpStream, target: u16, mood: Mood) {
    match mood {
        Mood::Gone => {
            let _ = client.shutdown(Shutdown::Both);
            return;
        }
        Mood::Html => {
            // The request is read first: an answer to a question that was not heard is dropped.
            let _ = client.read(&mut [0; 8_192]);
            let _ = client.write_all(PAGE.as_bytes());
            let _ = client.shutdown(Shutdown::Both);
            return;
        }
        Mood::Slow(time) => thread::sleep(time),
        Mood::Veteran | Mood::Honest | Mood::Cut(_) | Mood::Unanswered => {}
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)) else { return };
    let (Ok(mut to_server), Ok(mut from_client)) = (server.try_clone(), client.try_clone()) else { return };
    let posted = Arc::new(AtomicBool::new(false));
    let posts = Arc::clone(&posted);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        // Whoever hangs up first ends both ways.
        while let Ok(count @ 1..) = from_client.read(&mut buffer) {
            posts.fetch_or(buffer[..count].starts_with(b"POST "), Ordering::SeqCst);
            if to_server.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; 1 << 16];
    let mut left = match mood {
        Mood::Cut(bytes) => bytes,
        _ => usize::MAX,
    };
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        if mood == Mood::Unanswered && posted.load(Ordering::SeqCst) {
            break;
        }
        let chunk = &mut buffer[..count];
        if matches!(mood, Mood::Veteran | Mood::Slow(_) | Mood::Unanswered) {
            age(chunk);
        }
        let count = count.min(left);
        left -= count;
        if client.write_all(&chunk[..count]).is_err() || left == 0 {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// Moves the start that a status tells of to the year 2020.
fn age(chunk: &mut [u8]) {
    let at = chunk.windows(UPTIME.len()).position(|part| part == UPTIME);
    if let Some(year) = at.and_then(|at| chunk.get_mut(at + UPTIME.len()..at + UPTIME.len() + 4)) {
        year.copy_from_slice(b"2020");
    }
}
