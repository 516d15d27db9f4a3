//! The program `patchkeep-reader`: answers one request on standard input, confined, and ends; or, with `medium KIND`, shows
//! the files of a medium, confined, until it is unmounted; or, with `write NAME SECONDS`, writes a file to one, confined.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            reader::warm_up();
            sandbox::child::serve(reader::answer)
        }
        ["medium", kind] => reader::medium::serve(kind),
        ["write", name, seconds] => reader::medium::write(name, seconds),
        _ => {
            eprintln!("usage: patchkeep-reader [medium fat|ext | write NAME SECONDS]");
            ExitCode::from(2)
        }
    }
}
