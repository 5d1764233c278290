//! One value with several reference counts, so that threads which clone it at the same time do not wait for each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::policy::claims::Claims;

/// Claims with a reference count for each shard of threads.
#[derive(Clone)]
pub(super) struct ShardedClaims(Arc<[Claims; SHARDS]>);

impl ShardedClaims {
    pub(super) fn new(claims: &Claims) -> Self {
        Self(Arc::new(std::array::from_fn(|_| claims.with_own_refcount())))
    }

    /// The claims for this thread to clone.
    pub(super) fn of_this_thread(&self) -> &Claims {
        let [first, ..] = &*self.0;
        self.0.get(SHARD.with(|shard| *shard)).unwrap_or(first)
    }
}

/// The bytes that the reference counts take on the heap.
pub(super) const BYTES: usize = SHARDS * (Claims::REFCOUNT_BYTES + size_of::<Claims>());

const SHARDS: usize = 8;

thread_local! {
    /// Threads take the shards in turn.
    static SHARD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn threads_clone_claims_of_different_shards() {
        let claims = ShardedClaims::new(&Claims::sample("a"));
        let places: HashSet<_> = (0..SHARDS)
            .map(|_| {
                let claims = claims.clone();
                let place = move || std::ptr::from_ref(claims.of_this_thread()).addr();
                std::thread::spawn(place).join().unwrap()
            })
            .collect();
        // Other tests start threads, too, and take shards between.
        assert!(places.len() > 1, "{places:?}");
    }

    #[test]
    fn every_shard_has_the_same_claims() {
        let claims = ShardedClaims::new(&Claims::sample("a"));
        assert!(claims.0.iter().all(|of_shard| *of_shard == Claims::sample("a")));
        let bytes: usize = claims.0.iter().map(|of_shard| size_of_val(of_shard) + Claims::REFCOUNT_BYTES).sum();
        assert_eq!(BYTES, bytes);
    }
}
