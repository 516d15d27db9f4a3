//! Coordinates and paths of tiles (C2SP tlog-tiles), and the bytes of hash tiles.

use crate::error::Error;
use ids::Digest;
use std::fmt;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of complete subtrees with 256^level leaves. Levels are 0 to 7.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// Coordinates of one tile. Shown and parsed as its path: `tile/<L>/<N>[.p/<W>]` or
/// `tile/entries/<N>[.p/<W>]`, where N is written in groups of three digits, each but the last after an
/// `x`: 1234067 is `x001/x234/067`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl Tile {
    /// The tile at `index` of its kind in a tree of `size` entries, as wide as that tree makes it.
    /// `None` where the tree has no such tile.
    #[must_use]
    pub fn of_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let level = match kind {
            TileKind::Hashes(level @ 0..=7) => level,
            TileKind::Hashes(_) => return None,
            TileKind::Entries => 0,
        };
        let start = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = (size >> (8 * u32::from(level))).checked_sub(start)?.min(256);
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self { kind, index, width })
    }

    /// What it holds.
    #[must_use]
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its place in its level, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Hashes or entries in it: 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it can grow no more.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The same place, full.
    #[must_use]
    pub const fn full(&self) -> Self {
        Self { width: TILE_WIDTH, ..*self }
    }

    /// Reads a path.
    ///
    /// # Errors
    /// [`Error::TilePath`] for anything but the one spelling of a path with a level of 0 to 7.
    pub fn parse(path: &str) -> Result<Self, Error> {
        let tile = Self::read(path).filter(|tile| tile.to_string() == path);
        tile.ok_or_else(|| Error::TilePath(path.chars().take(80).collect()))
    }

    fn read(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(level.parse().ok().filter(|level| *level <= 7)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => {
                (number, width.parse().ok().filter(|w| (1..=255).contains(w))?)
            }
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for group in number.split('/') {
            let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits)?;
        }
        Some(Self { kind, index, width })
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut unit = 1;
        while self.index / unit >= 1000 {
            unit *= 1000;
        }
        while unit > 1 {
            write!(f, "x{:03}/", self.index / unit % 1000)?;
            unit /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// The bytes of a hash tile: 32 for each hash.
#[must_use]
pub fn encode_hashes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads a hash tile of `width` hashes.
///
/// # Errors
/// [`Error::TileLength`].
pub fn parse_hashes(bytes: &[u8], width: u16) -> Result<Vec<Digest>, Error> {
    let expected = usize::from(width) * 32;
    let (hashes, rest) = bytes.as_chunks::<32>();
    if bytes.len() != expected || !rest.is_empty() {
        return Err(Error::TileLength { expected, found: bytes.len() });
    }
    Ok(hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect())
}
