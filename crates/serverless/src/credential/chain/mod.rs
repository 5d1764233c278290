//! The default chain: the credentials of `DefaultAzureCredential` of .NET, in its order.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use azure_core::Error;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{StatusCode, Transport};
use tokio::sync::Mutex;

use super::ambient::Ambient;
use super::imds::{self, ImdsClient, ProbeFault};
use super::plan::DefaultChainPlan;
use super::transport::Transports;
use super::{BuildFault, command_line, managed_identity, principal};
use crate::events::CREDENTIAL;

/// Tries one credential after the other. A step that is not there passes on to the next; one that is there and was
/// rejected ends the chain with its error, because the next one would be somebody else. The first that worked stays.
pub(super) struct DefaultChain {
    steps: [ChainStep; 5],
    chosen: OnceLock<usize>,
    /// One choice at a time. Nobody waits for it once a step is chosen.
    choosing: Mutex<()>,
}

struct ChainStep {
    name: &'static str,
    kind: Kind,
}

enum Kind {
    /// Known to be absent since the start, and why.
    Absent(String),
    Present(Arc<dyn TokenCredential>),
    /// A managed identity of a virtual machine, if this is one.
    Imds {
        credential: Arc<dyn TokenCredential>,
        transport: Transport,
        has_id: bool,
    },
    CommandLine(Arc<dyn TokenCredential>),
}

enum Attempt {
    Success(AccessToken),
    Absent(String),
    Rejected(Error),
}

impl DefaultChain {
    pub(super) fn build(
        plan: DefaultChainPlan,
        ambient: &Ambient<'_>,
        transports: &Transports,
    ) -> Result<Self, BuildFault> {
        let DefaultChainPlan { environment, workload_identity, managed_identity: id, tenant_id } = plan;
        let environment = match environment {
            Ok(application) => Kind::Present(principal::client_secret(application, transports)?),
            Err(reason) => Kind::Absent(reason),
        };
        let workload_identity = match workload_identity {
            Ok(workload) => Kind::Present(principal::workload_identity(workload, transports)?),
            Err(reason) => Kind::Absent(reason),
        };
        let has_id = id.is_some();
        let managed_identity = match managed_identity::build(id, ambient, transports) {
            Ok(credential) if managed_identity::is_app_service(ambient) => Kind::Present(credential),
            Ok(credential) => Kind::Imds { credential, transport: ImdsClient::transport(ambient, transports)?, has_id },
            // A variable that is wrong.
            Err(fault) if fault.field.is_some() => return Err(fault),
            // A host whose identity endpoint `azure_identity` does not know, such as Cloud Shell.
            Err(fault) => Kind::Absent(fault.problem),
        };
        let azure_cli = Kind::CommandLine(command_line::azure_cli(tenant_id.clone())?);
        let azure_developer_cli = Kind::CommandLine(command_line::azure_developer_cli(tenant_id)?);
        let steps = [
            ChainStep { name: "environment", kind: environment },
            ChainStep { name: "workload identity", kind: workload_identity },
            ChainStep { name: "managed identity", kind: managed_identity },
            ChainStep { name: "Azure CLI", kind: azure_cli },
            ChainStep { name: "Azure Developer CLI", kind: azure_developer_cli },
        ];
        Ok(Self { steps, chosen: OnceLock::new(), choosing: Mutex::new(()) })
    }

    /// The credential that worked first.
    fn chosen(&self) -> Option<&Arc<dyn TokenCredential>> {
        let step = self.steps.get(*self.chosen.get()?)?;
        match &step.kind {
            Kind::Absent(_) => None,
            Kind::Present(credential) | Kind::Imds { credential, .. } | Kind::CommandLine(credential) => {
                Some(credential)
            }
        }
    }

    async fn choosing(&self, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let mut tried = Vec::with_capacity(self.steps.len());
        for (index, step) in self.steps.iter().enumerate() {
            match step.attempt(scopes).await {
                Attempt::Success(token) => {
                    tracing::info!(target: CREDENTIAL, credential = step.name, "the default chain uses a credential");
                    self.chosen.get_or_init(|| index);
                    return Ok(token);
                }
                Attempt::Absent(reason) => tried.push(format!("{}: {reason}", step.name)),
                Attempt::Rejected(error) => {
                    let problem = format!("the default chain ends at {}, which is there but gave no token", step.name);
                    return Err(Error::with_error(ErrorKind::Credential, error, problem));
                }
            }
        }
        let problem = format!("the default chain found no credential. {}", tried.join(". "));
        Err(Error::with_message(ErrorKind::Credential, problem))
    }
}

impl ChainStep {
    async fn attempt(&self, scopes: &[&str]) -> Attempt {
        match &self.kind {
            Kind::Absent(reason) => Attempt::Absent(reason.clone()),
            Kind::Present(credential) => match credential.get_token(scopes, None).await {
                Ok(token) => Attempt::Success(token),
                Err(error) => Attempt::Rejected(error),
            },
            Kind::Imds { credential, transport, has_id } => {
                match imds::probe(transport).await {
                    Ok(()) => {}
                    Err(ProbeFault::Absent(reason)) => return Attempt::Absent(reason),
                    Err(ProbeFault::Busy(error)) => return Attempt::Rejected(error),
                }
                match credential.get_token(scopes, None).await {
                    Ok(token) => Attempt::Success(token),
                    // IMDS answers so on a machine without any identity, such as a developer's.
                    Err(error) if !has_id && status(&error) == Some(StatusCode::BadRequest) => {
                        Attempt::Absent("this virtual machine has no managed identity".to_owned())
                    }
                    Err(error) => Attempt::Rejected(error),
                }
            }
            Kind::CommandLine(credential) => match credential.get_token(scopes, None).await {
                Ok(token) => Attempt::Success(token),
                Err(error) => match command_line::absence(&error) {
                    Some(reason) => Attempt::Absent(reason),
                    None => Attempt::Rejected(error),
                },
            },
        }
    }
}

#[async_trait]
impl TokenCredential for DefaultChain {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if let Some(credential) = self.chosen() {
            return credential.get_token(scopes, options).await;
        }
        let choosing = self.choosing.lock().await;
        if let Some(credential) = self.chosen() {
            drop(choosing);
            return credential.get_token(scopes, options).await;
        }
        self.choosing(scopes).await
    }
}

impl std::fmt::Debug for DefaultChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chosen = self.chosen.get().and_then(|index| self.steps.get(*index)).map(|step| step.name);
        f.debug_struct("DefaultChain").field("chosen", &chosen).finish_non_exhaustive()
    }
}

/// The status of an answer that is somewhere below the error.
fn status(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(status) = error.downcast_ref::<Error>().and_then(Error::http_status) {
            return Some(status);
        }
        next = error.source();
    }
    None
}
