//! Files and folders by number, as the kernel asks for them: each gets one when it is first seen.

use super::files::{Files, Kind, ReadSeek};
use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read as _, SeekFrom},
};

/// The root's number (FUSE says so).
pub(crate) const ROOT: u64 = 1;
/// Most files and folders that are shown of one folder, and of a medium: one that has more is no bundle's.
const ENTRIES_MAX: usize = 100_000;
const NODES_MAX: usize = 500_000;
/// Files that are held open, so that reading goes on where it was.
const OPEN_MAX: usize = 16;
/// Longest name, in bytes (the kernel's own limit).
const NAME_BYTES_MAX: usize = 255;

struct Node {
    path: String,
    kind: Kind,
    /// Of a folder that was looked into.
    children: Option<BTreeMap<String, u64>>,
}

pub(crate) struct Tree<'a> {
    files: &'a dyn Files,
    /// A node's number is its place here, from 1 on.
    nodes: Vec<Node>,
    /// The last used is the last.
    open: VecDeque<(u64, Box<dyn ReadSeek + 'a>)>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(files: &'a dyn Files) -> Self {
        let root = Node { path: String::new(), kind: Kind::Folder, children: None };
        Self { files, nodes: vec![root], open: VecDeque::new() }
    }

    /// What a number stands for.
    pub(crate) fn kind(&self, number: u64) -> io::Result<Kind> {
        self.node(number).map(|node| node.kind)
    }

    /// The number of a name in a folder.
    pub(crate) fn lookup(&mut self, folder: u64, name: &str) -> io::Result<u64> {
        let ignores_case = self.files.ignores_case();
        let children = self.children(folder)?;
        let alike = || {
            let mut children = children.iter();
            children.find(|(other, _)| ignores_case && other.eq_ignore_ascii_case(name))
        };
        let found = children.get(name).or_else(|| alike().map(|(_, number)| number));
        found.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What lies in a folder, by name.
    pub(crate) fn children(&mut self, folder: u64) -> io::Result<&BTreeMap<String, u64>> {
        let node = self.node(folder)?;
        if node.kind != Kind::Folder {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if node.children.is_none() {
            let children = self.look_into(&node.path.clone())?;
            self.node_mut(folder)?.children = Some(children);
        }
        self.node(folder)?.children.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn look_into(&mut self, path: &str) -> io::Result<BTreeMap<String, u64>> {
        let mut children = BTreeMap::new();
        for (name, kind) in self.files.folder(path, ENTRIES_MAX)? {
            if !is_plain(&name) || children.contains_key(&name) {
                continue;
            }
            if self.nodes.len() >= NODES_MAX {
                return Err(io::Error::other("too many files"));
            }
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            self.nodes.push(Node { path, kind, children: None });
            children.insert(name, self.nodes.len() as u64);
        }
        Ok(children)
    }

    /// Bytes of a file from a place on; fewer than asked for only at its end.
    pub(crate) fn read(&mut self, number: u64, at: u64, bytes: u32) -> io::Result<Vec<u8>> {
        let place = self.open.iter().position(|(open, _)| *open == number);
        let mut file = match place.and_then(|place| self.open.remove(place)) {
            Some((_, file)) => file,
            None => self.files.file(&self.node(number)?.path)?,
        };
        file.seek(SeekFrom::Start(at))?;
        let mut read = Vec::new();
        file.by_ref().take(u64::from(bytes)).read_to_end(&mut read)?;
        self.open.push_back((number, file));
        if self.open.len() > OPEN_MAX {
            self.open.pop_front();
        }
        Ok(read)
    }

    fn node(&self, number: u64) -> io::Result<&Node> {
        let node = place(number).and_then(|place| self.nodes.get(place));
        node.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn node_mut(&mut self, number: u64) -> io::Result<&mut Node> {
        let node = place(number).and_then(|place| self.nodes.get_mut(place));
        node.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn place(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(ROOT)?).ok()
}

/// Whether a name is one that a path can be made of.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::files::{Allowance, Device, Ext, Fat},
        *,
    };
    use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
    use proptest::{prelude::*, sample::Index};
    use std::{
        fs::{self, File},
        io::{Seek as _, Write as _},
        panic::{AssertUnwindSafe, catch_unwind},
        process::Command,
        sync::LazyLock,
    };

    /// A FAT medium with `Sub/a long name.txt`, and a file of more than one cluster.
    fn fat(long: &[u8]) -> Fat {
        Fat::open(Device::new(fat_file(long)).unwrap()).unwrap()
    }

    fn fat_file(long: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(8 << 20).unwrap();
        let options = FormatVolumeOptions::new().volume_label(*b"PATCHES    ");
        fatfs::format_volume(&mut file, options).unwrap();
        {
            let made = FileSystem::new(&mut file, FsOptions::new()).unwrap();
            let sub = made.root_dir().create_dir("Sub").unwrap();
            sub.create_file("a long name.txt").unwrap().write_all(b"short").unwrap();
            made.root_dir().create_file("long").unwrap().write_all(long).unwrap();
        }
        file
    }

    /// The bytes of a FAT medium.
    static FAT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bytes = Vec::new();
        let mut file = fat_file(&[7; 100_000]);
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    });

    /// The bytes of an ext4 medium.
    static EXT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let (of, medium) = (folder.path().join("of"), folder.path().join("medium"));
        fs::create_dir_all(of.join("Sub")).unwrap();
        fs::write(of.join("Sub/a long name.txt"), "short").unwrap();
        fs::write(of.join("long"), vec![7; 100_000]).unwrap();
        File::create(&medium).unwrap().set_len(1 << 20).unwrap();
        // Without checksums, so that what is torn is believed.
        let words = ["-q", "-t", "ext4", "-O", "^metadata_csum,^has_journal", "-d"];
        assert!(
            Command::new("mke2fs").args(words).args([&of, &medium]).status().unwrap().success()
        );
        fs::read(&medium).unwrap()
    });

    /// Looks at everything on a medium as the kernel would ask for it, a thousand files at most.
    fn look_over(files: &dyn Files, allowance: &Allowance) -> usize {
        let mut tree = Tree::new(files);
        let mut folders = vec![ROOT];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            allowance.renew();
            let children: Vec<u64> = match tree.children(folder) {
                Ok(children) => children.values().copied().collect(),
                Err(_) => continue,
            };
            for number in children {
                seen += 1;
                match tree.kind(number).unwrap() {
                    _ if seen > 1000 => return seen,
                    Kind::Folder => folders.push(number),
                    Kind::File(length) => {
                        allowance.renew();
                        let _ = tree.read(number, length / 2, 4096);
                    }
                }
            }
        }
        seen
    }

    /// A medium with some bytes changed, in its first part where most of its tables are.
    fn torn(whole: &[u8], changes: &[(Index, u8)]) -> Device {
        let mut bytes = whole.to_vec();
        for (at, value) in changes {
            let at = at.index(64 << 10);
            bytes[at] = *value;
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        Device::new(file).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn tables_that_lie_are_read_to_an_end(
            changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..40),
            is_fat: bool,
        ) {
            let device = torn(if is_fat { &FAT } else { &EXT }, &changes);
            let allowance = device.allowance();
            allowance.renew();
            // A panic ends the reader of this medium, and nothing else.
            let _ = catch_unwind(AssertUnwindSafe(|| match is_fat {
                true => Fat::open(device).map(|files| look_over(&files, &allowance)),
                false => Ext::open(device).map(|files| look_over(&files, &allowance)),
            }));
        }
    }

    #[test]
    fn media_that_are_torn_in_tests_have_something_on_them() {
        let (fat, ext) = (torn(&FAT, &[]), torn(&EXT, &[]));
        let (of_fat, of_ext) = (fat.allowance(), ext.allowance());
        assert_eq!(look_over(&Fat::open(fat).unwrap(), &of_fat), 3);
        assert_eq!(look_over(&Ext::open(ext).unwrap(), &of_ext), 4);
    }

    #[test]
    fn files_of_fat_are_found_in_whichever_case_and_read_from_any_place() {
        let long: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let files = fat(&long);
        assert_eq!(files.label(), "PATCHES");
        let mut tree = Tree::new(&files);
        let sub = tree.lookup(ROOT, "sub").unwrap();
        assert_eq!(tree.kind(sub).unwrap(), Kind::Folder);
        let short = tree.lookup(sub, "A LONG name.txt").unwrap();
        assert_eq!(tree.kind(short).unwrap(), Kind::File(5));
        assert_eq!(tree.read(short, 0, 100).unwrap(), b"short");
        let number = tree.lookup(ROOT, "long").unwrap();
        for (at, bytes) in [(0, 5000), (5000, 5000), (70_000, 20_000), (99_990, 100), (3, 1)] {
            let end = (at + bytes).min(long.len());
            let read = tree.read(number, at as u64, u32::try_from(bytes).unwrap()).unwrap();
            assert!(read == long[at..end], "{at}");
        }
        assert!(tree.read(number, 200_000, 10).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let files = fat(b"x");
        let mut tree = Tree::new(&files);
        let number = tree.lookup(ROOT, "long").unwrap();
        let kinds = [
            tree.lookup(ROOT, "other").unwrap_err().kind(),
            tree.kind(99).unwrap_err().kind(),
            tree.kind(0).unwrap_err().kind(),
            tree.read(99, 0, 1).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [io::ErrorKind::NotFound; 4]);
        assert_eq!(tree.children(number).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    /// A file system whose folder has whatever names.
    struct Odd;

    impl Files for Odd {
        fn label(&self) -> String {
            String::new()
        }
        fn ignores_case(&self) -> bool {
            false
        }
        fn folder(&self, _: &str, _: usize) -> io::Result<Vec<(String, Kind)>> {
            let names = [".", "..", "", "a/b", "a\\b", "a\0b", "good", "good"];
            Ok(names.map(|name| (name.to_owned(), Kind::Folder)).to_vec())
        }
        fn file<'a>(&'a self, _: &str) -> io::Result<Box<dyn ReadSeek + 'a>> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn names_that_mean_something_are_not_shown() {
        let mut tree = Tree::new(&Odd);
        let names: Vec<&String> = tree.children(ROOT).unwrap().keys().collect();
        assert_eq!(names, ["good"]);
    }
}
