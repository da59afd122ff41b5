//! The files of a store: made private, found on network file systems, and who owns them when they
//! cannot be used.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::engine::StoreError;
use crate::store::sqlite::fault;

/// Makes the directory and the (empty) database file when they are missing. SQLite gives `-wal` and
/// `-shm` the mode of the database file.
pub(super) fn make(file: &Path, group: Option<u32>) -> Result<(), StoreError> {
    let dir = directory(file);
    if !dir.exists() {
        let mode = if group.is_some() { 0o770 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(dir).map_err(|e| refused(file, &e))?;
        if let Some(group) = group {
            share(dir, group, 0o2770).map_err(|e| refused(file, &e))?;
        }
    }
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    match OpenOptions::new().write(true).create_new(true).mode(mode).open(file) {
        Ok(_) => match group {
            Some(group) => share(file, group, mode).map_err(|e| refused(file, &e)),
            None => Ok(()),
        },
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A directory that only can be read, with a store in it: SQLite says what it thinks of that.
        Err(_) if file.exists() => Ok(()),
        Err(e) => Err(refused(file, &e)),
    }
}

/// Which files a connection is to. They can be deleted or replaced under it: then what it writes is in files
/// that have no name any more, and is gone when it is closed.
#[derive(Clone, Debug)]
pub(super) struct Files {
    file: Option<Identity>,
    /// The write-ahead log, once it was seen.
    log: Option<Identity>,
}

/// The device and the number of a file.
type Identity = (u64, u64);

impl Files {
    /// Takes note of the file behind a path.
    pub(super) fn of(file: &Path) -> Files {
        Files { file: identity(file), log: None }
    }

    /// Returns whether it still is the file behind the path.
    pub(super) fn are_there(&self, file: &Path) -> bool {
        self.file.is_none() || self.file == identity(file)
    }

    /// The same for who writes: the write-ahead log, which nobody deletes while somebody writes, must be there, too.
    pub(super) fn are_there_to_write(&mut self, file: &Path) -> bool {
        let log = identity(&beside(file, "-wal"));
        let same_log = self.log.is_none() || self.log == log;
        self.log = self.log.or(log);
        same_log && self.are_there(file)
    }
}

fn identity(file: &Path) -> Option<Identity> {
    fs::metadata(file).ok().map(|found| (found.dev(), found.ino()))
}

/// Returns whether this process may use a file so. It is not opened for that: closing it again would take the locks
/// from SQLite that this process has on it.
pub(super) fn may(file: &Path, access: Access) -> bool {
    accessat(CWD, file, access, AtFlags::EACCESS).is_ok()
}

/// Returns the path of a file beside the database.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

/// Returns what people should know of the file's mode.
pub(super) fn mode_notice(file: &Path, group: Option<u32>) -> Option<String> {
    let mode = fs::metadata(file).ok()?.mode() & 0o777;
    let (allowed, wanted) = if group.is_some() { (0o660, "660") } else { (0o600, "600") };
    (mode & !allowed & 0o066 != 0).then(|| {
        format!("the store {0} is open to others (mode {mode:03o}): `chmod {wanted} {0}`", file.display())
    })
}

/// Returns the directory that a file is in.
pub(super) fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Returns the name of the network file system that the store is on, if it is on one: there is no
/// shared memory between its hosts, which SQLite's write-ahead log needs.
pub(super) fn network_file_system(file: &Path) -> Option<&'static str> {
    // From Linux' magic.h and the file systems' own sources.
    const NETWORK: [(u32, &str); 9] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xfe53_4d42, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0x0102_1997, "9P"),
        (0x5346_414f, "AFS"),
        (0x00c3_6400, "Ceph"),
        (0x0bd0_0bd0, "Lustre"),
        (0x7461_636f, "OCFS2"),
    ];
    let found = rustix::fs::statfs(directory(file)).ok()?;
    // Magic numbers have 32 bits, the field has more, and is signed on some machines.
    let magic = u32::try_from(i128::from(found.f_type) & 0xffff_ffff).ok()?;
    NETWORK.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

/// Returns the error of a file that the system does not let us use.
pub(super) fn refused(file: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full { path: file.display().to_string(), reason: fault::system_text(error) }
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            denied(file, &fault::system_text(error))
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => StoreError::Open {
            path: file.display().to_string(),
            reason: format!(
                "{} is not a directory: name another place with `--store`",
                existing(directory(file)).display()
            ),
        },
        _ => StoreError::Open { path: file.display().to_string(), reason: fault::system_text(error) },
    }
}

/// Returns the error of a file that we may not use: who may, and what to do.
pub(super) fn denied(file: &Path, what: &str) -> StoreError {
    let dir = existing(directory(file));
    let whose = fs::metadata(dir).map_or_else(
        |_| String::new(),
        |m| {
            format!(
                "the directory {} belongs to {} (mode {:03o}): run amflow as that user, or ",
                dir.display(),
                user_name(m.uid()),
                m.mode() & 0o777
            )
        },
    );
    StoreError::Open {
        path: file.display().to_string(),
        reason: format!("{what}; {whose}name another place with `--store`"),
    }
}

/// Returns the closest directory above that exists.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|d| d.exists()).unwrap_or(dir)
}

fn share(path: &Path, group: u32, mode: u32) -> io::Result<()> {
    chown(path, None, Some(group))?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Returns a user's name as /etc/passwd has it, else the number.
fn user_name(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
        .unwrap_or_else(|| format!("user {uid}"))
}
