//! Who sits at the keyboard, as the system knows it: [`os_user`].

use std::process::{Command, Stdio};

use rustix::process::getuid;

/// Returns the name of the user that started this process: of its real user id, never of a variable that they
/// set. `sudo_user` is `$SUDO_USER`, which counts for root alone: sudo has set it, and root may be anybody.
/// A user without a name is its number.
pub fn os_user(sudo_user: Option<&str>) -> String {
    let uid = getuid();
    match sudo_user.filter(|_| uid.is_root()) {
        Some(user) => user.to_owned(),
        None => name_of(uid.as_raw()),
    }
}

fn name_of(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = passwd.lines().find_map(|line| name_in(line, uid));
    found.or_else(|| getent(uid)).unwrap_or_else(|| uid.to_string())
}

/// Returns the name in a line of passwd(5), when it is that of this user.
fn name_in(line: &str, uid: u32) -> Option<String> {
    let mut fields = line.split(':');
    let (name, found) = (fields.next()?, fields.nth(1)?);
    (found.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
}

/// Asks for users of other directories (LDAP, SSSD).
#[expect(clippy::disallowed_methods, reason = "it looks up the user of this process")]
fn getent(uid: u32) -> Option<String> {
    let mut command = Command::new("getent");
    command.args(["passwd", "--", &uid.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok()?;
    name_in(String::from_utf8(output.stdout).ok()?.lines().next()?, uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_number() {
        let line = "ann:x:1001:1001:Ann:/home/ann:/bin/sh";
        assert_eq!(name_in(line, 1001).as_deref(), Some("ann"));
        assert_eq!(name_in(line, 1), None);
        assert_eq!(name_in("", 0), None);
        assert_eq!(name_of(0), "root");
    }

    #[test]
    fn a_variable_makes_nobody_somebody_else_but_root() {
        let own = os_user(None);
        let said = os_user(Some("ann"));
        assert_eq!(said, if getuid().is_root() { "ann".to_owned() } else { own });
    }
}
