//! The house rules, held by a test: floors, names, sizes, words, licences and the map.
//!
//! Each finding is one line that says where, what and what to do. A rule that must bend has a
//! table here, with the exception by name; tables of sizes only ever shrink.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod floors;
mod licences;
mod papers;
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the project.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A text file of the project: its path from the top, and what it says.
struct Text {
    path: String,
    text: String,
}

/// Every text file of the project, without what is built, fetched or git's own.
fn texts() -> Vec<Text> {
    let top = top();
    let mut found = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if kind.is_dir()
                && !["target", "node_modules", "dist", ".git", "corpus"].contains(&&*name)
            {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(&path)
            {
                let path = path.strip_prefix(&top).unwrap().display().to_string();
                found.push(Text { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Those of the texts that are Rust.
fn rust() -> Vec<Text> {
    texts().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// What `cargo metadata` says, without the network.
fn metadata(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(arguments)
        .current_dir(top())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed: {complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `cargo tree` says of the crates that this machine builds, a line each.
fn tree(edges: &str, format: &str) -> BTreeSet<String> {
    // Not `cargo metadata`: its graph also holds optional crates that nothing turns on.
    let listed = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--workspace", "--prefix", "none", "--no-dedupe"])
        .args(["--edges", edges, "--format", format])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Ends the test with every finding at once.
fn report(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
