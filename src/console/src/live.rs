//! Live parts of pages: what is asked again every second and sent when it has changed.

use crate::visit::Watching;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How often is looked.
const EVERY: Duration = Duration::from_millis(700);
/// How long one connection lasts; the browser then asks again, and whether somebody is signed in is looked at
/// anew.
const LASTS: Duration = Duration::from_secs(300);

/// What is to be sent.
pub(crate) enum Look {
    /// The part as it is.
    Part(String),
    /// What was followed is over: the whole page is asked again.
    Over,
}

/// Sends a part whenever it has changed, as long as the session lasts.
pub(crate) fn follow<F, L>(
    watching: Watching,
    look: F,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    F: Fn() -> L + Send + 'static,
    L: Future<Output = Look> + Send,
{
    let begun = Instant::now();
    let watching = Arc::new(watching);
    let events = stream::unfold((look, String::new(), false), move |(look, last, over)| {
        let watching = Arc::clone(&watching);
        async move {
            if over {
                return None;
            }
            loop {
                if begun.elapsed() > LASTS {
                    return None;
                }
                let seen = if watching.lasts() { look().await } else { Look::Over };
                match seen {
                    Look::Part(part) if part == last => sleep(EVERY).await,
                    Look::Part(part) => {
                        let event = Event::default().event("part").data(&part);
                        return Some((Ok(event), (look, part, false)));
                    }
                    Look::Over => {
                        let event = Event::default().event("over").data("over");
                        return Some((Ok(event), (look, last, true)));
                    }
                }
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
