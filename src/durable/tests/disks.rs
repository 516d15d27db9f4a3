//! The real disk and the one in memory behave alike; the faulty one fails as planned.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use durable::{
    Blobs, Commit, CommitError, Disk, Failure, FaultyDisk, FileBlobs, FileCommit, MemDisk,
    RealDisk, is_temporary,
};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

fn on_each_disk(test: impl Fn(Arc<dyn Disk>, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    test(Arc::new(RealDisk), folder.path());
    let mem = MemDisk::new();
    mem.create_dir_all(Path::new("/data")).unwrap();
    test(Arc::new(mem), Path::new("/data"));
}

#[test]
fn both_disks_answer_alike() {
    on_each_disk(|disk, root| {
        let file = root.join("a");
        assert_eq!(disk.read(&file).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.truncate(&file, 0).unwrap_err().kind(), ErrorKind::NotFound);
        disk.append(&file, b"one").unwrap();
        disk.append(&file, b"two").unwrap();
        disk.truncate(&file, 4).unwrap();
        assert_eq!(disk.read(&file).unwrap(), b"onet");
        assert_eq!(disk.len(&file).unwrap(), 4);

        disk.write_atomic(&file, b"whole").unwrap();
        assert_eq!(disk.read(&file).unwrap(), b"whole");
        let nowhere = root.join("none").join("a");
        assert_eq!(disk.write_atomic(&nowhere, b"").unwrap_err().kind(), ErrorKind::NotFound);

        assert_eq!(disk.create(&file).map(|_| ()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let mut stream = disk.create(&root.join("b")).unwrap();
        stream.write_all(b"str").unwrap();
        stream.write_all(b"eam").unwrap();
        stream.sync().unwrap();
        disk.rename(&root.join("b"), &file).unwrap();
        disk.sync_dir(root).unwrap();
        assert_eq!(disk.read(&file).unwrap(), b"stream");

        disk.create_dir_all(&root.join("x/y")).unwrap();
        disk.create_dir_all(&root.join("x/y")).unwrap();
        disk.append(&root.join(".left.7.tmp"), b"").unwrap();
        assert_eq!(disk.list(root).unwrap(), ["a", "x"]);
        assert_eq!(disk.list(&root.join("x/y")).unwrap(), Vec::<String>::new());
        assert_eq!(disk.list(&file).unwrap_err().kind(), ErrorKind::NotADirectory);
        assert_eq!(disk.list(&root.join("z")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.remove(&root.join("x")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        disk.remove(&root.join("x/y")).unwrap();
        disk.remove(&file).unwrap();
        assert_eq!(disk.list(root).unwrap(), ["x"]);
        disk.sync_filesystem(root).unwrap();
        assert!(disk.available(root).unwrap() > 0);
    });
}

#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let disk = MemDisk::new();
    let root = Path::new("/d");
    disk.create_dir_all(root).unwrap();
    disk.write_atomic(&root.join("atomic"), b"old").unwrap();
    disk.write_atomic(&root.join("atomic"), b"new").unwrap();
    disk.append(&root.join("log"), b"1").unwrap();
    let mut unsynced = disk.create(&root.join("unsynced")).unwrap();
    unsynced.write_all(b"lost").unwrap();
    let mut nameless = disk.create(&root.join("nameless")).unwrap();
    nameless.write_all(b"lost").unwrap();
    nameless.sync().unwrap();

    let left = |disk: &MemDisk| {
        let files = disk.after_power_cut().files();
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(|(path, bytes)| (name(path), bytes.clone())).collect::<Vec<_>>()
    };
    let kept = [("atomic".to_owned(), b"new".to_vec()), ("log".to_owned(), b"1".to_vec())];
    assert_eq!(left(&disk), kept);

    disk.rename(&root.join("log"), &root.join("atomic")).unwrap();
    assert_eq!(left(&disk), kept, "a rename is lost until its folder is synced");

    disk.sync_dir(root).unwrap();
    let names: Vec<_> = left(&disk).into_iter().map(|(name, bytes)| (name, bytes.len())).collect();
    let kept = [("atomic".to_owned(), 1), ("nameless".to_owned(), 4), ("unsynced".to_owned(), 0)];
    assert_eq!(names, kept, "names are durable; bytes only where the file was synced");

    disk.sync_filesystem(root).unwrap();
    assert_eq!(left(&disk).last().unwrap().1, b"lost");
}

#[test]
fn a_full_disk_says_so_and_keeps_what_it_had() {
    let disk = MemDisk::with_capacity(10);
    let file = Path::new("file");
    disk.append(file, b"12345678").unwrap();
    assert_eq!(disk.append(file, b"abc").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.write_atomic(file, b"abc").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.available(file).unwrap(), 2);
    assert_eq!(disk.read(file).unwrap(), b"12345678");
}

#[test]
fn fails_as_planned() {
    let file = Path::new("/f");
    let table: [(Failure, &[u8], &[u8]); 3] = [
        (Failure::Before, b"", b"old"),
        (Failure::After, b"new", b"new"),
        (Failure::Torn(2), b"ne", b"old"),
    ];
    for (failure, appended, written) in table {
        let mem = MemDisk::new();
        let disk = FaultyDisk::new(Arc::new(mem.clone()));
        disk.fail_at(0, failure);
        assert!(disk.append(file, b"new").is_err());
        assert_eq!(mem.read(file).unwrap_or_default(), appended, "{failure:?}");

        mem.write_atomic(file, b"old").unwrap();
        disk.crash_at(1, failure);
        assert!(disk.write_atomic(file, b"new").is_err());
        assert_eq!(mem.read(file).unwrap(), written, "{failure:?}");
        let temporaries = mem.files().into_keys();
        let temporaries = temporaries
            .filter(|path| is_temporary(path.file_name().unwrap().to_str().unwrap()))
            .count();
        assert_eq!(temporaries, usize::from(failure == Failure::Torn(2)));

        assert!(disk.sync_dir(Path::new("/")).is_err(), "nothing works after a crash");
        disk.lift();
        disk.sync_dir(Path::new("/")).unwrap();
        assert_eq!(disk.trace()[..2], ["append f", "write_atomic f"]);
        assert_eq!(disk.operations(), 4);
    }
}

#[test]
fn runs_full_from_the_nth_operation_until_lifted() {
    let file = Path::new("/f");
    let disk = FaultyDisk::new(Arc::new(MemDisk::new()));
    let mut stream = disk.create(Path::new("/s")).unwrap();
    disk.full_from(2);
    disk.append(file, b"1234").unwrap();
    assert_eq!(disk.available(file).unwrap(), 0);
    assert_eq!(disk.append(file, b"5678").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.read(file).unwrap(), b"123456", "an append may get in by half");
    assert_eq!(stream.write_all(b"12").unwrap_err().kind(), ErrorKind::StorageFull);
    disk.rename(file, Path::new("/g")).unwrap();
    disk.lift();
    stream.write_all(b"12").unwrap();
    assert!(disk.available(file).unwrap() > 0);
}

#[test]
fn objects_never_change() {
    on_each_disk(|disk, root| {
        let blobs = FileBlobs::new(disk, root.join("blobs"));
        assert_eq!(blobs.list("").unwrap(), Vec::<String>::new());
        blobs.put("tile/0/x001/234.p/5", b"a").unwrap();
        blobs.put("tile/0/x001/234.p/5", b"a").unwrap();
        blobs.put("checkpoint", b"c").unwrap();
        let other = blobs.put("checkpoint", b"other").unwrap_err();
        assert_eq!(other.kind(), ErrorKind::AlreadyExists);
        assert_eq!(blobs.get("checkpoint").unwrap(), b"c");
        assert_eq!(blobs.list("").unwrap(), ["checkpoint", "tile/0/x001/234.p/5"]);
        assert_eq!(blobs.list("tile/0").unwrap(), ["tile/0/x001/234.p/5"]);
        blobs.remove("checkpoint").unwrap();
        assert!(!blobs.has("checkpoint").unwrap());
        assert_eq!(blobs.get("checkpoint").unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn keys_cannot_leave_their_folder() {
    let blobs = FileBlobs::new(Arc::new(MemDisk::new()), PathBuf::from("/"));
    let long = "a".repeat(513);
    for key in ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".a", "a\\b", "a b", "é", &long] {
        assert_eq!(blobs.put(key, b"").unwrap_err().kind(), ErrorKind::InvalidInput, "{key:?}");
        assert_eq!(blobs.get(key).unwrap_err().kind(), ErrorKind::InvalidInput, "{key:?}");
    }
}

#[test]
fn the_commit_point_moves_only_from_where_the_writer_left_it() {
    on_each_disk(|disk, root| {
        let commit = FileCommit::new(disk.clone(), root.join("journal"));
        assert_eq!(commit.load().unwrap_err().kind(), ErrorKind::NotFound);
        commit.commit(0, b"one").unwrap();
        let late = commit.commit(0, b"two").unwrap_err();
        assert!(matches!(late, CommitError::Moved { expected: 0, found: 3 }), "{late}");
        let late = commit.replace(0, b"two").unwrap_err();
        assert!(matches!(late, CommitError::Moved { .. }), "{late}");
        commit.commit(3, b"two").unwrap();
        assert_eq!(commit.load().unwrap(), b"onetwo");
        commit.replace(6, b"new").unwrap();
        assert_eq!(commit.load().unwrap(), b"new");
    });
}
