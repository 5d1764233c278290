//! The guide. It has no code; each page is a module.
//!
//! | When | Page |
//! |---|---|
//! | Every call is rejected and you want to know why | [`rejections`], and the tool below |
//! | Setting up Azure, step by step | [`azure`] |
//! | Watching it: metrics, health, alerts | [`monitoring`] |
//! | Reading the log | [`events`] |
//! | Changing a duration or a bound | [`tuning`] |
//! | What was tried to take the keys down | [`faults`] |
//! | What is defended, and what is not | [`threat_model`] |
//! | How the crate itself is tested | [`assurance`] |
//! | What a check costs, and how to measure it | [`performance`] |
//! | What comes with it, and why | [`dependencies`] |
//! | Several instances behind a load balancer | [`instances`] |
//! | A client's value does not deserialize | [`clients`] |
//! | US Government, China, a cloud of your own | [`clouds`] |
//! | Callers from several tenants | [`cross_tenant`] |
//! | Testing your own service | [`testing`] |
//! | You have a check of your own already | [`migration`] |
//! | The service is not written in Rust, or stands behind a proxy | [`forward_auth`] |
//! | actix-web, gRPC, a queue: no tower | [`other_frameworks`] |
//!
//! # At 3 a.m.
//!
//! The repository has a runbook, `RUNBOOK.md`: a decision tree, then one place to look at and one thing to do for each
//! symptom and each alert. In short:
//!
//! 1. **Is it the keys?** Answers of 503, events at ERROR under `signalr_upstream_auth::keys`, `/readyz` at 503:
//!    this machine cannot fetch the keys of Entra. See [`keys_unavailable`](rejections#keys_unavailable--503).
//! 2. **Which kind is it?** Each rejection has one: in the event `requests are rejected`, in the label `kind` of
//!    `signalr_upstream_auth_requests_total`, in the `Rejection` in the response's extensions. [`rejections`] has cause
//!    and remedy of each.
//! 3. **What does the token say?** Take one from a failing call and have it explained, with the same settings as the
//!    server's:
//!
//!    ```text
//!    signalr-upstream-auth explain token.txt
//!    ```
//!
//!    The program is the package `signalr-upstream-auth-cli`. It prints every check with what is configured and what was found, and the remedy for the usual mistakes. In a
//!    program of your own, [`Validator::explain`](crate::Validator::explain) does. If you cannot take a token, have the
//!    server [log explanations](events#explanations-of-rejections).
//! 4. **How is Azure set up?**
//!
//!    ```text
//!    az signalr show --name NAME --resource-group GROUP | signalr-upstream-auth check-azure
//!    ```
//! 5. **What does SignalR say?** The resource's diagnostic log (category `MessagingLogs`) has the address, hub, event and
//!    the status of each failed upstream call.

#[doc = include_str!("assurance.md")]
pub mod assurance {}

#[doc = include_str!("azure.md")]
pub mod azure {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("clouds.md")]
pub mod clouds {}

#[doc = include_str!("cross_tenant.md")]
pub mod cross_tenant {}

#[doc = include_str!("dependencies.md")]
pub mod dependencies {}

#[doc = include_str!("events.md")]
pub mod events {}

#[doc = include_str!("faults.md")]
pub mod faults {}

#[doc = include_str!("forward_auth.md")]
#[doc = ""]
#[doc = "## nginx"]
#[doc = ""]
#[doc = "`deploy/nginx/signalr.conf`:"]
#[doc = ""]
#[doc = "```text"]
#[doc = include_str!("../../deploy/nginx/signalr.conf")]
#[doc = "```"]
#[doc = ""]
#[doc = "## Envoy"]
#[doc = ""]
#[doc = "`deploy/envoy/envoy.yaml`:"]
#[doc = ""]
#[doc = "```text"]
#[doc = include_str!("../../deploy/envoy/envoy.yaml")]
#[doc = "```"]
#[doc = ""]
#[doc = "## Traefik"]
#[doc = ""]
#[doc = "`deploy/traefik/traefik.yml`:"]
#[doc = ""]
#[doc = "```text"]
#[doc = include_str!("../../deploy/traefik/traefik.yml")]
#[doc = "```"]
#[doc = ""]
#[doc = "`deploy/traefik/dynamic.yml`:"]
#[doc = ""]
#[doc = "```text"]
#[doc = include_str!("../../deploy/traefik/dynamic.yml")]
#[doc = "```"]
#[doc = ""]
#[doc = "## Caddy"]
#[doc = ""]
#[doc = "`deploy/caddy/Caddyfile`:"]
#[doc = ""]
#[doc = "```text"]
#[doc = include_str!("../../deploy/caddy/Caddyfile")]
#[doc = "```"]
pub mod forward_auth {}

#[doc = include_str!("instances.md")]
pub mod instances {}

#[doc = include_str!("migration.md")]
pub mod migration {}

#[doc = include_str!("monitoring.md")]
#[doc = ""]
#[doc = "# Alerts for Prometheus"]
#[doc = ""]
#[doc = "```text"]
#[doc = include_str!("alerts.yml")]
#[doc = "```"]
#[doc = ""]
#[doc = "# Picture of the dashboard"]
#[doc = ""]
#[doc = include_str!("dashboard.svg")]
pub mod monitoring {}

#[doc = include_str!("other_frameworks.md")]
pub mod other_frameworks {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("rejections.md")]
pub mod rejections {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("threat_model.md")]
#[doc = ""]
#[doc = "# Data flow and trust boundaries"]
#[doc = ""]
#[doc = include_str!("data_flow.svg")]
pub mod threat_model {}

#[doc = include_str!("tuning.md")]
pub mod tuning {}
