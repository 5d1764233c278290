//! The chain in virtual time, with steps that are made up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use azure_core::time::OffsetDateTime;
use tokio::time::Instant;

use super::*;

/// Answers after a while, or with an error.
#[derive(Debug, Default)]
struct Scripted {
    calls: AtomicUsize,
    fails: bool,
}

#[async_trait]
impl TokenCredential for Scripted {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        if self.fails {
            return Err(Error::with_message(ErrorKind::Credential, "rejected"));
        }
        Ok(AccessToken::new("token", OffsetDateTime::now_utc() + azure_core::time::Duration::HOUR))
    }
}

/// A network that drops every packet.
#[derive(Debug)]
struct BlackHole;

#[async_trait]
impl HttpClient for BlackHole {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        std::future::pending().await
    }
}

fn chain(managed_identity: Kind, azure_cli: Kind) -> DefaultChain {
    let absent = || Kind::Absent("not set".to_owned());
    let kinds = [absent(), absent(), managed_identity, azure_cli, absent()];
    let names = ["environment", "workload identity", "managed identity", "Azure CLI", "Azure Developer CLI"];
    let mut kinds = kinds.into_iter();
    let steps = names.map(|name| ChainStep { name, kind: kinds.next().unwrap() });
    DefaultChain { steps, chosen: OnceLock::new(), choosing: Mutex::new(()) }
}

fn imds(credential: &Arc<Scripted>) -> Kind {
    let transport = Transport::new(Arc::new(BlackHole));
    Kind::Imds { credential: Arc::<Scripted>::clone(credential), transport, has_id: false }
}

#[tokio::test(start_paused = true)]
async fn imds_that_never_answers_takes_one_second() {
    let credential = Arc::new(Scripted::default());
    let chain = chain(imds(&credential), Kind::Absent("az is not on PATH".to_owned()));
    let start = Instant::now();
    let error = chain.get_token(&["scope"], None).await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 1, "of the 2 s that the whole chain may take");
    assert!(error.to_string().contains("managed identity: IMDS did not answer within 1 s. Azure CLI"), "{error}");
    assert_eq!(credential.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn callers_at_once_choose_once() {
    let credential = Arc::new(Scripted::default());
    let kind = Kind::CommandLine(Arc::<Scripted>::clone(&credential));
    let chain = Arc::new(chain(imds(&credential), kind));
    let start = Instant::now();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let chain = Arc::clone(&chain);
            tokio::spawn(async move { chain.get_token(&["scope"], None).await.is_ok() })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    // One probe and one token; then 49 tokens at once from the step that is chosen.
    assert_eq!(start.elapsed().as_millis() / 100, 12);
    assert_eq!(credential.calls.load(Ordering::Relaxed), 50);
    assert!(format!("{chain:?}").contains("Azure CLI"), "{chain:?}");
}

#[tokio::test(start_paused = true)]
async fn canceled_choice_leaves_the_chain_usable() {
    let credential = Arc::new(Scripted::default());
    let chain = chain(Kind::Absent("no".to_owned()), Kind::CommandLine(Arc::<Scripted>::clone(&credential)));
    let canceled = tokio::time::timeout(Duration::from_millis(50), chain.get_token(&["scope"], None)).await;
    assert!(canceled.is_err());
    assert!(chain.get_token(&["scope"], None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn rejection_chooses_nothing() {
    let rejected = Arc::new(Scripted { fails: true, ..Scripted::default() });
    let chain = chain(Kind::Present(Arc::<Scripted>::clone(&rejected)), Kind::Absent("no".to_owned()));
    for calls in 1..=2 {
        let error = chain.get_token(&["scope"], None).await.unwrap_err();
        assert!(error.to_string().contains("ends at managed identity"), "{error}");
        assert_eq!(rejected.calls.load(Ordering::Relaxed), calls);
    }
    assert!(chain.chosen().is_none());
}
