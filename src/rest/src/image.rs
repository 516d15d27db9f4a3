//! The appliance's own images: which runs, which are held, and starting one on trial.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    words::{At, Of, Person, Sha256, Source, Text, choices, words},
};
use fleet::Operation;
use serde::Deserialize;
use utoipa::IntoParams;

choices! {
    /// What became of an image.
    ImageEnd of fleet::ImageEnd { Blessed, FellBack, Refused, }
}

words! {
    /// How the appliance stands with its images.
    Images of site::ImageStatus {
        /// The version that runs; null where the appliance runs from no image.
        running: Option<String>,
        /// Whether one was handed over and is not taken yet.
        waits: bool,
        /// An older one that one administrator has asked for, as long as another may start it.
        asked: Option<OlderImage>,
        /// What became of the last one that was handed over.
        last: Option<SettledImage>,
        /// Those that are held, the newest version first.
        held: Vec<HeldImage>,
    }
    /// What starting an image came to.
    StartedImage of site::StartedImage {
        /// Which.
        image: HeldImage,
        /// Until when another administrator has to start it too, where it is older than the one that runs and was only asked
        /// for; null where it was handed over.
        another_until: Option<At>,
    }
    /// An older image that one administrator has asked for.
    OlderImage of fleet::OlderImage {
        /// Its version.
        version: String,
        /// Its SHA-256.
        sha256: Sha256,
        /// Who asked for it.
        by: Person,
        /// When. Another administrator may start it within a day.
        asked: At,
    }
    /// An image that is held.
    HeldImage of site::HeldImage {
        /// Its version.
        version: String,
        /// When its builder released it.
        released: At,
        /// The source that it came from.
        source: Source,
        /// The anchor under which its builder's signature held.
        anchor: String,
        /// Its SHA-256.
        sha256: Sha256,
        /// Its length.
        bytes: u64,
        /// When it was imported, as far as that is in this log.
        imported: Option<At>,
        /// What its builder says of it.
        notes: Option<String>,
    }
    /// What became of an image that was handed over.
    SettledImage of fleet::SettledImage {
        /// What.
        became: ImageEnd,
        /// The version that ran before.
        from: String,
        /// The version that was tried; null where it was refused.
        to: Option<String>,
        /// The image's SHA-256.
        sha256: Option<Sha256>,
        /// Why it did not stay.
        why: Option<String>,
        /// When that was settled.
        settled: At,
    }
}

/// Which image.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfVersion {
    version: Text<1, 100>,
}

fn images(asking: &Asking, _: No, _: No, _: No) -> Result<Json<Images>, Problem> {
    Ok(Json(Images::of(asking.site().images()?)))
}

fn start(asking: &Asking, of: OfVersion, _: No, _: No) -> Result<Json<StartedImage>, Problem> {
    let version = of.version.0;
    if !asking.site().images()?.held.iter().any(|image| image.version == version) {
        return Err(Problem::missing(format!("no image of version {version} is held")));
    }
    Ok(Json(Of::of(asking.site().start_image(asking.actor(), &version)?)))
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/images"), O::Images, "Which image runs, and which are held", images);
    let starts = "Start an image on trial, which restarts the appliance; an older one takes two administrators";
    table.add(("POST", "/images/{version}/start"), O::StartImage, starts, start);
}
