//! The appliance's own images: `release.json`, its signature, and the one image that it names.

use crate::{
    Error,
    collection::{CollectedSource, keep},
    fetch::Fetched,
    release::History,
    rpm::Repository,
};
use catalogue::{Catalogue, File, FileKind, SCHEMA, Vendor};
use vendor_image::{RELEASE, RELEASE_SIGNATURE, Release};

impl Repository<'_> {
    /// Collects the image that is offered now.
    pub(crate) async fn collect_image(
        self,
        fetched: &mut Fetched,
    ) -> Result<CollectedSource, Error> {
        let Self { request, tools, id, .. } = &self;
        let mut history = History::load(tools, id)?;
        let read = |bytes: &[u8]| {
            let told = |source| Error::ImageFormat { path: RELEASE.to_owned(), source };
            let release = Release::parse(bytes).map_err(told)?;
            Ok((release.released, release))
        };
        let top = [RELEASE, RELEASE_SIGNATURE];
        let (release, mut files) = self.current(top, read, &mut history, fetched).await?;
        let (sha256, length) = (release.sha256, release.bytes);
        let image = File { path: release.file.clone(), sha256, length, kind: FileKind::Payload };
        let held = request.receipt.as_ref().is_some_and(|had| had.payloads.contains(&sha256));
        if !held {
            tools.progress.step(&format!("Fetching {} of {id}", release.file));
            self.have(std::slice::from_ref(&image), fetched).await?;
        }
        history.save(tools, id)?;
        files.push(image);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let updates = vec![vendor_image::update(&release)];
        let catalogue = Catalogue {
            schema: SCHEMA,
            source: id.clone(),
            vendor: Vendor::Image,
            collected_at: request.now,
            release_date: release.released,
            valid_until: None,
            files,
            advice: request.lists.advice(&updates),
            updates,
            notes: Vec::new(),
        };
        keep(&request.folder, catalogue, held.then_some(sha256).into_iter().collect())
    }
}
