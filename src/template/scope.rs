//! [`Scope`]: the names that a template sees, and their values.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

/// The names that a template sees, as values.
///
/// Cloning is cheap. A child scope sees its parent's names and hides those that it names again.
/// Secrets never enter a scope. `Debug` prints names, never values.
#[derive(Clone, Default)]
pub struct Scope {
    newest: Option<Arc<Named>>,
}

struct Named {
    name: Box<str>,
    value: Value,
    older: Option<Arc<Named>>,
}

impl Scope {
    /// Makes a scope without names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a child scope with one more name.
    #[must_use]
    pub fn with(&self, name: &str, value: Value) -> Self {
        Self { newest: Some(Arc::new(Named { name: name.into(), value, older: self.newest.clone() })) }
    }

    /// Returns the value of a name.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.named().find(|named| &*named.name == name).map(|named| named.value.clone())
    }

    /// Returns the names, the newest first; a name that was hidden comes twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named().map(|named| &*named.name)
    }

    fn named(&self) -> impl Iterator<Item = &Named> {
        std::iter::successors(self.newest.as_deref(), |named| named.older.as_deref())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Drop for Named {
    /// Takes the chain apart in a loop: a scope may have been extended very often.
    fn drop(&mut self) {
        let mut next = self.older.take();
        while let Some(mut named) = next.and_then(Arc::into_inner) {
            next = named.older.take();
        }
    }
}

/// The name under which the formatter finds the place for values. No author can write it.
pub(super) const HOLES: &str = "\0holes";

/// What the template engine is given: a scope, and a place where the values of holes are put.
pub(super) struct Root {
    scope: Scope,
    holes: Value,
}

/// The values of the holes, in the order in which they were reached.
#[derive(Default)]
pub(super) struct Holes(Mutex<Vec<Value>>);

impl Root {
    pub(super) fn new(scope: &Scope) -> (Self, Arc<Holes>) {
        let holes = Arc::new(Holes::default());
        (Self { scope: scope.clone(), holes: Value::from_dyn_object(holes.clone()) }, holes)
    }
}

impl Object for Root {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == HOLES { Some(self.holes.clone()) } else { self.scope.get(key) }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scope.fmt(f)
    }
}

impl Holes {
    /// Keeps a value and returns its number.
    pub(super) fn push(&self, value: Value) -> usize {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.push(value);
        values.len() - 1
    }

    /// Takes the values out.
    pub(super) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Object for Holes {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

impl fmt::Debug for Holes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Holes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_scope_hides_and_the_parent_keeps() {
        let parent = Scope::new().with("item", Value::from(1));
        let child = parent.with("item", Value::from(2)).with("other", Value::from(3));
        assert_eq!(parent.get("item"), Some(Value::from(1)));
        assert_eq!(child.get("item"), Some(Value::from(2)));
        assert_eq!(parent.get("other"), None);
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let scope = Scope::new().with("env", Value::from("hunter2"));
        assert_eq!(format!("{scope:?}"), "{\"env\"}");
    }

    #[test]
    fn a_very_long_chain_is_dropped_without_recursion() {
        let mut scope = Scope::new();
        for number in 0..300_000 {
            scope = scope.with("n", Value::from(number));
        }
        drop(scope);
    }
}
