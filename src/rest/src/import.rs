//! What was imported, what was kept out, and the views that are kept. Importing itself needs the medium, so it is done
//! at the appliance.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    words::{At, Of, Part, Person, Place, Sha256, Source, words},
};
use fleet::Operation;
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// A bundle that was imported.
    Import of site::ImportRow {
        /// Its entry in the log.
        entry: u64,
        /// When.
        at: At,
        /// Its sequence.
        sequence: u64,
        /// Its digest.
        bundle: Sha256,
        /// What it brought.
        sources: Vec<ImportedSource>,
        /// Payloads that were new.
        payloads_new: u64,
        /// Their bytes.
        bytes_new: u64,
        /// Who imported it.
        person: Option<Person>,
    }
    /// A source of an imported bundle.
    ImportedSource of fleet::ImportedSource {
        /// The source.
        source: Source,
        /// Digest of its catalogue.
        catalogue: Sha256,
        /// Files that it names.
        files: u64,
        /// Updates that it offers.
        updates: u64,
        /// CVEs that these name.
        cves: u64,
        /// Files that were missing.
        missing: u64,
    }
    /// A bundle that was kept out.
    KeptOut of site::KeptOutRow {
        /// Its entry in the log.
        entry: u64,
        /// When.
        at: At,
        /// The code of why.
        reason: String,
        /// Why, in a sentence.
        message: String,
        /// Whether it is in quarantine, rather than refused.
        quarantined: bool,
    }
}

/// A kept view: what a bundle brought of one source.
#[derive(Debug, Serialize, ToSchema)]
struct KeptView {
    source: Source,
    /// Sequence of its bundle.
    sequence: u64,
    /// The date that the vendor signed.
    release_date: At,
    /// Updates that it offers.
    updates: u64,
    /// Files that are missing: 0 is complete.
    missing: u64,
}

impl Of<(ids::SourceId, u64, fleet::KeptView)> for KeptView {
    fn of((source, sequence, view): (ids::SourceId, u64, fleet::KeptView)) -> Self {
        let release_date = At(view.source.vendor.release_date);
        let (updates, missing) = (view.source.updates, view.missing);
        Self { source: Source(source), sequence, release_date, updates, missing }
    }
}

fn imports(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<Import>>, Problem> {
    Ok(Json(Part::of(asking.site().imports()?, &place)?))
}

fn kept_out(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<KeptOut>>, Problem> {
    Ok(Json(Part::of(asking.site().kept_out()?, &place)?))
}

fn views(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<KeptView>>, Problem> {
    let state = asking.site().state();
    let view = |((source, sequence), view): (&(ids::SourceId, u64), &fleet::KeptView)| {
        (source.clone(), *sequence, view.clone())
    };
    Ok(Json(Part::of(state.views.iter().map(view).collect(), &place)?))
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(
        ("GET", "/imports"),
        O::Status,
        "Bundles that were imported, the newest first",
        imports,
    );
    table.add(("GET", "/imports/kept-out"), O::Status, "Bundles that were kept out", kept_out);
    table.add(("GET", "/views"), O::Status, "Views that are kept", views);
}
