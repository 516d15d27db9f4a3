//! How a collection tells what it is doing. The command line draws it.

/// Told from one task at a time; calls must return quickly.
pub trait Progress: Send + Sync {
    /// A new step begins; plain words for a person.
    fn step(&self, text: &str);
    /// The step will fetch this much.
    fn expect(&self, files: u64, bytes: u64);
    /// Bytes came in.
    fn bytes(&self, count: u64);
    /// A file is complete.
    fn file(&self, path: &str);
    /// Something that a person should know, once.
    fn note(&self, text: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str) {}
    fn expect(&self, _: u64, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn file(&self, _: &str) {}
    fn note(&self, _: &str) {}
}
