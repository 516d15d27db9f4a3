//! A sorted map whose copies share what neither has changed: the state is copied with every batch.
//!
//! Sorted pages of pairs, each behind an `Arc`: a copy costs a pointer a page, a change copies one page.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// Most pairs of a page.
const PAGE_MAX: usize = 64;

type Page<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map. As JSON it is the sorted list of its pairs.
#[derive(Debug, Clone)]
pub struct Pages<K, V>(Vec<Page<K, V>>);

impl<K: Ord + Clone, V: Clone> Pages<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let page = self.0.get(self.page_of(key))?;
        let at = page.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        page.get(at).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let number = self.page_of(key);
        let page = self.0.get_mut(number)?;
        let at = page.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        Arc::make_mut(page).get_mut(at).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Puts a value in the place of the key's, if it has one.
    pub fn insert(&mut self, key: K, value: V) {
        let number = self.page_of(&key);
        let Some(page) = self.0.get_mut(number) else {
            self.0.push(Arc::new(vec![(key, value)]));
            return;
        };
        let page = Arc::make_mut(page);
        match page.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => page[at] = (key, value),
            Err(at) => page.insert(at, (key, value)),
        }
        if page.len() > PAGE_MAX {
            let later = page.split_off(PAGE_MAX / 2);
            self.0.insert(number + 1, Arc::new(later));
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &K) {
        let page = self.page_of(key);
        self.retain_in(page..self.0.len().min(page + 1), |known, _| known != key);
    }

    /// Keeps only the pairs that `keep` takes; pages that lose nothing stay shared.
    pub fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        self.retain_in(0..self.0.len(), keep);
    }

    fn retain_in(&mut self, pages: Range<usize>, keep: impl Fn(&K, &V) -> bool) {
        for page in &mut self.0[pages] {
            if page.iter().any(|(key, value)| !keep(key, value)) {
                Arc::make_mut(page).retain(|(key, value)| keep(key, value));
            }
        }
        self.0.retain(|page| !page.is_empty());
    }

    /// The page that has the key, or would have it.
    fn page_of(&self, key: &K) -> usize {
        let begun = |page: &Page<K, V>| page.first().is_some_and(|(first, _)| first <= key);
        self.0.partition_point(begun).saturating_sub(1)
    }
}

impl<K, V> Pages<K, V> {
    /// Every pair, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().flat_map(|page| page.iter().map(|(key, value)| (key, value)))
    }

    /// Every key, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// Every value, sorted by key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|page| page.len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K, V> Default for Pages<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The same pairs, however they lie on pages.
impl<K: PartialEq, V: PartialEq> PartialEq for Pages<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Pages<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut sorted = pairs.into_iter().collect::<BTreeMap<_, _>>().into_iter();
        let page =
            || Some(sorted.by_ref().take(PAGE_MAX).collect()).filter(|p: &Vec<_>| !p.is_empty());
        Self(std::iter::from_fn(page).map(Arc::new).collect())
    }
}

impl<K: Serialize, V: Serialize> Serialize for Pages<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Pages<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_map_and_a_copy_stays_as_it_was(
            steps in proptest::collection::vec((0_u8..4, 0_u16..300, any::<u8>()), 0..900),
        ) {
            let (mut pages, mut map) = (Pages::default(), BTreeMap::new());
            let (copy, as_it_was) = (pages.clone(), map.clone());
            let mut copies = vec![(copy, as_it_was)];
            for (number, (what, key, value)) in steps.into_iter().enumerate() {
                match what {
                    0 => { pages.remove(&key); map.remove(&key); }
                    1 if number % 50 == 0 => {
                        pages.retain(|k, _| k % 3 != key % 3);
                        map.retain(|k, _| k % 3 != key % 3);
                    }
                    2 if map.contains_key(&key) => {
                        *pages.get_mut(&key).unwrap() = value;
                        map.insert(key, value);
                    }
                    _ => { pages.insert(key, value); map.insert(key, value); }
                }
                prop_assert_eq!(pages.get(&key), map.get(&key));
                if number % 100 == 0 {
                    copies.push((pages.clone(), map.clone()));
                }
            }
            copies.push((pages, map));
            for (pages, map) in copies {
                prop_assert!(pages.iter().eq(map.iter()));
                prop_assert_eq!(pages.len(), map.len());
                prop_assert_eq!(pages.is_empty(), map.is_empty());
                let json = serde_json::to_string(&pages).unwrap();
                prop_assert_eq!(&json, &serde_json::to_string(&map.iter().collect::<Vec<_>>()).unwrap());
                prop_assert!(serde_json::from_str::<Pages<u16, u8>>(&json).unwrap() == pages);
            }
        }
    }
}
