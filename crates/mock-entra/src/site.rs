//! What a mock serves at which path.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use signalr_upstream_auth::{TenantId, TokenVersion};

use crate::authority::Authority;
use crate::documents::{self, Directory};
use crate::fault::Fault;
use crate::fault_plan::FaultPlan;
use crate::key_ring::KeyRing;
use crate::members::Members;
use crate::requests::{Counter, Endpoint};

/// Everything that a connection needs to answer requests.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) authority: Authority,
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) counter: Counter,
    keys: Mutex<KeyRing>,
    faults: Mutex<FaultPlan>,
}

/// What a path leads to without a fault.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Site {
    pub(crate) fn new(authority: Authority, tenants: Vec<TenantId>) -> Self {
        Self {
            authority,
            tenants,
            counter: Counter::new(),
            keys: Mutex::new(KeyRing::new()),
            faults: Mutex::new(FaultPlan::default()),
        }
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyRing> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, FaultPlan> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and takes its fault from the plan.
    pub(crate) fn answer(&self, target: &str) -> (Page, Fault) {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let route = Route::of(path);
        let endpoint = route.as_ref().map(|route| route.endpoint);
        let tenant = route.as_ref().and_then(Route::tenant);
        self.counter.request(target, endpoint, tenant);
        let page = match route {
            Some(route) if tenant.is_none_or(|tenant| self.tenants.contains(&tenant)) => self.document(&route),
            Some(_) => unknown_tenant(),
            None => Page { status: StatusCode::NOT_FOUND, body: String::new() },
        };
        (page, self.faults().next(endpoint, tenant))
    }

    pub(crate) fn discovery_document(&self, directory: Directory, version: TokenVersion) -> String {
        documents::discovery(&self.authority, directory, version)
    }

    pub(crate) fn key_document(&self, version: TokenVersion) -> String {
        documents::keys(&self.authority, self.keys().published(), version)
    }

    fn document(&self, route: &Route) -> Page {
        let body = match route.endpoint {
            Endpoint::Keys => self.key_document(route.version),
            Endpoint::Any | Endpoint::Discovery => self.discovery_document(route.directory, route.version),
        };
        Page { status: StatusCode::OK, body }
    }
}

/// A known path.
#[derive(Debug, Eq, PartialEq)]
struct Route {
    directory: Directory,
    endpoint: Endpoint,
    version: TokenVersion,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        let (directory, rest) = path.strip_prefix('/')?.split_once('/')?;
        let directory = match directory {
            "common" => Directory::Common,
            "organizations" => Directory::Organizations,
            tenant => Directory::Tenant(tenant.parse().ok()?),
        };
        let (endpoint, version) = match rest {
            ".well-known/openid-configuration" => (Endpoint::Discovery, TokenVersion::V1),
            "v2.0/.well-known/openid-configuration" => (Endpoint::Discovery, TokenVersion::V2),
            "discovery/keys" => (Endpoint::Keys, TokenVersion::V1),
            "discovery/v2.0/keys" => (Endpoint::Keys, TokenVersion::V2),
            _ => return None,
        };
        Some(Self { directory, endpoint, version })
    }

    fn tenant(&self) -> Option<TenantId> {
        match self.directory {
            Directory::Common | Directory::Organizations => None,
            Directory::Tenant(tenant) => Some(tenant),
        }
    }
}

/// Entra's response for a tenant that does not exist.
fn unknown_tenant() -> Page {
    let error = Members::default()
        .with("error", "invalid_tenant")
        .with("error_description", "AADSTS90002: Tenant not found.")
        .with("error_codes", [90002]);
    Page { status: StatusCode::BAD_REQUEST, body: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";

    fn site() -> Site {
        Site::new(Authority::custom("http://127.0.0.1:1"), vec![TENANT.parse().unwrap()])
    }

    #[test]
    fn serves_documents_at_entras_paths() {
        let site = site();
        let tenant = Directory::Tenant(TENANT.parse().unwrap());
        for (path, body) in [
            (format!("/{TENANT}/.well-known/openid-configuration"), site.discovery_document(tenant, TokenVersion::V1)),
            (
                format!("/{TENANT}/v2.0/.well-known/openid-configuration"),
                site.discovery_document(tenant, TokenVersion::V2),
            ),
            (
                format!("/{TENANT}/v2.0/.well-known/openid-configuration?appid=x"),
                site.discovery_document(tenant, TokenVersion::V2),
            ),
            (
                "/common/v2.0/.well-known/openid-configuration".to_owned(),
                site.discovery_document(Directory::Common, TokenVersion::V2),
            ),
            (
                "/organizations/v2.0/.well-known/openid-configuration".to_owned(),
                site.discovery_document(Directory::Organizations, TokenVersion::V2),
            ),
            (format!("/{TENANT}/discovery/keys"), site.key_document(TokenVersion::V1)),
            (format!("/{TENANT}/discovery/v2.0/keys"), site.key_document(TokenVersion::V2)),
            ("/common/discovery/keys".to_owned(), site.key_document(TokenVersion::V1)),
            ("/common/discovery/v2.0/keys".to_owned(), site.key_document(TokenVersion::V2)),
        ] {
            let (page, _) = site.answer(&path);
            assert_eq!((page.status, page.body), (StatusCode::OK, body), "{path}");
        }
    }

    #[test]
    fn rejects_other_tenants_and_paths() {
        let site = site();
        let other = "/22222222-aaaa-4bbb-8ccc-222222222222/discovery/v2.0/keys";
        assert_eq!(site.answer(other).0.status, StatusCode::BAD_REQUEST);
        for path in ["/", "/common", "/contoso.example/discovery/v2.0/keys", "/common/discovery/v2.0/keys/", ""] {
            assert_eq!(site.answer(path).0.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(site.counter.requests().keys(), 1);
        assert_eq!(site.counter.requests().log().len(), 6);
    }
}
