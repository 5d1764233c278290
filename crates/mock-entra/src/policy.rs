//! Ties a mock to the middleware: the cloud and the policy that accept its tokens, and their claims.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};

use signalr_upstream_auth::keys::{FixedKeys, KeySet};
use signalr_upstream_auth::{
    Audiences, Callers, Claims, Cloud, Policy, PolicyBuilder, Rejection, Tenants, TokenVersion, Validator,
};

use crate::entra::MockEntra;
use crate::token::TokenBuilder;

impl MockEntra {
    /// The cloud of this mock: its login host and issuers.
    ///
    /// # Panics
    ///
    /// Never: the mock's own names are valid.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the mock's own names are valid")]
    pub fn cloud(&self) -> Cloud {
        let authority = self.authority();
        let issuer = |version| authority.issuer_template(version);
        let cloud = Cloud::custom(&authority.login, &issuer(TokenVersion::V1), &issuer(TokenVersion::V2));
        let cloud = cloud.expect("the mock's own names are valid");
        match self.cloud_instance_name() {
            Some(label) => cloud.with_cloud_instance_name(label),
            None => cloud,
        }
    }

    /// A policy that accepts [this mock's tokens](Self::token) and no others: its tenants, its audience, its caller.
    ///
    /// # Panics
    ///
    /// Never: the mock's own names are valid.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the mock's own names are valid")]
    pub fn policy(&self) -> Policy {
        self.policy_builder().build().expect("the mock's own names are valid")
    }

    /// The same policy before it is built, for required roles and the like.
    ///
    /// # Panics
    ///
    /// Never: the mock's own names are valid.
    #[expect(clippy::expect_used, reason = "the mock's own names are valid")]
    pub fn policy_builder(&self) -> PolicyBuilder {
        Policy::builder(
            Tenants::parse(self.tenants().iter().map(ToString::to_string)).expect("tenants"),
            Audiences::parse([self.audience_client_id().to_string()]).expect("an audience"),
            Callers::parse_object_ids([self.caller_object_id().to_string()]).expect("a caller"),
        )
        .cloud(self.cloud())
    }

    /// The claims of an accepted token, for the unit test of a handler. They come from the real check.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use mock_entra::MockEntra;
    /// use signalr_upstream_auth::Claims;
    ///
    /// fn handle(claims: &Claims) -> String {
    ///     format!("called by {}", claims.object_id())
    /// }
    ///
    /// let entra = MockEntra::start().await;
    /// assert_eq!(handle(&entra.claims()), format!("called by {}", entra.caller_object_id()));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the mock's clock cannot be read.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the mock accepts its own tokens")]
    pub fn claims(&self) -> Claims {
        self.check(&self.token()).expect("the mock accepts its own tokens")
    }

    /// Runs the real check on a token, with the mock's policy, its clock and its currently published keys.
    ///
    /// # Errors
    ///
    /// The rejection by the first check that fails.
    #[expect(clippy::missing_panics_doc, reason = "the mock's own documents are valid, and fixed keys never wait")]
    #[expect(
        clippy::expect_used,
        clippy::unreachable,
        reason = "the mock's own documents are valid, and fixed keys never wait"
    )]
    pub fn check(&self, token: &TokenBuilder) -> Result<Claims, Rejection> {
        let keys = KeySet::from_json(self.key_document(TokenVersion::V2).as_bytes()).expect("a key document");
        let validator = Validator::new(self.policy(), FixedKeys::new(keys)).with_clock(self.clock());
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", token.mint())).expect("a header"));
        // Fixed keys never wait, so the first poll decides.
        let mut check = pin!(validator.validate(&headers));
        match check.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => unreachable!("fixed keys never wait"),
        }
    }
}
