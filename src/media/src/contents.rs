//! What a judged bundle carries: its small targets, read and checked.

use crate::{Error, Medium};
use bundle::{INFO_NAME, Info, Layout, PayloadIndex};
use catalogue::Catalogue;
use ids::SourceId;
use trust::{Repository, TargetFile, Verified};

/// The small targets of a bundle whose metadata has been judged, all matched against it.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// `bundle.json`.
    pub info: Info,
    /// The payload indexes, in the order of `info.sources`.
    pub indexes: Vec<PayloadIndex>,
    /// Where every payload lies in the stream.
    pub layout: Layout,
    /// What this version does not know and left out: to be said aloud, never in silence.
    pub skipped: Vec<String>,
}

impl Contents {
    pub(crate) fn read(medium: &Medium, repository: &Verified<Repository>) -> Result<Self, Error> {
        let bytes = small(medium, repository, INFO_NAME)?;
        let (info, fields) = Info::parse(&bytes).map_err(Error::Contents)?;
        let mut skipped: Vec<String> =
            fields.into_iter().map(|field| format!("field {field:?} of {INFO_NAME}")).collect();
        let mut indexes = Vec::new();
        let mut known = std::collections::BTreeSet::from([INFO_NAME]);
        for entry in &info.sources {
            let bytes = small(medium, repository, &entry.payloads)?;
            indexes.push(PayloadIndex::decode(&entry.source, &bytes).map_err(Error::Contents)?);
            known.extend([entry.catalogue.as_str(), entry.payloads.as_str()]);
            known.extend(entry.packs.iter().map(String::as_str));
        }
        let strange = repository.all_targets().filter(|(name, _)| !known.contains(name));
        skipped.extend(strange.map(|(name, _)| format!("target {name}")));
        let layout = Layout::new(repository, &info, &indexes).map_err(Error::Contents)?;
        Ok(Self { info, indexes, layout, skipped })
    }
}

pub(crate) fn catalogue(
    medium: &Medium,
    repository: &Verified<Repository>,
    source: &SourceId,
) -> Result<Catalogue, Error> {
    let bytes = small(medium, repository, &bundle::catalogue_name(source))?;
    bundle::decode_catalogue(source, &bytes).map_err(Error::Contents)
}

fn small(medium: &Medium, repository: &Verified<Repository>, name: &str) -> Result<Vec<u8>, Error> {
    let file: TargetFile = repository
        .target(name)
        .copied()
        .ok_or_else(|| Error::MissingTarget { name: name.to_owned() })?;
    medium.small_target(name, &file)
}
