//! Files that commands find and leave: `$AMFLOW_CONTEXT`, `$AMFLOW_OUTPUT`. Main types: [`Scratch`], [`CommandFiles`].

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Access, access, statfs};
use rustix::process::geteuid;

use super::owner::{pid_namespace, runs};
use super::proc::ProcessStat;
use super::users::User;

/// The most that is read of `$AMFLOW_OUTPUT`, in bytes.
pub(super) const LARGEST_OUTPUT: u64 = 1024 * 1024;

/// In memory, on every Linux with glibc or musl (`shm_open(3)`).
const SHARED_MEMORY: &str = "/dev/shm";
/// A file system in memory (`statfs(2)`).
const TMPFS: u32 = 0x0102_1994;
/// So much must be free in memory, in bytes: in a container it may be little, and contexts may be large.
const ENOUGH: u64 = 256 << 20;

/// Returns where files of commands are best made: in memory where there is enough of it, else in `/tmp`.
///
/// Besides being private to the moment, files in memory cost a tenth: on ext4 each new file looks for a number
/// that was not used lately, and these are made and removed for every command.
pub(super) fn scratch_place() -> PathBuf {
    let memory = Path::new(SHARED_MEMORY);
    let roomy = statfs(memory).is_ok_and(|found| {
        let free = u64::try_from(found.f_bsize).unwrap_or_default().saturating_mul(found.f_bavail);
        u32::try_from(found.f_type) == Ok(TMPFS) && free >= ENOUGH
    });
    let usable = roomy && access(memory, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    if usable { memory.to_owned() } else { PathBuf::from("/tmp") }
}

/// A private directory of this process, made when the first command needs a file, removed with it.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Where it is made.
    parent: PathBuf,
    directory: Mutex<Option<PathBuf>>,
    next: AtomicU64,
}

/// The files of one command; removed when dropped.
#[derive(Debug, Default)]
pub(super) struct CommandFiles {
    pub(super) context: Option<PathBuf>,
    pub(super) output: Option<PathBuf>,
    /// A directory of their own, when another user must reach them.
    directory: Option<PathBuf>,
}

impl Scratch {
    pub(super) fn new(parent: PathBuf) -> Scratch {
        Scratch { parent, directory: Mutex::new(None), next: AtomicU64::new(0) }
    }

    /// Makes the files that a command asks for, readable for its user only.
    pub(super) fn files(
        &self,
        context: Option<&str>,
        output: bool,
        user: Option<&User>,
    ) -> io::Result<CommandFiles> {
        let mut files = CommandFiles::default();
        if context.is_none() && !output {
            return Ok(files);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let directory = match user {
            None => self.directory()?,
            Some(user) => {
                let directory = self.parent.join(format!("{}-{number}", own_name()));
                make_private(&directory)?;
                files.directory = Some(directory.clone());
                chown(&directory, Some(user.uid), Some(user.gid))?;
                directory
            }
        };
        if let Some(context) = context {
            let path = directory.join(format!("context-{number}.json"));
            files.context = Some(path.clone());
            let mut file = create(&path, user)?;
            file.write_all(context.as_bytes())?;
        }
        if output {
            let path = directory.join(format!("output-{number}"));
            files.output = Some(path.clone());
            create(&path, user)?;
        }
        Ok(files)
    }

    fn directory(&self) -> io::Result<PathBuf> {
        let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have tidied /tmp up.
        if let Some(directory) = directory.as_ref().filter(|directory| directory.is_dir()) {
            return Ok(directory.clone());
        }
        remove_abandoned(&self.parent);
        for attempt in 0..100 {
            let path = self.parent.join(format!("{}.{attempt}", own_name()));
            match make_private(&path) {
                Ok(()) => return Ok(directory.insert(path).clone()),
                // Anybody may have made a directory of that name.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let directory = self.directory.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = directory {
            // The files in it were private, and are worth nothing now.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

impl CommandFiles {
    /// Reads what the command wrote to `$AMFLOW_OUTPUT`; nothing when it removed the file.
    ///
    /// # Errors
    /// It is too large, no text, or no file any more, for people.
    pub(super) fn read_output(&self) -> Result<String, String> {
        let Some(path) = &self.output else { return Ok(String::new()) };
        // Most commands write nothing: that is seen without opening it.
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0) {
            return Ok(String::new());
        }
        // The command may have put anything in its place: a link elsewhere, a pipe that blocks.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(format!("$AMFLOW_OUTPUT cannot be read: {error}")),
        };
        let failed = |error: io::Error| format!("$AMFLOW_OUTPUT cannot be read: {error}");
        if !file.metadata().map_err(failed)?.is_file() {
            return Err("$AMFLOW_OUTPUT is no file any more".to_owned());
        }
        let mut bytes = Vec::new();
        file.take(LARGEST_OUTPUT + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > LARGEST_OUTPUT {
            return Err(format!("$AMFLOW_OUTPUT has more than {LARGEST_OUTPUT} bytes"));
        }
        String::from_utf8(bytes).map_err(|_| "$AMFLOW_OUTPUT is not UTF-8".to_owned())
    }
}

impl Drop for CommandFiles {
    fn drop(&mut self) {
        for file in [&self.context, &self.output].into_iter().flatten() {
            // The command may have removed them itself.
            let _ = fs::remove_file(file);
        }
        if let Some(directory) = &self.directory {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

fn create(path: &Path, user: Option<&User>) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(user) = user {
        std::os::unix::fs::fchown(&file, Some(user.uid), Some(user.gid))?;
    }
    Ok(file)
}

/// Names the process: what a killed one left can be told from what is in use.
fn own_name() -> String {
    let start = ProcessStat::own().map_or(0, |stat| stat.start_time);
    format!("amflow-{}-{}-{start}", pid_namespace(), std::process::id())
}

/// Removes directories of processes that were killed: they hold labels of alerts.
fn remove_abandoned(parent: &Path) {
    let (namespace, own) = (pid_namespace(), geteuid().as_raw());
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let abandoned = name.to_str().and_then(|name| process_of(name, &namespace));
        let abandoned = abandoned.is_some_and(|(pid, start_time)| !runs(pid, start_time));
        // Not followed: a link of that name leads elsewhere.
        if abandoned && entry.metadata().is_ok_and(|found| found.is_dir() && (own == 0 || found.uid() == own))
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Reads the process out of a directory's name, when it is of this pid namespace.
fn process_of(name: &str, namespace: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix("amflow-")?.splitn(3, '-');
    if parts.next()? != namespace {
        return None;
    }
    let pid = parts.next()?.parse().ok()?;
    let start_time = parts.next()?.split(['.', '-']).next()?.parse().ok()?;
    Some((pid, start_time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn files_are_private_and_go_with_the_command_and_the_directory_with_the_process() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(parent.path().to_owned());
        assert!(scratch.files(None, false, None).unwrap().context.is_none());
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);
        let files = scratch.files(Some(r#"{"a":1}"#), true, None).unwrap();
        let context = files.context.clone().unwrap();
        assert_eq!(fs::read_to_string(&context).unwrap(), r#"{"a":1}"#);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&context), mode(files.output.as_ref().unwrap())), (0o600, 0o600));
        assert_eq!(mode(context.parent().unwrap()), 0o700);
        drop(files);
        assert!(!context.exists() && context.parent().unwrap().exists());
        drop(scratch);
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);
    }

    #[test]
    fn only_directories_of_processes_that_are_gone_are_tidied_up() {
        let parent = tempfile::tempdir().unwrap();
        let namespace = pid_namespace();
        let own = ProcessStat::own().unwrap();
        let keep = [
            format!("amflow-{namespace}-{}-{}.0", own.pid, own.start_time),
            "amflow-9-1-1.0".into(),
            "amflow-x".into(),
        ];
        let gone = [format!("amflow-{namespace}-{}-1.0", own.pid), format!("amflow-{namespace}-1-1-7")];
        for name in keep.iter().chain(&gone) {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        remove_abandoned(parent.path());
        assert!(keep.iter().all(|name| parent.path().join(name).exists()));
        assert!(!gone.iter().any(|name| parent.path().join(name).exists()));
    }

    #[test]
    fn whatever_stands_in_the_place_of_the_output_is_not_followed_and_does_not_block() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(parent.path().to_owned());
        let files = scratch.files(None, true, None).unwrap();
        let path = files.output.clone().unwrap();
        let replace = |with: &dyn Fn(&Path)| {
            fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
            with(&path);
            files.read_output()
        };
        assert_eq!(replace(&|_| ()), Ok(String::new()));
        fs::write(&path, "").unwrap();
        let link = replace(&|path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap());
        assert!(link.unwrap_err().contains("cannot be read"));
        assert_eq!(
            replace(&|path| fs::create_dir(path).unwrap()),
            Err("$AMFLOW_OUTPUT is no file any more".into())
        );
        assert_eq!(
            replace(&|path| fs::write(path, b"\xff").unwrap()),
            Err("$AMFLOW_OUTPUT is not UTF-8".into())
        );
        let large = vec![b'x'; usize::try_from(LARGEST_OUTPUT).unwrap() + 1];
        assert!(replace(&|path| fs::write(path, &large).unwrap()).unwrap_err().contains("more than"));
    }
}
