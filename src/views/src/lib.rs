//! What pages and lists need, in sled; rebuilt at will
