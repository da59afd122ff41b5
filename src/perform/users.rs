//! Users that commands run as. Main type: [`User`].

use std::fs;
use std::process::Stdio;

use rustix::process::geteuid;
use tokio::process::Command;

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    pub(super) home: String,
    pub(super) shell: String,
}

impl User {
    /// Finds a user by name or number; `None` when it is the one that amflow runs as.
    ///
    /// `/etc/passwd` is read first; names of other directories (LDAP, SSSD) are asked of getent(1). A
    /// number without an entry is a user whose group has the same number.
    ///
    /// # Errors
    /// There is no such user, or amflow may not change to it, for people.
    pub(super) async fn find(wanted: &str) -> Result<Option<User>, String> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut found = passwd.lines().filter_map(User::parse).find(|user| user.is(wanted));
        if found.is_none() {
            found = getent(wanted).await;
        }
        let user = match (found, wanted.parse::<u32>()) {
            (Some(user), _) => user,
            (None, Ok(number)) => User {
                uid: number,
                gid: number,
                name: wanted.to_owned(),
                home: "/".to_owned(),
                shell: "/bin/sh".to_owned(),
            },
            (None, Err(_)) => return Err(format!("no user `{wanted}` on this host")),
        };
        let own = geteuid();
        if user.uid == own.as_raw() {
            return Ok(None);
        }
        if !own.is_root() {
            return Err(format!("to run a command as user `{wanted}`, amflow itself must run as root"));
        }
        Ok(Some(user))
    }

    fn is(&self, wanted: &str) -> bool {
        self.name == wanted || wanted.parse() == Ok(self.uid)
    }

    /// Reads a line of passwd(5).
    fn parse(line: &str) -> Option<User> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
        Some(User {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            name: name.to_owned(),
            home: home.to_owned(),
            shell: if shell.is_empty() { "/bin/sh" } else { shell }.to_owned(),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "it looks up the user of a command")]
async fn getent(wanted: &str) -> Option<User> {
    let mut command = Command::new("getent");
    command.args(["passwd", "--", wanted]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok()?;
    User::parse(String::from_utf8(output.stdout).ok()?.lines().next()?).filter(|user| user.is(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_passwd_is_read() {
        let user = User::parse("www:x:33:34:www data:/var/www:").unwrap();
        assert_eq!((user.uid, user.gid, &*user.home, &*user.shell), (33, 34, "/var/www", "/bin/sh"));
        assert!(user.is("www") && user.is("33") && !user.is("34") && !user.is(""));
        for broken in ["", "www", "www:x:a:b:::", "+::::::"] {
            assert_eq!(User::parse(broken), None, "{broken}");
        }
    }

    #[tokio::test]
    async fn the_own_user_needs_no_change_and_an_unknown_one_is_an_error() {
        assert_eq!(User::find(&geteuid().as_raw().to_string()).await, Ok(None));
        let message = User::find("no-such-user").await.unwrap_err();
        assert_eq!(message, "no user `no-such-user` on this host");
    }
}
