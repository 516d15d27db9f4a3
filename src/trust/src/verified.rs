//! The proof type: a value that has passed the checks of this crate.

use std::ops::Deref;

/// A value whose signatures have been checked. Only this crate makes one; what needs a checked
/// value asks for this type, so that forgetting the check does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
