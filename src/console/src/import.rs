//! Imports: what came, what was kept out, and reading a medium in, with its custody record.

use crate::{
    Console, Failure,
    custody::{self, BeginForm, Field, fields},
    frame::{Done, Frame, Section},
    list::{Address, Pager, ROWS, skip},
    live::{self, Look},
    reading,
    text::{self, bytes, count, thousands},
    visit::{Nothing, Sent, Visit, Watching},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use fleet::Operation;
use ids::{PersonId, RecordId, RingName, SourceId, Timestamp};
use serde::Deserialize;
use site::{CustodyStatus, ImportOrder, ImportRow, KeptOutRow, PresentMedium, Progress, Site};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The import that was begun here, and how the last one ended.
#[derive(Default)]
pub(crate) struct Importing(Mutex<Work>);

#[derive(Default)]
struct Work {
    running: Option<Running>,
    last: Option<Ended>,
}

/// An import under way.
#[derive(Clone)]
struct Running {
    path: String,
    person: PersonId,
    since: Timestamp,
    progress: Progress,
    /// When the step that it is at began.
    step: Instant,
}

/// How an import ended.
#[derive(Clone)]
struct Ended {
    path: String,
    at: Timestamp,
    accepted: bool,
    message: String,
}

impl Importing {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn amount(&self, number: u64) -> String {
        match self.progress.unit.as_str() {
            "bytes" => bytes(number),
            unit => format!("{} {unit}", thousands(number)),
        }
    }

    /// How far it is, in words.
    fn far(&self) -> String {
        let Progress { done, total, .. } = self.progress;
        match total {
            0 => String::new(),
            _ => format!("{} of {}", self.amount(done), self.amount(total)),
        }
    }

    /// How fast it is and how long it will take, once that can be told.
    fn pace(&self) -> Option<String> {
        let Progress { done, total, .. } = self.progress;
        let seconds = self.step.elapsed().as_secs();
        if seconds < 2 || done == 0 || total == 0 {
            return None;
        }
        let a_second = (done / seconds).max(1);
        let left = total.saturating_sub(done) / a_second;
        let left = match left {
            0..90 => count(left.max(1), "second"),
            90..5_400 => count(left.div_ceil(60), "minute"),
            _ => count(left.div_ceil(3_600), "hour"),
        };
        Some(format!("{} a second, about {left} left", self.amount(a_second)))
    }
}

#[derive(Template)]
#[template(path = "imports.html")]
struct List {
    frame: Frame,
    pager: Pager,
    rows: Vec<ImportRow>,
    kept_out: Vec<KeptOutRow>,
    running: Option<Running>,
    last: Option<Ended>,
    unfinished: Vec<u64>,
    newest: Option<u64>,
    may: bool,
    media_are_written: bool,
}

impl List {
    fn what_to_do(reason: &str) -> &'static str {
        site::what_to_do(reason)
    }
}

#[derive(Template)]
#[template(path = "import_live.html")]
struct Live {
    running: Option<Running>,
}

#[derive(Deserialize)]
struct ListWords {
    page: Option<u64>,
}

/// Bundles that were kept out and are shown; the log has all.
const KEPT_OUT_SHOWN: usize = 20;

async fn list(
    visit: Visit,
    State(console): State<Arc<Console>>,
    Query(words): Query<ListWords>,
) -> Result<Html<String>, Failure> {
    let page = words.page.unwrap_or(1);
    let (all, mut kept_out, unfinished) =
        reading(&visit, |site| Ok((site.imports()?, site.kept_out()?, site.unfinished_imports())))
            .await?;
    kept_out.truncate(KEPT_OUT_SHOWN);
    let (running, last) = {
        let work = console.importing().work();
        (work.running.clone(), work.last.clone())
    };
    let list = List {
        frame: Frame::new(&visit, Section::Imports, "Imports"),
        pager: Address::new("/imports").pager(page, all.len() as u64),
        newest: all.first().map(|import| import.sequence),
        rows: all.into_iter().skip(skip(page)).take(ROWS).collect(),
        kept_out,
        running,
        last,
        unfinished,
        may: visit.may(Operation::Import),
        media_are_written: visit.site().writable_media().is_some(),
    };
    Ok(Html(list.render()?))
}

async fn live(watching: Watching, State(console): State<Arc<Console>>) -> Response {
    live::follow(watching, move || {
        let running = console.importing().work().running.clone();
        async move {
            match running {
                None => Look::Over,
                Some(running) => {
                    Look::Part(Live { running: Some(running) }.render().unwrap_or_default())
                }
            }
        }
    })
    .into_response()
}

#[derive(Template)]
#[template(path = "import.html")]
struct One {
    frame: Frame,
    import: ImportRow,
    custody: Vec<Field>,
    /// Rings that point at it, each with its source and the view before.
    rings: Vec<(RingName, SourceId, Option<u64>)>,
    may_point: bool,
}

async fn one(
    visit: Visit,
    Path(sequence): Path<u64>,
    Query(words): Query<Done>,
) -> Result<Html<String>, Failure> {
    let (import, custody) = reading(&visit, move |site| {
        let import = site.imports()?.into_iter().find(|import| import.sequence == sequence);
        let custody = import.as_ref().and_then(|import| site.custody(&import.custody).ok());
        Ok((import, custody))
    })
    .await?;
    let import = import.ok_or_else(|| {
        Failure::missing(format!("no bundle {sequence} was imported at this site"))
    })?;
    let (site, state) = (visit.site(), visit.site().state());
    let here = state.pointers.iter().filter(|(_, (at, _))| *at == sequence);
    let ring = |(ring, source): &(RingName, SourceId)| {
        (ring.clone(), source.clone(), site.view_before(source, sequence))
    };
    let rings = here.map(|(key, _)| ring(key)).collect();
    let frame = Frame::new(&visit, Section::Imports, format!("Bundle {sequence}"))
        .below("Imports", "/imports")
        .after(words.done.as_deref());
    let custody = custody.map_or_else(Vec::new, |custody| fields(&frame, &custody));
    let may_point = visit.may(Operation::PointRing);
    Ok(Html(One { frame, import, custody, rings, may_point }.render()?))
}

impl One {
    fn can_go_back(&self) -> bool {
        self.rings.iter().any(|(_, _, before)| before.is_some())
    }
}

async fn back(
    Path(sequence): Path<u64>,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::PointRing)?;
    reading(&visit, move |site| site.point_back(&actor, sequence)).await?;
    Ok(Redirect::to(&format!("/imports/{sequence}?done=rings-back")))
}

#[derive(Template)]
#[template(path = "custody.html")]
struct Record {
    frame: Frame,
    custody: CustodyStatus,
    went_out: bool,
    fields: Vec<Field>,
}

async fn record(visit: Visit, Path(custody): Path<String>) -> Result<Html<String>, Failure> {
    let custody: RecordId = custody.parse()?;
    let custody = reading(&visit, move |site| site.custody(&custody)).await?;
    let frame = Frame::new(&visit, Section::Imports, "Custody record").below("Imports", "/imports");
    let fields = fields(&frame, &custody);
    let went_out = custody.record.as_ref().is_some_and(|record| record.direction == "export");
    Ok(Html(Record { frame, custody, went_out, fields }.render()?))
}

#[derive(Template)]
#[template(path = "import_new.html")]
struct New {
    frame: Frame,
    may: bool,
    me: PersonId,
    at_hand: AtHand,
}

/// The media at hand: a live part of its page.
#[derive(Template)]
#[template(path = "media_live.html")]
struct AtHand {
    media: Vec<PresentMedium>,
    /// Why there is no list of media.
    blind: Option<String>,
    /// The folders in which media are looked for; none where the appliance itself sees what is plugged in.
    places: Option<String>,
    newest: Option<u64>,
}

impl AtHand {
    async fn look(visit: &Visit) -> Self {
        let looked = tokio::time::timeout(LOOK_TIME, reading(visit, Site::present_media)).await;
        let (media, blind) = match looked {
            Ok(Ok(media)) => (media, None),
            Ok(Err(failure)) => (Vec::new(), Some(failure.said())),
            Err(_) => {
                let blind =
                    "Looking at the media takes longer than 5 seconds: one of them may be damaged.";
                (Vec::new(), Some(blind.to_owned()))
            }
        };
        let site = visit.site();
        let places = || {
            let places = site.media_places();
            places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        let places = (!site.sees_what_is_plugged_in()).then(places);
        Self { media, blind, places, newest: site.state().newest.map(|(sequence, _)| sequence) }
    }

    /// The first that can be imported, which is chosen until a person chooses.
    fn is_first(&self, medium: &PresentMedium) -> bool {
        let first = self.media.iter().find(|medium| medium.wrong.is_none());
        first.is_some_and(|first| first.path == medium.path)
    }

    fn compared(&self, says: u64) -> &'static str {
        match self.newest {
            Some(newest) if says == newest => "the newest that is trusted here",
            Some(newest) if says < newest => {
                "older than what is trusted here: only what is missing is taken from it"
            }
            _ => "newer than what is trusted here",
        }
    }
}

/// How long is looked for media: one that is damaged may not answer.
const LOOK_TIME: Duration = Duration::from_secs(5);

async fn new(visit: Visit) -> Result<Html<String>, Failure> {
    let frame =
        Frame::new(&visit, Section::Imports, "Import a bundle").below("Imports", "/imports");
    let page = New {
        frame,
        may: visit.may(Operation::Import),
        me: visit.person().clone(),
        at_hand: AtHand::look(&visit).await,
    };
    Ok(Html(page.render()?))
}

/// What is at hand, as it comes and goes.
async fn media(watching: Watching) -> Result<Response, Failure> {
    let visit = Arc::new(watching.0.clone());
    visit.acting(Operation::Import)?;
    let look = move || {
        let visit = Arc::clone(&visit);
        async move { Look::Part(AtHand::look(&visit).await.render().unwrap_or_default()) }
    };
    Ok(live::follow(watching, look).into_response())
}

async fn begin(
    State(console): State<Arc<Console>>,
    Sent(visit, form): Sent<BeginForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Import)?;
    let paths = form.places();
    if paths.is_empty() || paths.iter().any(|path| !path.is_absolute()) {
        return Err(Failure::input(
            "choose a medium, or give the whole path of the bundle's folder, from / on",
        ));
    }
    let person = visit.person().clone();
    let order =
        ImportOrder { paths, custody: form.custody(&visit)?, person: person.clone(), actor };
    let path =
        order.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    {
        let mut work = console.importing().work();
        if work.running.is_some() {
            return Err(site::Error::Busy.into());
        }
        let progress = Progress::count("beginning", 0, 0, "");
        let (since, step) = (visit.site().now(), Instant::now());
        work.running = Some(Running { path: path.clone(), person, since, progress, step });
    }
    let site = Arc::clone(visit.site());
    tokio::task::spawn_blocking(move || {
        let mut ending = Ending {
            console: Arc::clone(&console),
            site: Arc::clone(&site),
            path,
            ended: (false, "the appliance broke off this import: its log says why".to_owned()),
        };
        let ended = site.import(&order, &mut |progress| {
            if let Some(running) = &mut console.importing().work().running {
                if running.progress.step != progress.step {
                    running.step = Instant::now();
                }
                running.progress = progress;
            }
        });
        ending.ended = match &ended {
            Ok(outcome) => (outcome.fault().is_none(), outcome.message().to_owned()),
            Err(error) => (false, site::chain(error)),
        };
    });
    Ok(Redirect::to("/imports"))
}

/// Says how an import ended, however it did: else no other could begin.
struct Ending {
    console: Arc<Console>,
    site: Arc<Site>,
    path: String,
    ended: (bool, String),
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (accepted, message) = std::mem::take(&mut self.ended);
        let mut work = self.console.importing().work();
        work.last = Some(Ended {
            path: std::mem::take(&mut self.path),
            at: self.site.now(),
            accepted,
            message,
        });
        work.running = None;
    }
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/imports", get(list).post(begin))
        .route("/imports/new", get(new))
        .route("/imports/live", get(live))
        .route("/imports/media", get(media))
        .route("/imports/{sequence}", get(one))
        .route("/imports/{sequence}/back", post(back))
        .route("/custody/{custody}", get(record))
}
