//! The bundle format: what a bundle says, where its payloads lie, how it is cut into volumes.
//!
//! A bundle is a TUF repository (judged by `trust`) whose targets are, per source, a catalogue, a
//! payload index and packs; `bundle.json` names them. `FORMAT.md` beside this crate is the page
//! from which somebody else could write a reader; this crate is its reference.
//!
//! **Invariant:** pure: bytes in, values out. No clock, disk or network; every size and count that
//! comes from outside is bounded before memory is spent on it.
//!
//! Sizes and offsets are bytes. Compression is zstd (RFC 8878).

mod catalogue_file;
mod compress;
mod error;
mod index;
mod info;
mod layout;
mod volume;
mod volume_plan;

pub use catalogue_file::{CATALOGUE_BYTES_MAX, decode_catalogue, encode_catalogue};
pub use compress::{COMPRESSED_BYTES_MAX, compress, decompress};
pub use error::Error;
pub use index::{Entry, INDEX_BYTES_MAX, INDEX_ENTRIES_MAX, PayloadIndex, Place, place};
pub use info::{
    INFO_BYTES_MAX, INFO_NAME, Info, PACK_BYTES_TARGET, PAYLOAD_BYTES_MAX, Previous, SCHEMA,
    SourceInfo, catalogue_name, index_name, is_pack_name, pack_name,
};
pub use layout::{Layout, PackSpan, Piece};
pub use volume::{
    BLOCK, FORMAT, Member, SLICE_BYTES_MAX, Slice, VOLUME_INFO_NAME, VOLUME_JSON_BYTES_MAX,
    VOLUMES_MAX, VolumeInfo, member_header, padded, parse_member, slice_name,
};
pub use volume_plan::{VolumePlan, plan_volumes};
