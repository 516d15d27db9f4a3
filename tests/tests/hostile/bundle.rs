//! Altered bundles: whatever byte changed, wherever the bundle travels, it is refused.

use crate::common::{Attacked, PACKAGES};
use std::fs;
use std::path::Path;
use tests::{Workshop, copy_tree, find};

/// Changes one bit.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Offsets worth trying in a file: its ends, its middle, and some between.
fn offsets(path: &Path, count: usize) -> Vec<usize> {
    let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    (0..count).map(|n| (length - 1) * n / (count - 1)).collect()
}

#[test]
fn a_flipped_byte_in_any_file_of_a_folder_is_refused() {
    let workshop = Workshop::new();
    let first = workshop.bundle("first", 1, PACKAGES);
    let good = workshop.bundle("second", 2, &[(2, 310_000), (2, 41_000)]);
    let attacked = Attacked::new(&workshop, &[&first]);
    let bad = workshop.path("bad");
    copy_tree(&good, &bad);
    let classes: [(&str, &str, usize); 9] = [
        ("metadata", "timestamp.json", 4),
        ("metadata", ".snapshot.json", 4),
        ("metadata", ".targets.json", 4),
        ("metadata", ".test-stable.json", 4),
        ("metadata", "1.root.json", 4),
        ("targets", ".bundle.json", 3),
        ("targets", ".catalogue.json.zst", 3),
        ("targets", ".payloads.jsonl.zst", 3),
        ("targets", ".pack", 5),
    ];
    for (folder, ending, count) in classes {
        let file = find(&bad.join(folder), |name| name.contains(ending));
        for at in offsets(&file, count) {
            flip(&file, at);
            attacked.refuses(&[&bad], "");
            flip(&file, at);
        }
    }
    attacked.still_imports(&bad);
}
