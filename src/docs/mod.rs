//! The guide, by task. It has no code; each page is a module.
//!
//! # Begin
//!
//! | You want to | Page |
//! |---|---|
//! | see it work, on your machine and then in Azure | [`tutorial`] |
//! | know what an app registration, an identity and an object id are for | [`concepts`] |
//!
//! # How to
//!
//! | You want to | Page |
//! |---|---|
//! | set up Azure, step by step | [`azure`] |
//! | embed the layer: axum, hyper, handlers by hub and event | [`embed`] |
//! | check without tower: actix-web, gRPC, a queue | [`other_frameworks`] |
//! | put the check in front of a service in another language, or behind a proxy | [`forward_auth`] |
//! | replace a check of your own | [`migration`] |
//! | test your own service | [`testing`] |
//! | read what clients of other languages send | [`clients`] |
//! | accept callers from several tenants | [`cross_tenant`] |
//! | use another cloud: US Government, China, one of your own | [`clouds`] |
//! | run several instances behind a load balancer | [`instances`] |
//! | watch it: metrics, health, alerts | [`monitoring`] |
//!
//! # Look up
//!
//! | You look for | Page |
//! |---|---|
//! | a setting, or what an error at the start means | [`settings`] |
//! | a duration, a bound, and why it is so | [`tuning`] |
//! | why a call is rejected, and what to do | [`rejections`] |
//! | a line of the log | [`events`] |
//! | a metric or an alert | [`monitoring`] |
//! | what is checked, and what an answer means to SignalR | [`checks`] |
//! | a feature, and what a build needs | [`features`] |
//! | a dependency, and why it is there | [`dependencies`] |
//!
//! # Review
//!
//! | You want to know | Page |
//! |---|---|
//! | what is defended, and what is not | [`threat_model`] |
//! | what is claimed, what shows it, and what remains | [`evidence`] |
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

#[doc = include_str!("tutorial.md")]
pub mod tutorial {}

#[doc = include_str!("concepts.md")]
pub mod concepts {}

#[doc = include_str!("azure.md")]
#[doc = ""]
#[doc = include_str!("sequence.svg")]
pub mod azure {}

#[doc = include_str!("embed.md")]
pub mod embed {}

#[doc = include_str!("other_frameworks.md")]
pub mod other_frameworks {}

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

#[doc = include_str!("migration.md")]
pub mod migration {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("cross_tenant.md")]
pub mod cross_tenant {}

#[doc = include_str!("clouds.md")]
pub mod clouds {}

#[doc = include_str!("instances.md")]
#[doc = ""]
#[doc = include_str!("keys.svg")]
pub mod instances {}

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

#[doc = include_str!("settings.md")]
pub mod settings {}

#[doc = include_str!("tuning.md")]
pub mod tuning {}

#[doc = include_str!("rejections.md")]
#[doc = ""]
#[doc = include_str!("status.svg")]
pub mod rejections {}

#[doc = include_str!("events.md")]
pub mod events {}

#[doc = include_str!("checks.md")]
pub mod checks {}

#[doc = include_str!("features.md")]
pub mod features {}

#[doc = include_str!("dependencies.md")]
pub mod dependencies {}

#[doc = include_str!("threat_model.md")]
#[doc = ""]
#[doc = "# Data flow and trust boundaries"]
#[doc = ""]
#[doc = include_str!("data_flow.svg")]
pub mod threat_model {}

#[doc = include_str!("evidence.md")]
pub mod evidence {}
