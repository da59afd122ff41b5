//! [`People`]: who decides, as the configuration lists them.

use std::collections::BTreeMap;

/// The people that the configuration lists: users and groups of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Users that are in no group, beside those that are.
    pub users: Vec<String>,
    /// Groups by name, with their members.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Users of the system that may decide in the name of others (`--as`).
    pub may_act_as_others: Vec<String>,
}

impl People {
    /// Returns whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// Returns whether somebody is listed, or nobody is at all. A name of its own that a program has, such as that of
    /// a credential, is no person where people are listed.
    pub fn may_be(&self, user: &str) -> bool {
        self.is_empty() || self.everybody().contains(&user)
    }

    /// Returns the groups that a user is in, in order.
    pub fn groups_of(&self, user: &str) -> Vec<String> {
        let is_in = |members: &Vec<String>| members.iter().any(|member| member == user);
        self.groups.iter().filter(|(_, members)| is_in(members)).map(|(name, _)| name.clone()).collect()
    }

    /// Returns all users, each once, in order.
    pub fn everybody(&self) -> Vec<&str> {
        let members = self.groups.values().flatten().chain(&self.users);
        let mut all: Vec<&str> = members.map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_be_in_several_groups() {
        let group = |name: &str, members: &[&str]| {
            (name.to_owned(), members.iter().map(|&member| member.to_owned()).collect())
        };
        let people = People {
            users: vec!["eve".to_owned()],
            groups: BTreeMap::from([group("oncall", &["ann", "bob"]), group("leads", &["ann"])]),
            may_act_as_others: Vec::new(),
        };
        assert_eq!(people.groups_of("ann"), ["leads", "oncall"]);
        assert_eq!(people.groups_of("eve"), Vec::<String>::new());
        assert_eq!(people.everybody(), ["ann", "bob", "eve"]);
    }
}
