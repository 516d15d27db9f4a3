//! Rust sources: first lines, sizes, words that may not stand, and purity.

use super::floors::{PURE, says};
use super::{Text, report, rust};

/// The most lines a file may have, tests at its bottom included.
const FILE_LINES_MAX: usize = 800;
/// The most lines a function may have, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer, with their lines. They may only shrink.
const LONG_FILES: &[(&str, usize)] = &[];
/// Functions that are longer: file, name, lines. They may only shrink.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[
    ("src/collect/src/publish/build.rs", "build", 71),
    ("src/site/src/audit/index.rs", "pointers", 79),
];

/// Words that may not stand in a source, in halves so that this file may stand itself.
const NEVER: &[(&str, &str)] = &[
    ("FIX", "ME"),
    ("TO", "DO"),
    ("#[ign", "ore"),
    ("should_", "panic"),
    ("tod", "o!("),
    ("unimplem", "ented!("),
    ("db", "g!("),
    ("allow(unsa", "fe_code"),
    ("uns", "afe {"),
    ("uns", "afe fn"),
    ("uns", "afe impl"),
    ("uns", "afe("),
];

/// What a pure crate may not reach for.
const IMPURE: &[&str] = &[
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "Instant::now",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "OsRng",
    "thread_rng",
    "getrandom",
    "rand",
    "tokio",
    "async",
];

/// A function found in a source.
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// The functions of a file as `rustfmt` lays them out: the closing brace stands under the `fn`.
fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = function_name(line.trim_start()) else { continue };
        if line.ends_with(';') || line.ends_with('}') {
            continue;
        }
        let ends = |line: &&str| {
            line.len() > indent
                && line[..indent].trim().is_empty()
                && (line[indent..].starts_with('}') || &line[indent..] == ");")
        };
        let after =
            lines[start + 1..].iter().position(|line| line.is_char_boundary(indent) && ends(line));
        if let Some(after) = after {
            found.push(Function { name, line: start + 1, lines: after + 2 });
        }
    }
    found
}

/// The name of the function that a line begins, if it begins one.
fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = before.replace("pub(crate)", "pub").replace("pub(super)", "pub");
    let known = ["pub", "const", "async", "extern", "\"C\""];
    if !modifiers.split_whitespace().all(|word| known.contains(&word)) {
        return None;
    }
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn every_source_says_first_what_it_owns() {
    let without = rust().into_iter().filter(|file| !file.text.starts_with("//! "));
    report(
        without.map(|file| format!("{}: begin it with //! and what it owns", file.path)).collect(),
    );
}

#[test]
fn files_stay_readable_in_one_sitting() {
    let mut findings = Vec::new();
    for Text { path, text } in rust() {
        let lines = text.lines().count();
        let allowed = LONG_FILES.iter().find(|(known, _)| *known == path);
        match allowed {
            None if lines > FILE_LINES_MAX => {
                findings.push(format!("{path}: {lines} lines, {FILE_LINES_MAX} at most: split it"));
            }
            Some((_, at_most)) if lines > *at_most => {
                findings.push(format!("{path}: grew from {at_most} to {lines} lines"));
            }
            Some((_, at_most)) if lines < *at_most => {
                findings.push(format!("{path}: shrank to {lines}: lower it in LONG_FILES"));
            }
            _ => {}
        }
    }
    report(findings);
}

#[test]
fn functions_stay_readable_on_one_screen() {
    let mut findings = Vec::new();
    for Text { path, text } in rust() {
        for Function { name, line, lines } in functions(&text) {
            let allowed = LONG_FUNCTIONS.iter().find(|(file, f, _)| *file == path && *f == name);
            match allowed {
                None if lines > FUNCTION_LINES_MAX => findings.push(format!(
                    "{path}:{line}: {name} has {lines} lines, {FUNCTION_LINES_MAX} at most"
                )),
                Some((_, _, at_most)) if lines > *at_most => {
                    findings.push(format!("{path}:{line}: {name} grew from {at_most} to {lines}"));
                }
                Some((_, _, at_most)) if lines < *at_most => findings.push(format!(
                    "{path}:{line}: {name} shrank to {lines}: lower it in the table"
                )),
                _ => {}
            }
        }
    }
    report(findings);
}

#[test]
fn the_measure_of_functions_measures() {
    let text = "impl A {\n    pub(crate) async fn one(\n        &self,\n    ) -> u8 {\n        1\n    }\n\n    \
                fn two();\n    fn three() {}\n}\nfn four() {\n    let x = \"fn \";\n}\n";
    let found: Vec<_> = functions(text).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("one".into(), 2, 5), ("four".into(), 11, 3)]);
}

#[test]
fn nothing_is_put_off_or_switched_off() {
    let mut findings = Vec::new();
    for Text { path, text } in rust() {
        for (number, line) in text.lines().enumerate() {
            for (first, second) in NEVER {
                if line.contains(&format!("{first}{second}")) {
                    findings.push(format!("{path}:{}: {first}{second} may not stand", number + 1));
                }
            }
        }
    }
    report(findings);
}

#[test]
fn pure_crates_stay_pure() {
    let mut findings = Vec::new();
    for Text { path, text } in rust() {
        let own = |name: &&&str| path.starts_with(&format!("src/{name}/src/"));
        let Some(krate) = PURE.iter().find(own) else { continue };
        if path.ends_with("tests.rs") {
            continue;
        }
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in shipped.lines().enumerate() {
            let prose = line.trim_start().starts_with("//");
            for word in IMPURE.iter().filter(|word| !prose && says(line, word)) {
                findings.push(format!(
                    "{path}:{}: {krate} is pure and may not know {word}: take it as a parameter",
                    number + 1
                ));
            }
        }
    }
    report(findings);
}
