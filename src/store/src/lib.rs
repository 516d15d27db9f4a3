//! Payloads and evidence on disk, by content
