//! The room on a disk that a test has mounted: filled with something else, and given back.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// Where what fills it lies.
const FILES: [&str; 2] = ["lost+found/filler", "lost+found/crumbs"];

/// What is left, in bytes. At 0, root may still write.
fn left(at: &Path) -> u64 {
    let facts = rustix::fs::statvfs(at).unwrap();
    facts.f_bavail * facts.f_frsize
}

/// Fills the ext4 file system at a path until only about so many bytes are left; with 0, root's share is gone, too.
pub fn fill(at: &Path, leave: u64) {
    let open = |name| File::options().create(true).append(true).open(at.join(name)).unwrap();
    let [mut filler, mut crumbs] = FILES.map(open);
    let old = filler.metadata().unwrap().len();
    let more = left(at).saturating_sub(leave);
    let flags = rustix::fs::FallocateFlags::empty();
    if more > 0 && rustix::fs::fallocate(&filler, flags, old, more).is_err() {
        // The file's own bookkeeping takes blocks too: what fits has been taken.
        while (leave == 0 || left(at) > leave) && filler.write_all(&[1; 64 << 10]).is_ok() {}
    }
    // The last blocks, one by one.
    while (leave == 0 || left(at) > leave) && crumbs.write_all(&[1; 4096]).is_ok() {}
}

/// Gives that back.
pub fn empty(at: &Path) {
    FILES.iter().for_each(|name| fs::remove_file(at.join(name)).unwrap());
}
