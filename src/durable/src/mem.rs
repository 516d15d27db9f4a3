//! A disk in memory that knows what a power cut would leave: only what was synced.

use crate::disk::{Disk, WriteFile, folder, is_temporary};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A disk in memory, for tests and simulation. Clones share the same files.
///
/// Names and bytes have a volatile and a durable state, as strictly as POSIX allows: a file's bytes
/// are durable after its `sync`, its name after `sync_dir`. Folders are durable when made.
#[derive(Debug, Clone, Default)]
pub struct MemDisk(Arc<Mutex<State>>);

#[derive(Debug, Clone, Default)]
struct State {
    files: Vec<Bytes>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Names that may differ from the durable ones: what a sync has to look at.
    unsynced: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
    capacity: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Bytes {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// So many first bytes of both are the same: what a sync need not copy.
    same: usize,
}

impl Bytes {
    fn sync(&mut self) {
        self.durable.truncate(self.same);
        self.durable.extend_from_slice(&self.now[self.same..]);
        self.same = self.now.len();
    }
}

fn error<T>(kind: io::ErrorKind) -> io::Result<T> {
    Err(kind.into())
}

impl State {
    fn id(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(id) => Ok(*id),
            None if self.is_folder(path) => error(io::ErrorKind::IsADirectory),
            None => error(io::ErrorKind::NotFound),
        }
    }

    fn file(&mut self, id: usize) -> io::Result<&mut Bytes> {
        self.files.get_mut(id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn is_folder(&self, path: &Path) -> bool {
        path == Path::new("/") || path == Path::new(".") || self.folders.contains(path)
    }

    fn make(&mut self, path: &Path) -> io::Result<usize> {
        if !self.is_folder(folder(path)) {
            return error(io::ErrorKind::NotFound);
        }
        if self.is_folder(path) {
            return error(io::ErrorKind::IsADirectory);
        }
        self.files.push(Bytes::default());
        self.name(path, Some(self.files.len() - 1));
        Ok(self.files.len() - 1)
    }

    /// Gives a name to a file, or takes it away.
    fn name(&mut self, path: &Path, id: Option<usize>) {
        self.unsynced.insert(path.to_owned());
        match id {
            Some(id) => self.names.insert(path.to_owned(), id),
            None => self.names.remove(path),
        };
    }

    fn write(&mut self, id: usize, bytes: &[u8]) -> io::Result<()> {
        if (bytes.len() as u64) > self.available() {
            return error(io::ErrorKind::StorageFull);
        }
        self.file(id)?.now.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, id: usize) -> io::Result<()> {
        self.file(id)?.sync();
        Ok(())
    }

    fn sync_names(&mut self, dir: &Path) {
        let (due, later) =
            std::mem::take(&mut self.unsynced).into_iter().partition(|path| folder(path) == dir);
        self.unsynced = later;
        self.sync_each(due);
    }

    fn sync_each(&mut self, paths: BTreeSet<PathBuf>) {
        for path in paths {
            let before = match self.names.get(&path) {
                Some(id) => self.durable_names.insert(path.clone(), *id).filter(|old| old != id),
                None => self.durable_names.remove(&path),
            };
            // With nothing left to sync, what lost its only name is nobody's any more.
            let named = |id: usize| self.names.get(&path) == Some(&id);
            if let Some(gone) = before.filter(|id| self.unsynced.is_empty() && !named(*id))
                && !self.names.values().any(|id| *id == gone)
                && let Some(file) = self.files.get_mut(gone)
            {
                *file = Bytes::default();
            }
        }
    }

    fn available(&self) -> u64 {
        let Some(capacity) = self.capacity else { return u64::MAX / 2 };
        let used: usize =
            self.names.values().filter_map(|id| self.files.get(*id)).map(|f| f.now.len()).sum();
        capacity.saturating_sub(used as u64)
    }
}

impl MemDisk {
    /// An empty disk; `/` and `.` exist.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that holds at most `bytes` bytes of files.
    #[must_use]
    pub fn with_capacity(bytes: u64) -> Self {
        let disk = Self::default();
        disk.state().capacity = Some(bytes);
        disk
    }

    /// Another disk with what a power cut at this moment would leave.
    #[must_use]
    pub fn after_power_cut(&self) -> Self {
        let mut state = self.state().clone();
        state.names.clone_from(&state.durable_names);
        state.unsynced.clear();
        for file in &mut state.files {
            file.now.clone_from(&file.durable);
            file.same = file.now.len();
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// Another disk with the same files, as they are now.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Every file with its bytes, by path.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let bytes = |id: &usize| state.files.get(*id).map(|f| f.now.clone()).unwrap_or_default();
        state.names.iter().map(|(path, id)| (path.clone(), bytes(id))).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step leaves the state half changed, so a panic of another holder does no harm here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct MemFile {
    disk: MemDisk,
    id: usize,
}

impl Write for MemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.state().write(self.id, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteFile for MemFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.state().sync(self.id)
    }
}

impl Disk for MemDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        let id = state.id(path)?;
        Ok(state.file(id)?.now.clone())
    }

    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if (bytes.len() as u64) > state.available() {
            return error(io::ErrorKind::StorageFull);
        }
        let id = state.make(path)?;
        state.write(id, bytes)?;
        state.sync(id)?;
        state.sync_names(folder(path));
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let (id, new) = match state.names.get(path) {
            Some(id) => (*id, false),
            None => (state.make(path)?, true),
        };
        state.write(id, bytes)?;
        state.sync(id)?;
        if new {
            state.sync_names(folder(path));
        }
        Ok(())
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let id = state.id(path)?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let file = state.file(id)?;
        file.now.resize(len, 0);
        file.same = file.same.min(len);
        state.sync(id)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return error(io::ErrorKind::AlreadyExists);
        }
        let id = state.make(path)?;
        Ok(Box::new(MemFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = state.id(from)?;
        if !state.is_folder(folder(to)) {
            return error(io::ErrorKind::NotFound);
        }
        state.name(from, None);
        state.name(to, Some(id));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.is_folder(dir) {
            return error(io::ErrorKind::NotFound);
        }
        state.sync_names(dir);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.is_folder(dir) {
            let file = state.names.contains_key(dir);
            let kind = if file { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound };
            return error(kind);
        }
        let inside = state.names.keys().chain(&state.folders);
        let inside = inside.filter(|path| path.as_path() != dir && folder(path) == dir);
        let name = |path: &PathBuf| path.file_name().and_then(|n| n.to_str()).map(str::to_owned);
        let names: BTreeSet<String> = inside.filter_map(name).collect();
        Ok(names.into_iter().filter(|name| !is_temporary(name)).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            state.name(path, None);
            return Ok(());
        }
        drop(state);
        if !self.list(path)?.is_empty() {
            return error(io::ErrorKind::DirectoryNotEmpty);
        }
        self.state().folders.remove(path);
        Ok(())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.state();
        let id = state.id(path)?;
        Ok(state.file(id)?.now.len() as u64)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        for folder in dir.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            if state.names.contains_key(folder) {
                return error(io::ErrorKind::NotADirectory);
            }
            state.folders.insert(folder.to_owned());
        }
        Ok(())
    }

    fn keep_private(&self, path: &Path) -> io::Result<()> {
        // Nobody else sees this memory.
        let state = self.state();
        if state.is_folder(path) { Ok(()) } else { state.id(path).map(drop) }
    }

    fn sync_filesystem(&self, _path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let all = std::mem::take(&mut state.unsynced);
        state.sync_each(all);
        state.files.iter_mut().for_each(Bytes::sync);
        Ok(())
    }

    fn available(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.state().available())
    }
}
