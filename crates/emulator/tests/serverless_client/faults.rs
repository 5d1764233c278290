//! Faults of the service over TLS: what is lost, what arrives twice, how many requests the service sees.
//!
//! The same faults, and those that take minutes, run in virtual time in the tests of `signalr-serverless`. See the table
//! with `cargo test -p signalr-emulator --test serverless_client faults -- --nocapture`.

use futures_util::future::BoxFuture;
use signalr_emulator::{Emulator, Fault, Operation, Received, Role};
use signalr_serverless::{ClientTokens, Error, NegotiateOptions, Result, ServiceClient, ServiceClientOptions};

use super::{AZURE, grant, http_client, rotation, service, service_at, settle};

/// What is done while the faults are in place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Act {
    /// A message to all: the request that must never be repeated when it may have been taken.
    Send,
    Close,
    List,
    Negotiate,
}

impl Act {
    fn operation(self) -> Operation {
        match self {
            Self::Send => Operation::Broadcast,
            Self::Close => Operation::CloseGroupConnections,
            Self::List => Operation::ListGroupConnections,
            Self::Negotiate => Operation::AccessKey,
        }
    }

    fn run(self, service: ServiceClient) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let chat = service.hub("chat").unwrap();
            match self {
                Self::Send => chat.send_to_all("news", &("hello",)).await,
                Self::Close => chat.close_group_connections("others").await,
                Self::List => chat.group_connections("others").next_page().await.map(drop),
                Self::Negotiate => {
                    settle(&service).await;
                    chat.negotiate(NegotiateOptions::default()).await.map(drop)
                }
            }
        })
    }
}

struct Case {
    fault: &'static str,
    act: Act,
    faults: Vec<Fault>,
    expected: Outcome,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) act: String,
    pub(crate) outcome: Outcome,
    pub(crate) expected: Outcome,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    /// Messages that the client has not got; for other calls, those that failed.
    pub(crate) lost: usize,
    /// Messages that it has got again.
    pub(crate) twice: usize,
    pub(crate) requests: usize,
    pub(crate) error: Option<&'static str>,
    pub(crate) may_be_delivered: bool,
}

fn case(fault: &'static str, act: Act, faults: impl Into<Vec<Fault>>, expected: Outcome) -> Case {
    Case { fault, act, faults: faults.into(), expected }
}

/// It arrives once after so many requests.
pub(crate) fn arrives(requests: usize) -> Outcome {
    Outcome { lost: 0, twice: 0, requests, error: None, may_be_delivered: false }
}

/// It does not arrive, and the error says so.
pub(crate) fn is_lost(requests: usize, error: &'static str) -> Outcome {
    Outcome { lost: 1, twice: 0, requests, error: Some(error), may_be_delivered: false }
}

/// It arrives or is lost, and the error says that either may be.
fn is_uncertain(lost: usize) -> Outcome {
    Outcome { lost, twice: 0, requests: 1, error: Some("unavailable"), may_be_delivered: true }
}

fn absent() -> Fault {
    Fault::status(404).header("x-ms-error-code", "Warning.Group.NotExisted")
}

fn wait(status: u16, seconds: &str) -> Fault {
    Fault::status(status).header("Retry-After", seconds)
}

fn messages() -> Vec<Case> {
    let send = |fault, faults: Vec<Fault>, expected| case(fault, Act::Send, faults, expected);
    vec![
        send("401", vec![Fault::status(401)], is_lost(1, "unauthorized")),
        send("403 without a body", vec![Fault::status(403)], is_lost(1, "role_missing")),
        send(
            "403 of the network rules",
            vec![Fault::answer(403, "text/plain", "Request not allowed by the network ACL")],
            is_lost(1, "role_missing"),
        ),
        send("404 without the service's code", vec![Fault::status(404)], is_lost(1, "not_found")),
        send("404 with the service's code", vec![absent()], is_lost(1, "not_found")),
        send("408", vec![Fault::status(408)], is_lost(1, "unavailable")),
        send("429 without Retry-After", vec![Fault::status(429)], arrives(2)),
        send("429 with Retry-After", vec![wait(429, "1")], arrives(2)),
        send("429 with a Retry-After beyond the call", vec![wait(429, "60")], is_lost(1, "throttled")),
        send("500 after delivery", vec![Fault::status(500).after_processing()], is_uncertain(0)),
        send("500 without delivery", vec![Fault::status(500)], is_uncertain(1)),
        send("502", vec![Fault::status(502)], arrives(2)),
        send("503 twice", vec![Fault::status(503), Fault::answer(503, "text/html", "<p>busy</p>")], arrives(3)),
        send("504 after delivery", vec![Fault::status(504).after_processing()], is_uncertain(0)),
        send("reset before the request is read", vec![Fault::reset_before()], is_uncertain(1)),
        send("reset while the request is read", vec![Fault::reset_while_reading(3)], is_uncertain(1)),
        send("reset after the request", vec![Fault::reset_after()], is_uncertain(0)),
        send("reset within the answer", vec![Fault::reset_in_answer(0)], arrives(1)),
        send("answer that breaks off", vec![Fault::truncated(0)], arrives(1)),
        send("endless answer", vec![Fault::endless()], arrives(1)),
        send("huge answer", vec![Fault::oversize(3_000_000)], arrives(1)),
        send("redirect", vec![Fault::redirect(307, "https://other.test/")], is_lost(1, "invalid_answer")),
    ]
}

fn other_calls() -> Vec<Case> {
    let invalid = || Fault::answer(200, "text/html", "<p>welcome</p>");
    let mut cases = vec![
        case("404 with the service's code", Act::Close, [absent()], arrives(1)),
        case("408", Act::Close, [Fault::status(408)], arrives(2)),
        case("500 after it was done", Act::Close, [Fault::status(500).after_processing()], arrives(2)),
        case("504 after it was done", Act::Close, [Fault::status(504).after_processing()], arrives(2)),
        case("reset after the request", Act::Close, [Fault::reset_after()], arrives(2)),
        case("answer that breaks off", Act::List, [Fault::truncated(3)], arrives(2)),
        case("reset within the answer", Act::List, [Fault::reset_in_answer(3)], arrives(2)),
        case("endless answer", Act::List, [Fault::endless()], is_lost(1, "invalid_answer")),
        case("invalid answer", Act::List, [invalid()], is_lost(1, "invalid_answer")),
    ];
    // The temporary key is fetched again after each of these but the last two.
    for (fault, what, expected) in [
        ("503", Fault::status(503), arrives(2)),
        ("500", Fault::status(500), arrives(2)),
        ("429 with Retry-After", wait(429, "1"), arrives(2)),
        ("reset before the request is read", Fault::reset_before(), arrives(2)),
        ("reset after the request", Fault::reset_after(), arrives(2)),
        ("answer that breaks off", Fault::truncated(9), arrives(2)),
        ("endless answer", Fault::endless(), arrives(2)),
        ("huge answer", Fault::oversize(3_000_000), arrives(2)),
        ("invalid answer", invalid(), arrives(2)),
        ("redirect", Fault::redirect(302, "https://other.test/"), arrives(2)),
        ("403", Fault::status(403), is_lost(1, "role_missing")),
        ("404", Fault::status(404), is_lost(1, "key_unavailable")),
    ] {
        cases.push(case(fault, Act::Negotiate, [what], expected));
    }
    cases
}

/// Each with a client of its own, so that no connection and no key is at hand.
async fn run(emulator: &Emulator, case: Case) -> Row {
    emulator.faults().script(case.act.operation(), case.faults);
    let (outcome, _) = measure(emulator, service(emulator, ClientTokens::TemporaryKey), case.act).await;
    emulator.faults().clear();
    Row { fault: case.fault, act: format!("{:?}", case.act), outcome, expected: case.expected }
}

async fn measure(emulator: &Emulator, service: ServiceClient, act: Act) -> (Outcome, Option<Error>) {
    let before = emulator.log().count(act.operation());
    let mut client = emulator.attach_client("chat", None);
    let error = act.run(service).await.err();
    let messages = std::iter::from_fn(|| client.try_next()).filter(|it| matches!(it, Received::Message(_))).count();
    let arrived = if act == Act::Send { messages } else { usize::from(error.is_none()) };
    let outcome = Outcome {
        lost: 1_usize.saturating_sub(arrived),
        twice: arrived.saturating_sub(1),
        requests: emulator.log().count(act.operation()) - before,
        error: error.as_ref().map(|error| error.kind().as_str()),
        may_be_delivered: error.as_ref().is_some_and(Error::may_be_delivered),
    };
    (outcome, error)
}

/// Certificates that the client must not accept. Its calls end before anything has left.
async fn wrong_certificates(emulator: &Emulator) -> Vec<Row> {
    let other = Emulator::start().await.unwrap();
    let in_azure = emulator.endpoint().replace("127.0.0.1", AZURE);
    let cases = [
        ("wrong certificate: of another authority", emulator.endpoint(), other.certificate_authority_pem()),
        ("wrong certificate: of another host", in_azure.as_str(), emulator.certificate_authority_pem()),
    ];
    let mut rows = Vec::new();
    for (fault, endpoint, authority) in cases {
        for act in [Act::Send, Act::Close] {
            let options = ServiceClientOptions::default().transport(http_client(authority));
            let (outcome, error) = measure(emulator, service_at(endpoint, emulator, options), act).await;
            assert!(format!("{error:?}").contains("invalid peer certificate"), "{error:?}");
            rows.push(Row { fault, act: format!("{act:?}"), outcome, expected: is_lost(0, "unavailable") });
        }
    }
    rows
}

#[tokio::test]
async fn no_message_arrives_twice_and_none_is_lost_that_could_be_kept() {
    let emulator = Emulator::start().await.unwrap();
    grant(&emulator, Some(Role::ServiceOwner));
    let mut rows = Vec::new();
    for case in messages().into_iter().chain(other_calls()) {
        rows.push(run(&emulator, case).await);
    }
    rows.extend(wrong_certificates(&emulator).await);
    rows.extend(rotation::rows().await);
    let mut wrong = Vec::new();
    println!("| Fault | Call | Lost | Twice | Requests | Error |\n|---|---|---|---|---|---|");
    for Row { fault, act, outcome, expected } in rows {
        let Outcome { lost, twice, requests, error, .. } = &outcome;
        println!("| {fault} | {act} | {lost} | {twice} | {requests} | {} |", error.unwrap_or("none"));
        assert_eq!(*twice, 0, "a message arrived twice: {fault}");
        if outcome != expected {
            wrong.push(format!("{fault}, {act}: expected {expected:?}, got {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn connections_that_are_reset_before_tls_carry_nothing() {
    let emulator = Emulator::start().await.unwrap();
    grant(&emulator, Some(Role::ServiceOwner));
    let mut client = emulator.attach_client("chat", None);
    let fresh = service(&emulator, ClientTokens::TemporaryKey).hub("chat").unwrap();
    let before = emulator.log().count(Operation::Broadcast);
    emulator.faults().reset_connections(true);
    let error = fresh.send_to_all("news", &("lost",)).await.unwrap_err();
    assert_eq!((error.kind().as_str(), error.may_be_delivered()), ("unavailable", false));
    assert_eq!(emulator.log().count(Operation::Broadcast), before);

    emulator.faults().reset_connections(false);
    fresh.send_to_all("news", &("kept",)).await.unwrap();
    assert_eq!(emulator.log().count(Operation::Broadcast), before + 1);
    let Some(Received::Message(message)) = client.try_next() else { panic!("there is a message") };
    assert_eq!((&message["arguments"][0], client.try_next()), (&serde_json::json!("kept"), None));
}
