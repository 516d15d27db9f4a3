//! The bundle format: packs, payload index, volumes
