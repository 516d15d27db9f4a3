//! Ends the program when a sled operation does not come back, leaving a mark to rebuild.
//!
//! A damaged sled can spin inside a call that cannot be cancelled. The program is then of no use to
//! anybody; the next start finds the mark, sets the folder aside and builds the views again.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
    thread,
    time::{Duration, Instant},
};

/// Longest time one operation may take.
const OPERATION_SECS_MAX: u64 = 60;

/// Operations under way, by start.
#[derive(Debug, Default)]
struct Clocks {
    next: u64,
    running: Vec<(u64, Instant)>,
}

/// Watches the operations of one [`crate::Views`].
#[derive(Debug)]
pub(crate) struct Watchdog(Arc<Mutex<Clocks>>);

impl Watchdog {
    /// Starts to watch; `mark` is written before the program is ended.
    pub(crate) fn start(mark: PathBuf) -> Self {
        let clocks = Arc::new(Mutex::new(Clocks::default()));
        let watched = Arc::downgrade(&clocks);
        thread::spawn(move || watch(&watched, &mark));
        Self(clocks)
    }

    /// Runs one operation under watch.
    pub(crate) fn run<T>(&self, operation: impl FnOnce() -> T) -> T {
        let id = self.0.lock().ok().map(|mut clocks| {
            clocks.next += 1;
            let id = clocks.next;
            clocks.running.push((id, Instant::now()));
            id
        });
        let result = operation();
        if let (Some(id), Ok(mut clocks)) = (id, self.0.lock()) {
            clocks.running.retain(|(running, _)| *running != id);
        }
        result
    }
}

fn watch(clocks: &Weak<Mutex<Clocks>>, mark: &std::path::Path) {
    loop {
        thread::sleep(Duration::from_secs(1));
        let Some(clocks) = clocks.upgrade() else { return };
        let late = Duration::from_secs(OPERATION_SECS_MAX);
        let stuck = clocks
            .lock()
            .map_or(true, |c| c.running.iter().any(|(_, since)| since.elapsed() > late));
        if stuck {
            // Nothing can be done about a failure here but to end all the same.
            drop(std::fs::write(mark, b"an operation on the views did not come back\n"));
            std::process::abort();
        }
    }
}
