//! HTTPS doors: repositories for endpoints, the site for people
