//! decide and evolve: the site's rules, pure
