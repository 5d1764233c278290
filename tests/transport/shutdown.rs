//! The last handle is dropped while a connection is in use, and a runtime stands still that holds one.

use std::time::Duration;

use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::keys::{KeySource, RemoteKeys};
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

#[tokio::test]
async fn last_handle_closes_connections_and_ends_tasks() {
    for (target, fault) in [
        (Endpoint::Any, Fault::none()),
        (Endpoint::Any, Fault::hang()),
        (Endpoint::Keys, Fault::hang_in_body(10)),
        (Endpoint::Keys, Fault::drip_body(Duration::from_millis(5))),
        (Endpoint::Keys, Fault::endless()),
    ] {
        let entra = MockEntra::start().await;
        entra.fail(target, fault);
        let before = Handle::current().metrics().num_alive_tasks();
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        assert!(!keys.is_ready());
        let clone = keys.clone();
        entra.requests_until(|requests| !requests.log().is_empty()).await;
        drop(keys);
        assert!(clone.status().len() == 1 && entra.requests().open_connections() == 1, "a clone keeps it");
        drop(clone);
        let closed = entra.requests_until(|requests| requests.open_connections() == 0);
        timeout(Duration::from_secs(1), closed).await.expect("closed within a second");
        let ended = async {
            // The server has one task for the connection, too.
            while Handle::current().metrics().num_alive_tasks() > before {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(1), ended).await.expect("ended within a second");
    }
}

#[test]
fn task_that_takes_over_leaves_the_connection_of_an_idle_runtime_alone() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (provider, idle) = (Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(), runtime());
    let entra = provider.block_on(MockEntra::start());
    let keys = RemoteKeys::new(&entra.policy()).unwrap();
    idle.block_on(keys.wait_for_keys()).unwrap();
    runtime().block_on(async {
        keys.refresh_now().await.unwrap();
        let status = keys.status().remove(0);
        assert!(status.discovery_error().is_none(), "{status:?}");
        assert_eq!((status.refreshes(), status.failures()), (2, 0));
    });
    assert_eq!((entra.requests().discovery(), entra.requests().keys()), (2, 2));
    drop(idle);
}
