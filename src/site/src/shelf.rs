//! What is served: immutable views, the rings that point at them, and the files behind each path.
//!
//! A [`SourceView`] is built once for each source of an imported bundle and shared from then on. A
//! [`Shelf`] is a small set of pointers to such views, so that a new one (a ring was switched, a
//! view came or went) takes microseconds however many packages there are. [`ShelfHandle`] swaps the
//! whole shelf at once: a request sees either the old one or the new one.
//!
//! **Invariant:** a view never changes. **Invariant:** payloads and paths that hold their digest answer from
//! every view of their source that is kept, newest first after the one that was asked; all other
//! paths answer only from the view that was asked, so indexes of two views never mix.

use arc_swap::ArcSwap;
use catalogue::{Catalogue, FileKind, Vendor};
use ids::{Digest, RingName, SourceId, Timestamp};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// One source as one bundle brought it: every path that it serves.
#[derive(Debug)]
pub struct SourceView {
    source: SourceId,
    sequence: u64,
    release_date: Timestamp,
    vendor: Vendor,
    files: HashMap<Arc<str>, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    served: Served,
    anywhere: bool,
}

/// A file that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Its digest, which names its bytes in the store.
    pub digest: Digest,
    /// Its length in bytes.
    pub length: u64,
    /// The release date of the first view in a row that had these bytes under this path.
    pub modified: Timestamp,
    /// What it is.
    pub kind: FileKind,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File(Served),
    /// Something that was there and is not served any more: collected, or recalled.
    Gone,
    /// Nothing.
    Nothing,
}

impl SourceView {
    /// The view of `catalogue` as the bundle with this sequence brought it. `previous` is the view
    /// of the same source before it, if there is one: files that did not change keep their date.
    #[must_use]
    pub fn new(sequence: u64, catalogue: &Catalogue, previous: Option<&Self>) -> Self {
        let mut files = HashMap::with_capacity(catalogue.files.len() + 64);
        for file in &catalogue.files {
            let before = previous.and_then(|view| view.files.get_key_value(file.path.as_str()));
            let same = before.filter(|(_, entry)| entry.served.digest == file.sha256);
            let modified = same.map_or(catalogue.release_date, |(_, e)| e.served.modified);
            let (digest, length, kind) = (file.sha256, file.length, file.kind);
            let served = Served { digest, length, modified, kind };
            if kind == FileKind::Index {
                let dir =
                    file.path.rsplit_once('/').map_or(String::new(), |(d, _)| format!("{d}/"));
                let path = format!("{dir}by-hash/SHA256/{digest}");
                files.entry(path.into()).or_insert(Entry { served, anywhere: true });
            }
            let anywhere = kind == FileKind::Payload || names_itself(&file.path, &digest);
            // Views of one source share the text of their paths: most of what they hold.
            let path = before.map_or_else(|| file.path.as_str().into(), |(p, _)| Arc::clone(p));
            files.insert(path, Entry { served, anywhere });
        }
        let source = catalogue.source.clone();
        let (release_date, vendor) = (catalogue.release_date, catalogue.vendor.clone());
        Self { source, sequence, release_date, vendor, files }
    }

    /// Which source.
    #[must_use]
    pub fn source(&self) -> &SourceId {
        &self.source
    }

    /// Sequence number of the bundle that brought it.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// `Date` of the vendor's release file.
    #[must_use]
    pub fn release_date(&self) -> Timestamp {
        self.release_date
    }

    /// What of the vendor's source it holds.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// Whether it has these bytes as a payload under this path.
    #[must_use]
    pub fn has_payload(&self, path: &str, digest: &Digest) -> bool {
        let entry = self.files.get(path).filter(|entry| entry.anywhere);
        entry.is_some_and(|entry| entry.served.digest == *digest)
    }

    /// Every digest that it serves; some more than once.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.files.values().map(|entry| entry.served.digest)
    }
}

/// Whether a path says which bytes it leads to: apt's `by-hash`, and lists of RPM repositories.
fn names_itself(path: &str, digest: &Digest) -> bool {
    path.contains("/by-hash/") || path.contains(&digest.to_hex())
}

/// Everything that is served at one moment. Cheap to clone and to change; [`ShelfHandle::replace`]
/// puts it into service.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    views: BTreeMap<String, Vec<Arc<SourceView>>>,
    rings: BTreeMap<String, BTreeMap<String, u64>>,
    retired: HashSet<(String, u64)>,
    gone: Arc<HashSet<Digest>>,
}

impl Shelf {
    /// Adds a view, or replaces the one with the same source and sequence.
    pub fn add(&mut self, view: Arc<SourceView>) {
        self.retired.remove(&(view.source.as_str().to_owned(), view.sequence));
        let views = self.views.entry(view.source.as_str().to_owned()).or_default();
        views.retain(|other| other.sequence != view.sequence);
        let at = views.partition_point(|other| other.sequence > view.sequence);
        views.insert(at, view);
    }

    /// Takes a view out of service: its paths answer "gone" from now on, unless another view of the
    /// source has them.
    pub fn retire(&mut self, source: &SourceId, sequence: u64) {
        if let Some(views) = self.views.get_mut(source.as_str()) {
            views.retain(|view| view.sequence != sequence);
        }
        self.retired.insert((source.as_str().to_owned(), sequence));
    }

    /// Lets a ring point at the view of `source` with this sequence.
    pub fn point(&mut self, ring: &RingName, source: &SourceId, sequence: u64) {
        let ring = self.rings.entry(ring.as_str().to_owned()).or_default();
        ring.insert(source.as_str().to_owned(), sequence);
    }

    /// Sets the payloads that are not served any more: collected or recalled.
    pub fn set_gone(&mut self, gone: HashSet<Digest>) {
        self.gone = Arc::new(gone);
    }

    /// The view of a source with this sequence.
    #[must_use]
    pub fn view(&self, source: &SourceId, sequence: u64) -> Option<&Arc<SourceView>> {
        self.views.get(source.as_str())?.iter().find(|view| view.sequence == sequence)
    }

    /// Every view that is served, by source, newest first.
    pub fn views(&self) -> impl Iterator<Item = &Arc<SourceView>> {
        self.views.values().flatten()
    }

    /// Where each ring points, as ring, source and sequence.
    pub fn rings(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.rings.iter().flat_map(|(ring, sources)| {
            sources
                .iter()
                .map(move |(source, sequence)| (ring.as_str(), source.as_str(), *sequence))
        })
    }

    /// What a path of a view leads to.
    #[must_use]
    pub fn in_view(&self, sequence: u64, source: &str, path: &str) -> Found {
        let Some(views) = self.views.get(source) else {
            return self.no_view(source, sequence);
        };
        let asked = views.iter().find(|view| view.sequence == sequence);
        if asked.is_none() && self.no_view(source, sequence) == Found::Nothing {
            return Found::Nothing;
        }
        let entry = asked.and_then(|view| view.files.get(path)).or_else(|| {
            views.iter().filter_map(|view| view.files.get(path)).find(|entry| entry.anywhere)
        });
        match entry {
            Some(entry) if self.gone.contains(&entry.served.digest) => Found::Gone,
            Some(entry) => Found::File(entry.served),
            None if asked.is_none() => Found::Gone,
            None => Found::Nothing,
        }
    }

    /// What a path of a ring leads to.
    #[must_use]
    pub fn in_ring(&self, ring: &str, source: &str, path: &str) -> Found {
        match self.rings.get(ring).and_then(|sources| sources.get(source)) {
            Some(sequence) => self.in_view(*sequence, source, path),
            None => Found::Nothing,
        }
    }

    fn no_view(&self, source: &str, sequence: u64) -> Found {
        if self.retired.contains(&(source.to_owned(), sequence)) {
            return Found::Gone;
        }
        Found::Nothing
    }
}

/// The shelf that is in service. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ShelfHandle(Arc<ArcSwap<Shelf>>);

impl ShelfHandle {
    /// Puts a shelf into service; requests under way keep the one they began with.
    pub fn replace(&self, shelf: Shelf) {
        self.0.store(Arc::new(shelf));
    }

    /// The shelf that is in service now.
    #[must_use]
    pub fn current(&self) -> Arc<Shelf> {
        self.0.load_full()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use catalogue::{File, Vendor};

    fn file(path: &str, content: &str, kind: FileKind) -> File {
        let sha256 = Digest::of(content.as_bytes());
        File { path: path.into(), sha256, length: content.len() as u64, kind }
    }

    fn catalogue(date: &str, files: Vec<File>) -> Catalogue {
        Catalogue {
            schema: catalogue::SCHEMA,
            source: "debian".parse().unwrap(),
            vendor: Vendor::Apt {
                origin: "Debian".into(),
                suite: "bookworm".into(),
                codename: "bookworm".into(),
                components: vec![],
                architectures: vec![],
            },
            collected_at: date.parse().unwrap(),
            release_date: date.parse().unwrap(),
            valid_until: None,
            files,
            updates: vec![],
            notes: vec![],
            advice: None,
        }
    }

    const INDEX: &str = "dists/b/main/Packages.xz";

    fn views() -> [Arc<SourceView>; 2] {
        let of = |n: u32| {
            vec![
                file("dists/b/InRelease", &format!("release {n}"), FileKind::Release),
                file(INDEX, &format!("index {n}"), FileKind::Index),
                file("pool/same.deb", "same", FileKind::Payload),
                file(&format!("pool/{n}.deb"), &format!("deb {n}"), FileKind::Payload),
            ]
        };
        let one = SourceView::new(1, &catalogue("2026-01-01T00:00:00Z", of(1)), None);
        let two = SourceView::new(2, &catalogue("2026-02-01T00:00:00Z", of(2)), Some(&one));
        [Arc::new(one), Arc::new(two)]
    }

    fn shelf() -> (Shelf, RingName, SourceId) {
        let (mut shelf, ring, source) =
            (Shelf::default(), "pilot".parse().unwrap(), "debian".parse().unwrap());
        views().into_iter().for_each(|view| shelf.add(view));
        shelf.point(&ring, &source, 1);
        (shelf, ring, source)
    }

    fn content(found: Found) -> Option<Digest> {
        match found {
            Found::File(served) => Some(served.digest),
            Found::Gone | Found::Nothing => None,
        }
    }

    #[test]
    fn indexes_never_mix_and_payloads_answer_from_every_view() {
        let (mut shelf, ring, source) = shelf();
        let by_hash = |n: u32| {
            format!("dists/b/main/by-hash/SHA256/{}", Digest::of(format!("index {n}").as_bytes()))
        };
        for sequence in [1, 2, 1] {
            shelf.point(&ring, &source, sequence);
            let ask = |path: &str| content(shelf.in_ring("pilot", "debian", path));
            assert_eq!(ask(INDEX), Some(Digest::of(format!("index {sequence}").as_bytes())));
            for n in [1, 2] {
                let deb = Digest::of(format!("deb {n}").as_bytes());
                assert_eq!(ask(&format!("pool/{n}.deb")), Some(deb), "deb {n} at {sequence}");
                assert!(ask(&by_hash(n)).is_some(), "by-hash {n} at {sequence}");
            }
            assert_eq!(ask("pool/3.deb"), None);
            assert_eq!(ask("dists/b/by-hash/SHA256/x"), None);
        }
        assert_eq!(shelf.in_ring("broad", "debian", INDEX), Found::Nothing);
        assert_eq!(shelf.in_view(3, "debian", "pool/1.deb"), Found::Nothing);
        assert_eq!(shelf.in_view(1, "ubuntu", "pool/1.deb"), Found::Nothing);
    }

    #[test]
    fn dates_are_of_the_bytes_not_of_the_view() {
        let (shelf, ..) = shelf();
        let date = |sequence, path: &str| match shelf.in_view(sequence, "debian", path) {
            Found::File(served) => served.modified.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(date(1, "pool/same.deb"), "2026-01-01T00:00:00Z");
        assert_eq!(date(2, "pool/same.deb"), "2026-01-01T00:00:00Z");
        assert_eq!(date(2, INDEX), "2026-02-01T00:00:00Z");
    }

    #[test]
    fn what_was_served_and_is_not_any_more_is_gone() {
        let (mut shelf, _, source) = shelf();
        shelf.retire(&source, 1);
        assert_eq!(shelf.in_view(1, "debian", INDEX), Found::Gone);
        assert_eq!(shelf.in_view(1, "debian", "pool/1.deb"), Found::Gone);
        assert!(content(shelf.in_view(1, "debian", "pool/same.deb")).is_some());
        shelf.set_gone(HashSet::from([Digest::of(b"same")]));
        assert_eq!(shelf.in_view(2, "debian", "pool/same.deb"), Found::Gone);
        shelf.retire(&source, 2);
        assert_eq!(shelf.in_view(2, "debian", INDEX), Found::Gone);
    }

    #[test]
    fn a_request_keeps_the_shelf_it_began_with() {
        let (mut shelf, ring, source) = shelf();
        let handle = ShelfHandle::default();
        handle.replace(shelf.clone());
        let before = handle.current();
        shelf.point(&ring, &source, 2);
        handle.replace(shelf);
        let at = |shelf: &Shelf| content(shelf.in_ring("pilot", "debian", INDEX));
        assert_eq!(at(&before), Some(Digest::of(b"index 1")));
        assert_eq!(at(&handle.current()), Some(Digest::of(b"index 2")));
    }
}
