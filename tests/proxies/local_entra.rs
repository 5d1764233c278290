//! An Entra on loopback for tests that are not written in Rust. `tests/proxies/run` starts it.
//!
//! It prints one line of JSON: the variables that lead the program to it, the caller, tokens that the policy accepts, and
//! tokens that it rejects with the status of each. Then it serves until its standard input ends. Each line there is a
//! command: `rotate` (another key signs, published as it begins to sign), `fail` (each request gets 503) or `recover`.
//! It answers with a line of JSON: a token that the policy accepts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

use std::collections::BTreeMap;

use mock_entra::{Endpoint, Fault, TokenBuilder};
use serde_json::{Value, json};

#[path = "../programs/public_cloud.rs"]
#[allow(dead_code, reason = "shared with the tests of the programs, which use the rest")]
mod public_cloud;

use public_cloud::PublicCloud;

#[tokio::main]
async fn main() {
    let cloud = PublicCloud::start().await;
    let entra = &cloud.entra;
    let stranger = "aaaaaaaa-0000-4000-8000-000000000001";
    let padded = |length: usize| entra.token().claim("padding", "x".repeat(length));
    let good = [
        good("v1 token", entra.token(), ""),
        good("v2 token", entra.token().v2(), ""),
        good("token with roles", entra.token().roles(["Upstream.Call", "a,b"]), "Upstream.Call,a%2Cb"),
        // The claims set is encoded in base64url: four bytes for three.
        good("token of 15 KiB", padded(10_900), ""),
    ];
    let bad = [
        bad("wrong audience", entra.token().audience("api://somebody-else"), 401),
        bad("wrong tenant", entra.token().tenant(stranger.parse().unwrap()), 401),
        bad("expired", entra.token().expired(), 401),
        bad("token for Microsoft Graph", entra.token().graph(), 401),
        bad("wrong signature", entra.token().signature([7; 256]), 401),
        bad("algorithm none", entra.token().algorithm("none").signature([]), 401),
        bad("unknown key", entra.token().key_id("unknown-key"), 401),
        bad("longer than 16 KiB", padded(14_000), 401),
        bad(
            "caller that is not listed",
            entra.token().caller(stranger.parse().unwrap(), stranger.parse().unwrap()),
            403,
        ),
        bad("token of a user", entra.token().delegated(), 403),
    ];
    let environment: BTreeMap<_, _> = cloud.settings().into_iter().collect();
    let caller = json!({
        "x-upstream-auth-tenant-id": entra.tenant().to_string(),
        "x-upstream-auth-object-id": entra.caller_object_id().to_string(),
        "x-upstream-auth-client-id": entra.caller_client_id().to_string(),
    });
    println!("{}", json!({ "environment": environment, "caller": caller, "good": good, "bad": bad }));
    tokio::task::block_in_place(|| {
        for command in std::io::stdin().lines() {
            match command.unwrap().as_str() {
                "rotate" => drop(entra.rotate()),
                "fail" => entra.fail(Endpoint::Any, Fault::status(503)),
                "recover" => entra.recover(),
                other => panic!("no such command: {other}"),
            }
            println!("{}", json!({ "token": entra.token().mint() }));
        }
    });
}

fn good(name: &str, token: TokenBuilder, roles: &str) -> Value {
    json!({ "name": name, "token": token.mint(), "roles": roles })
}

fn bad(name: &str, token: TokenBuilder, status: u16) -> Value {
    json!({ "name": name, "token": token.mint(), "status": status })
}
