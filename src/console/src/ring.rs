//! Rings: where each points, in which order they are patched, making one and moving it.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading, text,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::Query,
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::{Operation, RingPlace};
use ids::{RingName, SourceId};
use serde::Deserialize;
use site::{OfferChange, RingPointer, RingPreview, RingStays};
use std::{collections::BTreeMap, sync::Arc};

/// Packages that a preview names of each kind.
const PACKAGES_SHOWN: usize = 40;

/// A ring, and where it points.
struct Row {
    ring: RingName,
    follows: bool,
    place: Option<RingPlace>,
    endpoints: u64,
    /// Each with the view before.
    pointers: Vec<(RingPointer, Option<u64>)>,
}

#[derive(Template)]
#[template(path = "rings.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    stays: Vec<RingStays>,
    views: Vec<(SourceId, u64, u64)>,
    /// Where a ring would be pointed, and what its endpoints would then be offered.
    preview: Option<(PointForm, RingPreview)>,
    may_create: bool,
    may_point: bool,
    may_place: bool,
}

impl List {
    fn is_chosen(&self, source: &SourceId, sequence: &u64) -> bool {
        let view = format!("{source} {sequence}");
        self.preview.as_ref().is_some_and(|(form, _)| form.view == view)
    }

    fn is_ring(&self, ring: &RingName) -> bool {
        self.preview.as_ref().is_some_and(|(form, _)| form.ring == ring.as_str())
    }

    /// What comes and what goes: the first of each, and how many more there are.
    fn changes(then: &RingPreview) -> [(&'static str, &[OfferChange], usize); 2] {
        let part = |all: &[OfferChange]| all.len().min(PACKAGES_SHOWN);
        let (comes, goes) = (part(&then.comes), part(&then.goes));
        [
            ("Would be offered besides", &then.comes[..comes], then.comes.len() - comes),
            ("Would be offered no more", &then.goes[..goes], then.goes.len() - goes),
        ]
    }
}

async fn list(visit: Visit, Query(words): Query<Done>) -> Result<Html<String>, Failure> {
    of(&visit, None, words.done.as_deref())
}

fn of(
    visit: &Visit,
    preview: Option<(PointForm, RingPreview)>,
    done: Option<&str>,
) -> Result<Html<String>, Failure> {
    let state = visit.site().state();
    let mut rings: BTreeMap<RingName, Row> = BTreeMap::new();
    let mut stays = Vec::new();
    for mut pointer in visit.site().rings() {
        stays.extend(pointer.stays.take());
        let row = rings.entry(pointer.ring.clone()).or_insert_with(|| Row {
            ring: pointer.ring.clone(),
            follows: pointer.follows,
            place: state.places.get(&pointer.ring).cloned(),
            endpoints: 0,
            pointers: Vec::new(),
        });
        let here = pointer.source.as_ref().zip(pointer.sequence);
        let before = here.and_then(|(source, at)| visit.site().view_before(source, at));
        row.pointers.push((pointer, before));
    }
    for known in state.endpoints.values().filter(|known| known.is_elected()) {
        if let Some(row) = rings.get_mut(&known.ring) {
            row.endpoints += 1;
        }
    }
    let views = state.views.iter().rev();
    let list = List {
        frame: Frame::new(visit, Section::Rules, "Rings").after(done),
        rows: rings.into_values().collect(),
        stays,
        views: views.map(|((source, at), view)| (source.clone(), *at, view.missing)).collect(),
        preview,
        may_create: visit.may(Operation::CreateRing),
        may_point: visit.may(Operation::PointRing),
        may_place: visit.may(Operation::PlaceRing),
    };
    Ok(Html(list.render()?))
}

#[derive(Deserialize)]
struct CreateForm {
    ring: String,
    follows: Option<String>,
}

async fn create(Sent(visit, form): Sent<CreateForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::CreateRing)?;
    let (ring, follows) = (form.ring.trim().parse()?, form.follows.is_some());
    reading(&visit, move |site| site.create_ring(actor, ring, follows)).await?;
    Ok(Redirect::to("/rings?done=ring-made"))
}

#[derive(Deserialize)]
struct PointForm {
    ring: String,
    /// Source and sequence, as the list of views has them.
    view: String,
}

impl PointForm {
    fn read(&self) -> Result<(RingName, SourceId, u64), Failure> {
        let none = || Failure::input("choose a view from the list");
        let (source, sequence) = self.view.split_once(' ').ok_or_else(none)?;
        Ok((self.ring.parse()?, source.parse()?, sequence.parse().map_err(|_| none())?))
    }
}

async fn preview(Sent(visit, form): Sent<PointForm>) -> Result<Html<String>, Failure> {
    let (ring, source, sequence) = form.read()?;
    let preview = reading(&visit, move |site| site.ring_preview(&ring, &source, sequence)).await?;
    of(&visit, Some((form, preview)), None)
}

async fn point(Sent(visit, form): Sent<PointForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::PointRing)?;
    let (ring, source, sequence) = form.read()?;
    let act = move |site: &site::Site| site.point_ring(actor, ring, source, Some(sequence));
    let moved = reading(&visit, act).await?;
    let done = if moved { "ring-pointed" } else { "ring-stayed" };
    Ok(Redirect::to(&format!("/rings?done={done}")))
}

#[derive(Deserialize)]
struct PlaceForm {
    ring: String,
    after: String,
    soak_hours: String,
}

async fn place(Sent(visit, form): Sent<PlaceForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::PlaceRing)?;
    let ring: RingName = form.ring.parse()?;
    let soak_hours = form.soak_hours.trim().parse();
    let place = match form.after.as_str() {
        "" => None,
        after => Some(RingPlace {
            after: after.parse()?,
            soak_hours: soak_hours
                .map_err(|_| Failure::input("give the hours of soaking as a whole number"))?,
        }),
    };
    reading(&visit, move |site| site.place_ring(actor, ring, place)).await?;
    Ok(Redirect::to("/rings?done=ring-placed"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/rings", get(list).post(create))
        .route("/rings/point", post(point))
        .route("/rings/point/preview", post(preview))
        .route("/rings/place", post(place))
}
