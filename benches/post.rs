//! The clients of the benchmarks of `amflow serve`: post bodies over connections that stay open, and take note of when
//! each was posted, when it was answered, and when a line about it was written.
//!
//! `post ADDRESS PATH CLIENTS BODIES [PIPE]`: BODIES holds one body a line. PIPE is a named pipe to which commands write
//! lines that begin with the number of a body. Prints JSON: for each body when it was posted, answered and written, in
//! nanoseconds since the start (`null`: never), and the status of its answer (0: there was none).
#![expect(clippy::disallowed_methods, reason = "a program of its own, with its own clock and arguments")]

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

/// After so long without a line no more are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of the bodies, by their number.
#[derive(Serialize)]
struct Told {
    posted: Vec<Option<u64>>,
    answered: Vec<Option<u64>>,
    status: Vec<u16>,
    written: Vec<Option<u64>>,
}

/// One request and its answer.
struct Posted {
    number: usize,
    at: u64,
    answered: Option<u64>,
    status: u16,
}

struct Client<'a> {
    address: &'a str,
    path: &'a str,
    start: Instant,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("post ADDRESS PATH CLIENTS BODIES [PIPE]");
    let (address, path, clients, bodies) = (next()?, next()?, next()?.parse::<usize>()?, next()?);
    let pipe = next().ok().map(PathBuf::from);
    let text = fs::read(bodies)?;
    let bodies: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let (start, turn) = (Instant::now(), AtomicUsize::new(0));
    let lines = pipe.map(|pipe| listen(pipe, start)).transpose()?;
    let mut told = Told {
        posted: vec![None; bodies.len()],
        answered: vec![None; bodies.len()],
        status: vec![0; bodies.len()],
        written: vec![None; bodies.len()],
    };
    let work = || {
        let mut client = Client { address: &address, path: &path, start, stream: None, buffer: Vec::new() };
        let mut done = Vec::new();
        while let Some((number, body)) = {
            let number = turn.fetch_add(1, Ordering::Relaxed);
            bodies.get(number).map(|body| (number, body))
        } {
            done.push(client.post(number, body));
        }
        done
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
        for posted in all.into_iter().filter_map(|client| client.join().ok()).flatten() {
            told.posted[posted.number] = Some(posted.at);
            told.answered[posted.number] = posted.answered;
            told.status[posted.number] = posted.status;
        }
    });
    if let Some(lines) = lines {
        let mut missing = bodies.len();
        while let Some((number, at)) = lines.recv_timeout(PATIENCE).ok().filter(|_| missing > 0) {
            if let Some(written @ None) = told.written.get_mut(number) {
                *written = Some(at);
                missing -= 1;
            }
            if missing == 0 {
                break;
            }
        }
    }
    serde_json::to_writer(io::stdout().lock(), &told)?;
    Ok(())
}

/// Takes note of when lines come through a pipe.
fn listen(pipe: PathBuf, start: Instant) -> io::Result<Receiver<(usize, u64)>> {
    // Open for writing as well, so that it does not end with the first command.
    let pipe = OpenOptions::new().read(true).write(true).open(pipe)?;
    let (told, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let number = line.split(' ').next().and_then(|word| word.parse().ok());
            if told.send((number.unwrap_or(usize::MAX), since(start))).is_err() {
                break;
            }
        }
    });
    Ok(lines)
}

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Client<'_> {
    fn post(&mut self, number: usize, body: &[u8]) -> Posted {
        let at = since(self.start);
        let Ok(status) = self.ask(body) else {
            self.stream = None;
            return Posted { number, at, answered: None, status: 0 };
        };
        Posted { number, at, answered: Some(since(self.start)), status }
    }

    fn ask(&mut self, body: &[u8]) -> io::Result<u16> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        self.buffer.clear();
        write!(
            self.buffer,
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.path,
            self.address,
            body.len()
        )?;
        self.buffer.extend_from_slice(body);
        stream.write_all(&self.buffer)?;
        self.buffer.clear();
        let mut piece = [0; 4096];
        loop {
            let count = stream.read(&mut piece)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&piece[..count]);
            if let Some(status) = whole_answer(&self.buffer)? {
                return Ok(status);
            }
        }
    }
}

/// Returns the status of an answer when all of it is there.
fn whole_answer(answer: &[u8]) -> io::Result<Option<u16>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    match (status, length) {
        (Some(status), Some(length)) => Ok((answer.len() >= end + 4 + length).then_some(status)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
