//! Maps and sets with the hasher that is used throughout: quick on short keys, and seeded anew in every process, so that
//! nobody can choose keys that collide. None but the ordered map is ever gone through in its own order.

/// A map in the order of insertion.
pub type IndexMap<K, V> = indexmap::IndexMap<K, V, foldhash::fast::RandomState>;
/// A map without an order.
pub type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
/// A set without an order.
pub type HashSet<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;
