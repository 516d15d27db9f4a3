//! The stage for whole-system tests.
