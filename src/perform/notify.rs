//! Tells systemd what a service is about: `sd_notify(3)`. Main type: [`Notify`].

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The socket on which a service manager listens, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear that the service lives.
    pub watchdog: Option<Duration>,
}

impl Notify {
    /// Finds the service manager by `NOTIFY_SOCKET` and `WATCHDOG_USEC` of the environment.
    pub fn of(socket: Option<&OsStr>, watchdog_usec: Option<&str>) -> Notify {
        let address = socket.and_then(|name| match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
            _ => SocketAddr::from_pathname(name).ok(),
        });
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let limit = watchdog_usec.and_then(|text| text.parse::<u64>().ok()).map(Duration::from_micros);
        // Twice in the time that it allows, as sd_watchdog_enabled(3) says.
        let watchdog = limit.map(|limit| limit / 2).filter(|every| !every.is_zero() && socket.is_some());
        Notify { socket, watchdog }
    }

    /// Tells it something, such as `READY=1`. Nobody is disturbed when it does not listen.
    pub fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_a_socket_by_its_path_or_its_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::of(Some(path.as_os_str()), Some("3000000"));
        assert_eq!(notify.watchdog, Some(Duration::from_millis(1_500)));
        notify.tell("READY=1");
        let mut heard = [0; 64];
        let count = listener.recv(&mut heard).unwrap();
        assert_eq!(&heard[..count], b"READY=1");
        let name = format!("amflow-test-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notify::of(Some(OsStr::new(&format!("@{name}"))), None).tell("STOPPING=1");
        let count = listener.recv(&mut heard).unwrap();
        assert_eq!(&heard[..count], b"STOPPING=1");
    }

    #[test]
    fn without_a_service_manager_nothing_happens() {
        let notify = Notify::of(None, Some("3000000"));
        notify.tell("READY=1");
        assert_eq!(notify.watchdog, None);
    }
}
