//! What people and scripts see: text or JSON on standard output, progress and failures on standard
//! error; bars on a terminal, plain lines elsewhere.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this room is the screen")]

use crate::failure::Failure;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use site::Progress;
use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Time between two plain lines of progress.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The screen of one run.
pub(crate) struct Screen {
    json: bool,
    terminal: bool,
    drawn: Mutex<Option<Drawn>>,
}

struct Drawn {
    step: String,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, terminal: std::io::stderr().is_terminal(), drawn: Mutex::new(None) }
    }

    /// Whether a script reads the output.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Says a line to people; scripts do not see it.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        self.clear();
        if !self.json {
            println!("{}", line.as_ref());
        }
    }

    /// Gives the result: the value to scripts, the text to people.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl AsRef<str>) {
        self.clear();
        if self.json {
            println!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
        } else {
            println!("{}", text.as_ref().trim_end());
        }
    }

    /// Says something beside the result.
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        self.clear();
        eprintln!("{}", line.as_ref());
    }

    /// Says how a verb failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.clear();
        if self.json {
            println!("{}", serde_json::json!({ "error": failure }));
        }
        eprintln!("patchkeep: {}", failure.message);
    }

    /// Draws progress.
    pub(crate) fn progress(&self, progress: &Progress) {
        let Ok(mut drawn) = self.drawn.lock() else { return };
        if drawn.as_ref().is_none_or(|drawn| drawn.step != progress.step) {
            if let Some(Drawn { bar: Some(bar), .. }) = drawn.take() {
                bar.finish_and_clear();
            }
            *drawn = Some(self.begin(progress));
        }
        let Some(drawn) = drawn.as_mut() else { return };
        match &drawn.bar {
            Some(bar) => {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            }
            None if drawn.last_line.elapsed() >= LINE_EVERY => {
                drawn.last_line = Instant::now();
                eprintln!("{}", line(progress));
            }
            None => {}
        }
    }

    fn begin(&self, progress: &Progress) -> Drawn {
        let bar = self.terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let figures = if progress.unit == "bytes" {
                "{bytes}/{total_bytes} {bytes_per_sec} {eta} left"
            } else {
                "{pos}/{len}"
            };
            let template = format!("{{msg}} [{{wide_bar}}] {figures}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar.set_message(progress.step.clone());
            bar
        });
        if bar.is_none() {
            eprintln!("{}", line(progress));
        }
        Drawn { step: progress.step.clone(), bar, last_line: Instant::now() }
    }

    fn clear(&self) {
        if let Ok(mut drawn) = self.drawn.lock()
            && let Some(Drawn { bar: Some(bar), .. }) = drawn.take()
        {
            bar.finish_and_clear();
        }
    }
}

fn line(progress: &Progress) -> String {
    let Progress { step, done, total, unit } = progress;
    match (unit.as_str(), total) {
        (_, 0) => format!("{step} ..."),
        ("bytes", _) => format!("{step}: {} of {}", HumanBytes(*done), HumanBytes(*total)),
        _ => format!("{step}: {done} of {total} {unit}"),
    }
}

/// A length for people, e.g. `8.31 MiB`.
pub(crate) fn bytes(length: u64) -> String {
    HumanBytes(length).to_string()
}
