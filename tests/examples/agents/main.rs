//! Agents in figures, for `just bench`: check-ins a second beside nginx, what ten thousand endpoints weigh, and
//! what one run over all of them takes. One JSON object a line.
//!
//!   agents rate [ROUNDS] [SECONDS] [--x25519]   agents memory [ENDPOINTS]   agents run [ENDPOINTS]

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod fill;
mod rate;
mod run;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        words.get(at).and_then(|word| word.parse().ok()).unwrap_or(default)
    };
    match words.first().map(String::as_str) {
        Some("rate") => {
            let plain = words.iter().any(|word| word == "--x25519");
            rate::measure(number(1, 5), number(2, 5) as u64, plain);
        }
        Some("memory") => fill::measure(number(1, 10_000)),
        Some("run") => run::measure(number(1, 10_000)),
        _ => panic!("say rate, memory or run"),
    }
}
