//! Debian repositories: Release, Packages, changelogs
