//! Several endpoints, each with a service and a credential of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use signalr_serverless::{
    Endpoint, EndpointStatus, Endpoints, Error, ErrorKind, NegotiateOptions, Negotiation, Priority, ServiceClient,
    ServiceClientOptions,
};
use tokio::time::Instant;

use crate::clock::TestClock;
use crate::credential::{TestCredential, Token};
use crate::harness::as_credential;
use crate::service::{On, Reaction, TestService};

/// Sends each request to the service of its host.
#[derive(Debug)]
struct ByHost(BTreeMap<&'static str, Arc<TestService>>);

#[async_trait::async_trait]
impl HttpClient for ByHost {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let host = request.url().host_str().unwrap();
        self.0[host].execute_request(request).await
    }
}

struct Bed {
    east: Arc<TestService>,
    west: Arc<TestService>,
    reserve: Arc<TestService>,
    /// The credential of `west`.
    credential: Arc<TestCredential>,
    client: ServiceClient,
}

/// Two primaries and a secondary.
fn bed(change: impl FnOnce(ServiceClientOptions) -> ServiceClientOptions) -> Bed {
    let clock = Arc::new(TestClock::new());
    let service = || Arc::new(TestService::default());
    let (east, west, reserve) = (service(), service(), service());
    let credential = || Arc::new(TestCredential::new(Arc::clone(&clock)));
    let west_credential = credential();
    let endpoints = Endpoints::default()
        .with(Endpoint::entra("https://east.example", as_credential(&credential())).name("east"))
        .with(Endpoint::entra("https://west.example", as_credential(&west_credential)).name("west"))
        .with(Endpoint::entra("https://reserve.example", as_credential(&credential())).secondary());
    let transport = ByHost(BTreeMap::from([
        ("east.example", Arc::clone(&east)),
        ("west.example", Arc::clone(&west)),
        ("reserve.example", Arc::clone(&reserve)),
    ]));
    let clock: Arc<TestClock> = clock;
    let options = ServiceClientOptions::default().transport(Arc::new(transport)).clock(clock);
    let client = ServiceClient::from_endpoints(endpoints, change(options)).unwrap();
    Bed { east, west, reserve, credential: west_credential, client }
}

fn dies(service: &TestService) {
    for on in [On::Key, On::Health, On::Data] {
        service.then(on, Reaction::NoConnection);
    }
}

fn lives(service: &TestService) {
    for on in [On::Key, On::Health, On::Data] {
        service.then(on, Reaction::Normal);
    }
}

impl Bed {
    /// How many of 40 clients go to each host.
    async fn clients(&self) -> BTreeMap<String, usize> {
        let chat = self.client.hub("chat").unwrap();
        let mut hosts = BTreeMap::new();
        for _ in 0..40 {
            let response = chat.negotiate(NegotiateOptions::default()).await.unwrap();
            let host = response.url().strip_prefix("https://").unwrap().split('.').next().unwrap().to_owned();
            *hosts.entry(host).or_default() += 1;
        }
        hosts
    }

    async fn hosts(&self) -> Vec<String> {
        self.clients().await.into_keys().collect()
    }
}

#[tokio::test(start_paused = true)]
async fn clients_go_to_random_primaries() {
    let bed = bed(|options| options);
    bed.client.ready().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bed.hosts().await, ["east", "west"]);
}

#[tokio::test(start_paused = true)]
async fn primary_that_dies_gets_no_clients_and_its_clients_are_not_lost() {
    let bed = bed(|options| options);
    bed.clients().await;
    dies(&bed.west);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(bed.hosts().await, ["east"]);
    assert!(!bed.client.status()[1].is_healthy());
    lives(&bed.west);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(bed.hosts().await, ["east", "west"]);
}

#[tokio::test(start_paused = true)]
async fn failed_call_counts_before_the_next_health_check() {
    let bed = bed(|options| options);
    bed.clients().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    dies(&bed.west);
    let chat = bed.client.hub("chat").unwrap();
    assert!(chat.send_to_all("m", &(1,)).await.is_err());
    assert_eq!(bed.hosts().await, ["east"]);
}

#[tokio::test(start_paused = true)]
async fn secondary_takes_clients_while_no_primary_is_healthy() {
    let bed = bed(|options| options);
    dies(&bed.east);
    dies(&bed.west);
    bed.clients().await;
    assert_eq!(bed.hosts().await, ["reserve"]);
    lives(&bed.east);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(bed.hosts().await, ["east"]);
}

#[tokio::test(start_paused = true)]
async fn negotiation_waits_five_seconds_in_all_for_endpoints_that_hang() {
    let bed = bed(|options| options);
    for service in [&bed.east, &bed.west, &bed.reserve] {
        service.then(On::Key, Reaction::Hangs);
    }
    let chat = bed.client.hub("chat").unwrap();
    let before = Instant::now();
    let error = chat.negotiate(NegotiateOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), before.elapsed()), (ErrorKind::KeyUnavailable, Duration::from_secs(5)));
}

/// The keys of all endpoints are fetched at once, so the one that answers has its key when the wait is over.
#[tokio::test(start_paused = true)]
async fn endpoints_that_hang_leave_clients_to_the_one_that_answers() {
    let bed = bed(|options| options);
    for service in [&bed.east, &bed.west] {
        service.then(On::Key, Reaction::Hangs);
    }
    bed.reserve.then(On::Key, Reaction::Slow(Duration::from_secs(4)));
    let before = Instant::now();
    let response = bed.client.hub("chat").unwrap().negotiate(NegotiateOptions::default()).await.unwrap();
    assert!(response.url().starts_with("https://reserve.example/"), "{}", response.url());
    assert_eq!(before.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn health_is_asked_every_30_seconds() {
    let bed = bed(|options| options);
    assert!(!bed.client.is_ready());
    tokio::time::sleep(Duration::from_secs(95)).await;
    assert_eq!(bed.reserve.requests(On::Health), 4);
}

#[tokio::test(start_paused = true)]
async fn endpoint_that_hangs_delays_no_health_check() {
    let bed = bed(|options| options);
    bed.west.then(On::Health, Reaction::Hangs);
    assert!(!bed.client.is_ready());
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert_eq!((bed.reserve.requests(On::Health), bed.west.requests(On::Health)), (11, 11));
}

#[tokio::test(start_paused = true)]
async fn router_decides() {
    let to_reserve = |negotiation: Negotiation<'_>, endpoints: &[EndpointStatus]| {
        assert_eq!((negotiation.hub(), negotiation.user_id()), ("chat", None));
        endpoints.iter().position(|endpoint| endpoint.priority() == Priority::Secondary)
    };
    let bed = bed(|options| options.router(to_reserve));
    assert_eq!(bed.hosts().await, ["reserve"]);
}

#[tokio::test(start_paused = true)]
async fn router_that_chooses_nothing_makes_an_error() {
    for choice in [None, Some(9)] {
        let bed = bed(|options| options.router(move |_: Negotiation<'_>, _: &[EndpointStatus]| choice));
        let chat = bed.client.hub("chat").unwrap();
        let error = chat.negotiate(NegotiateOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test(start_paused = true)]
async fn sends_go_to_all_and_the_error_names_who_failed() {
    let bed = bed(|options| options);
    let chat = bed.client.hub("chat").unwrap();
    chat.send_to_all("m", &(1,)).await.unwrap();
    bed.west.then(On::Data, Reaction::status(403));
    let error = chat.send_to_all("m", &(2,)).await.unwrap_err();
    for service in [&bed.east, &bed.reserve] {
        assert_eq!(service.seen().iter().filter(|seen| seen.on == On::Data).count(), 2);
    }
    assert!(matches!(error.kind(), ErrorKind::RoleMissing { .. }));
    assert!(error.to_string().contains("1 of 3 endpoints: west"), "{error}");
    let failed: Vec<_> = error.endpoints().iter().map(|end| (end.endpoint(), end.error().map(Error::kind))).collect();
    assert_eq!(failed, [("east", None), ("west", Some(error.kind())), ("reserve.example", None)]);
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_has_its_own_credential() {
    let bed = bed(|options| options);
    bed.credential.then(Token::NotSetUp);
    let chat = bed.client.hub("chat").unwrap();
    let error = chat.send_to_all("m", &(1,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert!(error.to_string().contains("west"));
    assert_eq!((bed.east.requests(On::Data), bed.west.requests(On::Data)), (1, 0));
    // Clients are handed over all the same.
    assert_eq!(bed.hosts().await, ["east"]);
}

#[tokio::test(start_paused = true)]
async fn what_lives_at_one_endpoint_may_be_absent_at_the_others() {
    let bed = bed(|options| options);
    let chat = bed.client.hub("chat").unwrap();
    for service in [&bed.east, &bed.reserve] {
        service.then(On::Data, Reaction::code(404, "Warning.Connection.NotExisted"));
    }
    assert!(chat.connection_exists("c").await.unwrap());
    chat.send_to_connection("c", "m", &(1,)).await.unwrap();
    chat.add_connection_to_group("c", "g").await.unwrap();
    let _: serde_json::Value = chat.invoke_connection("c", "m", &(1,)).await.unwrap();
    bed.west.then(On::Data, Reaction::code(404, "Warning.Connection.NotExisted"));
    assert!(!chat.connection_exists("c").await.unwrap());
    assert_eq!(chat.send_to_connection("c", "m", &(1,)).await.unwrap_err().kind(), ErrorKind::NotFound);
    bed.west.then(On::Data, Reaction::status(500));
    assert!(chat.connection_exists("c").await.is_err(), "one that cannot answer is no no");
}

#[tokio::test(start_paused = true)]
async fn pages_of_each_endpoint_follow_one_another() {
    let bed = bed(|options| options);
    let mut connections = bed.client.hub("chat").unwrap().group_connections("team");
    let mut pages = 0;
    while let Some(page) = connections.next_page().await.unwrap() {
        assert_eq!(page.len(), 1);
        pages += 1;
    }
    assert_eq!(pages, 3);
}

#[tokio::test(start_paused = true)]
async fn endpoints_of_one_name_are_told_apart() {
    let key = |url: &str| Endpoint::access_key(url, String::from("k"));
    let services: BTreeMap<_, _> =
        ["a.example", "b.example", "c.example"].map(|host| (host, Arc::new(TestService::default()))).into();
    services["b.example"].then(On::Data, Reaction::status(500));
    services["c.example"].then(On::Data, Reaction::status(500));
    let endpoints = Endpoints::default()
        .with(key("https://a.example").name("west"))
        .with(key("https://b.example").name("west").secondary())
        .with(key("https://c.example:1"))
        .with(key("https://c.example:2"))
        .with(key("https://a.example"));
    let options = ServiceClientOptions::default().transport(Arc::new(ByHost(services)));
    let client = ServiceClient::from_endpoints(endpoints, options).unwrap();
    let labels: Vec<_> = client.status().iter().map(|status| status.name().to_owned()).collect();
    let expected = ["west/primary", "west/secondary", "c.example/primary/1", "c.example/primary/2", "a.example"];
    assert_eq!(labels, expected);
    let error = client.hub("chat").unwrap().send_to_all("m", &(1,)).await.unwrap_err();
    let failed: Vec<_> =
        error.endpoints().iter().filter(|end| end.error().is_some()).map(|end| end.endpoint().to_owned()).collect();
    assert_eq!(failed, expected[1..4]);
    assert!(error.to_string().ends_with("3 of 5 endpoints: west/secondary, c.example/primary/1, c.example/primary/2"));
}

#[test]
fn faults_of_all_endpoints_are_reported_at_once() {
    let key = || String::from("k");
    let endpoints = Endpoints::default()
        .with(Endpoint::access_key("not a url", key()).name("east"))
        .with(Endpoint::access_key("https://a", key()).client_url("::").server_url("//"));
    assert_eq!(faults(endpoints), ["east", "endpoints[1].client_url", "endpoints[1].server_url"]);
    assert_eq!(faults(Endpoints::default()), ["endpoints"]);
    let secondary = Endpoints::default().with(Endpoint::access_key("https://a", key()).secondary());
    assert_eq!(faults(secondary), ["endpoints"]);
}

/// The fields of a configuration with faults.
fn faults(endpoints: Endpoints) -> Vec<String> {
    let error = ServiceClient::from_endpoints(endpoints, ServiceClientOptions::default()).unwrap_err();
    error.faults().map(|fault| fault.field().to_owned()).collect()
}

/// Whatever is wrong with them: no URL at all, one that cannot be used, or all of them secondary.
#[test]
fn faults_name_endpoints_as_the_code_writes_them() {
    let credential = || as_credential(&Arc::new(TestCredential::new(Arc::new(TestClock::new()))));
    let endpoints = Endpoints::default()
        .with(Endpoint::entra("http://a.example", credential()).client_url("ftp://a.example").secondary())
        .with(Endpoint::entra("https://user@b.example", credential()).server_url("http://b.example").secondary())
        .with(Endpoint::entra("https://c.example?q", credential()).server_url("::").name("west").secondary());
    let expected = [
        "endpoints",
        "endpoints[0]",
        "endpoints[0].client_url",
        "endpoints[1]",
        "endpoints[1].server_url",
        "west",
        "west.server_url",
    ];
    assert_eq!(faults(endpoints), expected);
    for url in ["http://a.example", "a.example"] {
        let error = ServiceClient::new(url, credential(), ServiceClientOptions::default()).unwrap_err();
        let fields: Vec<_> = error.faults().map(|fault| fault.field()).collect();
        assert_eq!(fields, ["endpoint"], "{url}");
    }
}

#[test]
fn rejects_access_key_that_is_blank() {
    let endpoints = ["", " \n"].into_iter().fold(Endpoints::default(), |endpoints, key| {
        endpoints.with(Endpoint::access_key("https://a.example", String::from(key)))
    });
    assert_eq!(faults(endpoints), ["endpoints[0].access_key", "endpoints[1].access_key"]);
}
