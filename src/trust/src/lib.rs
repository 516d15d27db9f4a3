//! The only judge of signatures: yields Verified
