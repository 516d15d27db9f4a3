//! The connected side: mirror, select, publish
