//! Several tenants, each with a provider of its own.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::harness::{HOUR, Harness, Load, MINUTE, Outcome, Reply, SECOND, request};
use super::table::Row;
use crate::ids::KeyId;

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_41_one_tenant_in_trouble() {
    let alone = Harness::warm(|_| Reply::keys(&["a"])).await;
    let calm = alone.serve(HOUR * 3, SECOND, &["a"]).await;
    let undisturbed = alone.provider.attempts();

    let good = Harness::warm(|_| Reply::keys(&["a"])).await;
    let bad = Harness::cold(|_| Reply::Silence);
    let mut load = Load::new(&["a"]);
    let mut attack = tokio::task::JoinSet::new();
    let start = Instant::now();
    let mut number = 0;
    while start.elapsed() < HOUR * 3 {
        for _ in 0..20 {
            number += 1;
            let (store, id) = (Arc::clone(&bad.store), KeyId::new(&format!("random-{number}")));
            attack.spawn(async move { request(&store, &id).await });
        }
        load.use_all(&good.store);
        sleep(SECOND).await;
        while let Some(ended) = attack.try_join_next() {
            assert_eq!(ended.unwrap(), Outcome::Wait);
        }
    }
    let tally = load.finish().await;
    let difference = good.provider.attempts().abs_diff(undisturbed);
    Row::new(41, "another tenant black-holed and flooded for 3 h")
        .fetches(good.provider.requests(), 6..=8)
        .lost(tally.lost(), 0)
        .figure("not answered at the first poll", tally.waited + calm.waited, 0)
        .figure("attempts more or less than without it", difference, ..=1)
        .figure("most attempts of the other in a minute", bad.provider.most_within(MINUTE), 1..=9)
        .print();
}
