//! The program `patchkeep-reader`: answers one request on standard input, confined, and ends.

fn main() -> std::process::ExitCode {
    reader::warm_up();
    sandbox::child::serve(reader::answer)
}
