//! The examples of the README and of the guide as tests, where every feature and library that they use is at hand.

#[doc = include_str!("../../README.md")]
mod readme {}

#[doc = include_str!("../../src/docs/azure.md")]
mod azure {}

#[doc = include_str!("../../src/docs/checks.md")]
mod checks {}

#[doc = include_str!("../../src/docs/clients.md")]
mod clients {}

#[doc = include_str!("../../src/docs/clouds.md")]
mod clouds {}

#[doc = include_str!("../../src/docs/concepts.md")]
mod concepts {}

#[doc = include_str!("../../src/docs/cross_tenant.md")]
mod cross_tenant {}

#[doc = include_str!("../../src/docs/dependencies.md")]
mod dependencies {}

#[doc = include_str!("../../src/docs/embed.md")]
mod embed {}

#[doc = include_str!("../../src/docs/events.md")]
mod events {}

#[doc = include_str!("../../src/docs/evidence.md")]
mod evidence {}

#[doc = include_str!("../../src/docs/features.md")]
mod features {}

#[doc = include_str!("../../src/docs/forward_auth.md")]
mod forward_auth {}

#[doc = include_str!("../../src/docs/instances.md")]
mod instances {}

#[doc = include_str!("../../src/docs/migration.md")]
mod migration {}

#[doc = include_str!("../../src/docs/monitoring.md")]
mod monitoring {}

#[doc = include_str!("../../src/docs/rejections.md")]
mod rejections {}

#[doc = include_str!("../../src/docs/settings.md")]
mod settings {}

#[doc = include_str!("../../src/docs/testing.md")]
mod testing {}

#[doc = include_str!("../../src/docs/threat_model.md")]
mod threat_model {}

#[doc = include_str!("../../src/docs/tuning.md")]
mod tuning {}

#[doc = include_str!("../../src/docs/tutorial.md")]
mod tutorial {}
