//! A disk that fails as it is told to, for failure tables: each step "not written" and "written anyway".

use crate::disk::{Disk, WriteFile, temporary};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// An error, and nothing was done.
    Before,
    /// An error, although everything was done.
    After,
    /// An error after the first so many bytes: of an append or a streaming write they are in the file;
    /// of an atomic write they are in a temporary file that stays behind; other operations do nothing.
    Torn(usize),
}

/// A disk that hands everything to another one, but for the failures in its plan.
///
/// Counted, from 0, are the operations that change or sync something: `write_atomic`, `append`,
/// `truncate`, `create`, each `write` and `sync` of a created file, `rename`, `sync_dir`, `remove`,
/// `create_dir_all`, `keep_private`, `sync_filesystem`. Reading never fails here. Clones share plan and count.
#[derive(Clone)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    steps: Vec<String>,
    failures: BTreeMap<usize, Failure>,
    dead_after: Option<usize>,
    full_from: Option<usize>,
}

enum Verdict {
    Go,
    Fail(Failure),
    Full,
}

fn failed() -> io::Error {
    io::Error::other("the disk failed as planned")
}

impl FaultyDisk {
    /// A disk without failures yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// The operation with this number fails in this way; those after it work again.
    pub fn fail_at(&self, operation: usize, failure: Failure) {
        self.plan().failures.insert(operation, failure);
    }

    /// The operation with this number fails in this way, and every later one does nothing and fails: a
    /// program that dies there, seen from the disk.
    pub fn crash_at(&self, operation: usize, failure: Failure) {
        self.fail_at(operation, failure);
        self.plan().dead_after = Some(operation);
    }

    /// From this operation on nothing that needs space works (`StorageFull`); half of an append gets in.
    pub fn full_from(&self, operation: usize) {
        self.plan().full_from = Some(operation);
    }

    /// Forgets the plan: the disk works again. The count goes on.
    pub fn lift(&self) {
        let mut plan = self.plan();
        let steps = std::mem::take(&mut plan.steps);
        *plan = Plan { steps, ..Plan::default() };
    }

    /// Number of operations so far, failed ones included: the number of the next one.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.plan().steps.len()
    }

    /// What the operations so far were, e.g. `append journal`.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.plan().steps.clone()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verdict(&self, what: &str, path: &Path, needs_space: bool) -> Verdict {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut plan = self.plan();
        let number = plan.steps.len();
        plan.steps.push(format!("{what} {name}"));
        if plan.dead_after.is_some_and(|last| number > last) {
            return Verdict::Fail(Failure::Before);
        }
        if let Some(failure) = plan.failures.get(&number) {
            return Verdict::Fail(*failure);
        }
        if needs_space && plan.full_from.is_some_and(|first| number >= first) {
            return Verdict::Full;
        }
        Verdict::Go
    }

    fn step<T>(
        &self,
        (what, path, needs_space): (&str, &Path, bool),
        act: impl FnOnce() -> io::Result<T>,
        torn: impl FnOnce(usize) -> io::Result<()>,
    ) -> io::Result<T> {
        match self.verdict(what, path, needs_space) {
            Verdict::Go => return act(),
            Verdict::Fail(Failure::Before) => {}
            Verdict::Fail(Failure::After) => drop(act()?),
            Verdict::Fail(Failure::Torn(kept)) => torn(kept)?,
            Verdict::Full => {
                torn(usize::MAX)?;
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Err(failed())
    }
}

/// The part of `bytes` that a torn write keeps; half where the disk is full.
fn kept(bytes: &[u8], count: usize) -> &[u8] {
    let count = if count == usize::MAX { bytes.len() / 2 } else { count };
    bytes.get(..count).unwrap_or(bytes)
}

fn nothing(_kept: usize) -> io::Result<()> {
    Ok(())
}

struct FaultyFile {
    disk: FaultyDisk,
    inner: Box<dyn WriteFile>,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { disk, inner } = self;
        // Both closures need the file, and only one of them runs.
        let inner = std::cell::RefCell::new(inner);
        disk.step(
            ("write", Path::new("stream"), true),
            || inner.borrow_mut().write(bytes),
            |count| inner.borrow_mut().write_all(kept(bytes, count)),
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl WriteFile for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        let Self { disk, inner } = self;
        disk.step(("sync", Path::new("stream"), false), || inner.sync(), nothing)
    }
}

impl Disk for FaultyDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read(path)
    }

    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step(
            ("write_atomic", path, true),
            || self.inner.write_atomic(path, bytes),
            |count| self.inner.append(&temporary(path)?, kept(bytes, count)),
        )
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step(
            ("append", path, true),
            || self.inner.append(path, bytes),
            |count| self.inner.append(path, kept(bytes, count)),
        )
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.step(("truncate", path, false), || self.inner.truncate(path, len), nothing)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let inner = self.step(("create", path, true), || self.inner.create(path), nothing)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), inner }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(("rename", to, false), || self.inner.rename(from, to), nothing)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step(("sync_dir", dir, false), || self.inner.sync_dir(dir), nothing)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(("remove", path, false), || self.inner.remove(path), nothing)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.inner.len(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.step(("create_dir_all", dir, true), || self.inner.create_dir_all(dir), nothing)
    }

    fn keep_private(&self, path: &Path) -> io::Result<()> {
        let act = || self.inner.keep_private(path);
        self.step(("keep_private", path, false), act, nothing)
    }

    fn sync_filesystem(&self, path: &Path) -> io::Result<()> {
        let act = || self.inner.sync_filesystem(path);
        self.step(("sync_filesystem", path, false), act, nothing)
    }

    fn available(&self, path: &Path) -> io::Result<u64> {
        let plan = self.plan();
        let full = plan.full_from.is_some_and(|first| plan.steps.len() >= first);
        drop(plan);
        if full { Ok(0) } else { self.inner.available(path) }
    }
}
