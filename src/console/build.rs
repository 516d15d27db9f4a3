//! Lists what `just web` built, so that the program carries it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a build that cannot go on says why")]

use std::{env, fs, path::Path};

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let Ok(entries) = fs::read_dir(&dist) else {
        panic!("web/dist is not there: run `just web` first");
    };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let one = |stem: &str, kind: &str| {
        let found = names.iter().find(|name| name.starts_with(stem) && name.ends_with(kind));
        found.unwrap_or_else(|| panic!("web/dist has no {stem}*{kind}: run `just web` again"))
    };
    let mut source = String::new();
    for (constant, stem, kind) in
        [("STYLE", "console-", ".css"), ("SCRIPT", "console-", ".js"), ("MARK", "mark-", ".svg")]
    {
        let name = one(stem, kind);
        let path = fs::canonicalize(dist.join(name)).unwrap();
        source.push_str(&format!(
            "pub(crate) const {constant}: Asset = Asset {{ path: \"/assets/{name}\", bytes: include_bytes!({path:?}) }};\n"
        ));
    }
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("assets.rs"), source).unwrap();
}
