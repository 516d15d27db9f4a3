//! `verify.sh` on desks with stock tools alone.

use crate::made_up::{MadeUp, genuine, unsigned};
use site::audit::Scope;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

const TOOLS: [&str; 7] = ["awk", "base64", "cat", "mktemp", "rm", "sha256sum", "tail"];

/// A folder with links to the stock tools and `more`, to be the whole PATH.
fn desk(at: &Path, more: &[&str]) -> PathBuf {
    let bin = at.join("bin");
    fs::create_dir(&bin).unwrap();
    for tool in TOOLS.iter().chain(more) {
        let found = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(tool));
        let found = found.iter().find(|path| path.exists());
        let found = found.unwrap_or_else(|| panic!("{tool} is needed for this test"));
        symlink(found, bin.join(tool)).unwrap();
    }
    bin
}

/// Runs `script` in the folder; whether it ended with 0, and what it said.
fn run(script: &Path, folder: &Path, path: &Path, arguments: &[&str]) -> (bool, String) {
    let mut sh = Command::new("/bin/sh");
    sh.arg(script).args(arguments).current_dir(folder).env_clear().env("PATH", path);
    let output = sh.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_desk_with_either_tool_verifies_and_says_what_it_cannot() {
    for looks in [1, 300] {
        let temp = tempfile::tempdir().unwrap();
        let bundle = temp.path().join("bundle");
        let made_up = MadeUp::new(unsigned(), 8, looks);
        let exported = made_up.unpack(Scope::Full, &bundle);
        let script = bundle.join("verify.sh");
        for (tool, says, cannot) in [
            ("ssh-keygen", "holds          the key's SSH signature", "the Ed25519 signature"),
            ("openssl", "holds          the log's own signature", "the SSH signature"),
        ] {
            let temp = tempfile::tempdir().unwrap();
            let bin = desk(temp.path(), &[tool]);
            let (held, said) = run(&script, &bundle, &bin, &[&exported.key]);
            assert!(held, "{tool}:\n{said}");
            assert!(said.contains(says), "{said}");
            assert!(said.contains(&format!("not checked    {cannot}")), "{said}");
            assert!(said.contains("by proofs/"), "{said}");
            assert!(!said.contains("you gave no fingerprint"), "{said}");
            let (held, said) = run(&script, &bundle, &bin, &[]);
            assert!(held && said.contains("you gave no fingerprint"), "{said}");
            let (held, said) = run(&script, &bundle, &bin, &["SHA256:somebodyelse"]);
            assert!(!held && said.contains("DOES NOT HOLD  the key is the one"), "{said}");
        }
        let temp = tempfile::tempdir().unwrap();
        let (held, said) = run(&script, &bundle, &desk(temp.path(), &[]), &[]);
        assert!(!held, "nothing signed was checked, so nothing may be relied on:\n{said}");
    }
}

#[test]
fn one_byte_of_any_file_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let bundle = temp.path().join("bundle");
    MadeUp::new(unsigned(), 2, 1).unpack(Scope::Full, &bundle);
    let kept = temp.path().join("kept.sh");
    fs::copy(bundle.join("verify.sh"), &kept).unwrap();
    let names: Vec<String> =
        site::audit::open(&bundle, site::audit::Limits::default()).unwrap().into_keys().collect();
    assert!(names.len() > 30, "{names:?}");
    let bins = ["ssh-keygen", "openssl"].map(|tool| {
        let at = temp.path().join(tool);
        fs::create_dir(&at).unwrap();
        desk(&at, &[tool])
    });
    for (n, name) in names.iter().enumerate() {
        let (path, bin) = (bundle.join(name), &bins[n % 2]);
        // A signature of the form that the desk cannot check is checked on the other desk.
        let bin = match name.as_str() {
            "manifest.json.sig" => &bins[0],
            "manifest.json.ed25519" => &bins[1],
            _ => bin,
        };
        let original = fs::read(&path).unwrap();
        let places = [0, original.len() / 2, original.len() - 1];
        let own = name == "verify.sh";
        for at in if own { places.to_vec() } else { vec![places[n % 3]] } {
            let mut altered = original.clone();
            altered[at] ^= 1;
            fs::write(&path, &altered).unwrap();
            let script = if own { &path } else { &kept };
            let (held, said) = run(script, &bundle, bin, &[]);
            assert!(!held, "byte {at} of {name} went unnoticed:\n{said}");
        }
        fs::write(&path, original).unwrap();
    }
    let (held, said) = run(&kept, &bundle, &bins[1], &[]);
    assert!(held, "{said}");
}

#[test]
fn a_file_more_or_less_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let bundle = temp.path().join("bundle");
    MadeUp::new(unsigned(), 2, 1).unpack(Scope::Summary, &bundle);
    let (script, bin) = (bundle.join("verify.sh"), desk(temp.path(), &["openssl"]));
    for name in ["extra.txt", ".hidden", "log/tile/0/..x", "a b", "README.txt\n.", "reports/-n"] {
        let path = bundle.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let (held, said) = run(&script, &bundle, &bin, &[]);
        assert!(!held && said.contains("DOES NOT HOLD  no file is here"), "{name}:\n{said}");
        fs::remove_file(&path).unwrap();
    }
    symlink("README.txt", bundle.join("link")).unwrap();
    assert!(!run(&script, &bundle, &bin, &[]).0, "a link");
    fs::remove_file(bundle.join("link")).unwrap();
    assert!(run(&script, &bundle, &bin, &[]).0);
    for name in ["checkpoint", "SHA256SUMS", "proofs/0.entry", "manifest.json", "key.pub.pem"] {
        let path = bundle.join(name);
        let Ok(bytes) = fs::read(&path) else { continue };
        fs::remove_file(&path).unwrap();
        assert!(!run(&script, &bundle, &bin, &[]).0, "{name} was missing");
        fs::write(&path, bytes).unwrap();
    }
    assert!(run(&script, &bundle, &bin, &[]).0);
}

#[test]
fn a_bundle_cannot_make_the_desk_run_anything() {
    let temp = tempfile::tempdir().unwrap();
    let bundle = temp.path().join("bundle");
    MadeUp::new(unsigned(), 2, 1).unpack(Scope::Full, &bundle);
    let mark = temp.path().join("mark");
    let trick = format!("x[$(touch {})]", mark.display());
    let checkpoint = fs::read_to_string(bundle.join("checkpoint")).unwrap();
    let mut lines: Vec<&str> = checkpoint.split('\n').collect();
    lines[1] = &trick;
    fs::write(bundle.join("checkpoint"), lines.join("\n")).unwrap();
    let name =
        format!("proofs/$(touch {}).tlog-proof", mark.display().to_string().replace('/', "_"));
    fs::write(bundle.join(&name), "x").unwrap();
    let manifest = fs::read_to_string(bundle.join("manifest.json")).unwrap();
    let manifest = manifest.replace("\"path\": \"README.txt\"", &format!("\"path\": \"{trick}\""));
    fs::write(bundle.join("manifest.json"), manifest).unwrap();
    let script = bundle.join("verify.sh");
    for shell in ["/bin/dash", "/bin/bash"].into_iter().filter(|shell| Path::new(shell).exists()) {
        let mut command = Command::new(shell);
        let output = command.arg(&script).arg("SHA256:x").current_dir(&bundle).output().unwrap();
        assert!(!output.status.success());
    }
    assert!(!mark.exists());
}

#[test]
fn the_script_is_short_and_plain() {
    let script = include_str!("../../assets/verify.sh");
    assert!(script.lines().count() <= 60);
    assert!(script.lines().all(|line| line.chars().count() <= 150));
}

#[test]
fn vendors_signatures_are_checked_where_there_is_gpgv() {
    let Ok(reader) = sandbox::Reader::beside_this_program() else { return };
    let (Some(signed), true) = (genuine(&reader), Path::new("/usr/bin/gpgv").exists()) else {
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let bundle = temp.path().join("bundle");
    MadeUp::new(signed, 2, 1).unpack(Scope::Full, &bundle);
    let bin = desk(temp.path(), &["openssl", "gpgv"]);
    let (held, said) = run(&bundle.join("verify.sh"), &bundle, &bin, &[]);
    assert!(held && said.contains("holds          the vendor's signature on vendor/"), "{said}");
}
