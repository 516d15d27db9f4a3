//! Programs that are run to their end before the server is looked after.
//!
//! **Invariant:** they are run on the main thread alone. It takes leave of every child that ends, and would take one from under a
//! thread that waits for it.

use crate::error::Error;
use std::process::{Command, Output};

/// Most of what a program said that is kept, in bytes: the end counts.
const SAID_BYTES_MAX: usize = 400;

/// Runs a program; what it said last, where it ended well.
pub(crate) fn said(command: &mut Command) -> Result<String, Error> {
    let ended = ended(command, &[0])?;
    Ok(tail(&[ended.stdout, ended.stderr].concat()))
}

/// Runs a program; what it gave out, where it ended well.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(&ended(command, &[0])?.stdout).into_owned())
}

/// Runs a program; its exit code, where that is one of `good`.
pub(crate) fn run(command: &mut Command, good: &[i32]) -> Result<i32, Error> {
    Ok(ended(command, good)?.status.code().unwrap_or_default())
}

fn ended(command: &mut Command, good: &[i32]) -> Result<Output, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let told = |source| Error::Start { program: program.clone(), source };
    let ended = command.output().map_err(told)?;
    match ended.status.code() {
        Some(code) if good.contains(&code) => Ok(ended),
        code => {
            let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
            let said = tail(&[ended.stdout, ended.stderr].concat());
            Err(Error::Program { program, code, said })
        }
    }
}

fn tail(bytes: &[u8]) -> String {
    let end = &bytes[bytes.len().saturating_sub(SAID_BYTES_MAX)..];
    String::from_utf8_lossy(end).trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_program_said_last_is_told_with_its_code() {
        assert_eq!(run(Command::new("true").arg("x"), &[0]).unwrap(), 0);
        assert_eq!(run(&mut Command::new("false"), &[0, 1]).unwrap(), 1);
        let error = run(Command::new("ls").arg("/no-such-folder"), &[0]).unwrap_err();
        assert!(error.to_string().contains("no-such-folder"), "{error}");
        assert!(matches!(
            run(&mut Command::new("/no-such-program"), &[0]),
            Err(Error::Start { .. })
        ));
        assert_eq!(tail(&[b'x'; 1000]).len(), SAID_BYTES_MAX);
    }
}
