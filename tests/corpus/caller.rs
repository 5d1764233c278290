//! Callers, roles and delegated tokens: what is checked after the signature.

use mock_entra::TokenBuilder;
use signalr_upstream_auth::{Callers, Policy, RejectionKind as K};

use crate::entry::{Entry, Sent};
use crate::expected::{Expected, PASS, rejected};
use crate::fixture::{Fixture, OTHER_TENANT, STRANGER};

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let not_allowed = rejected(403, K::CallerNotAllowed).signed();
    let delegated = rejected(403, K::DelegatedToken).signed();
    let mut entries = fixture.tokens(
        not_allowed,
        &[
            ("another caller", |token| token.caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap())),
            ("v2, another caller", |token| token.v2().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap())),
            ("another object, our client", |token| token.claim("oid", STRANGER).claim("sub", STRANGER)),
            ("our object as the client", |token| {
                token
                    .claim("oid", STRANGER)
                    .claim("sub", STRANGER)
                    .claim("appid", "77777777-4321-4cba-8fed-888888888888")
            }),
            ("a role does not make a caller", |token| {
                token.caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()).roles(["Upstream.Call"])
            }),
            ("the idtyp of an application does not either", |token| {
                token.caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()).claim("idtyp", "app")
            }),
            ("our ids in claims that nobody reads", |token| {
                token
                    .caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap())
                    .claim("client_id", CLIENT)
                    .claim("object_id", OBJECT)
            }),
            ("the object of one digit more", |token| {
                let almost = "77777777-4321-4cba-8fed-888888888889";
                token.claim("oid", almost).claim("sub", almost)
            }),
            ("the audience as the caller", |token| {
                let audience = "33333333-dddd-4eee-8fff-444444444444";
                token.claim("oid", audience).claim("sub", audience)
            }),
        ],
    );
    entries.extend(fixture.tokens(
        delegated,
        &[
            ("a user's token", |token| token.delegated()),
            ("v2, a user's token", |token| token.v2().delegated()),
            ("a user's token with roles", |token| token.delegated().roles(["Upstream.Call"])),
            ("scp: a scope", |token| token.claim("scp", "user_impersonation")),
            ("scp: empty", |token| token.claim("scp", "")),
            ("scp: a blank", |token| token.claim("scp", " ")),
            ("scp: .default", |token| token.claim("scp", ".default")),
            ("idtyp: user", |token| token.claim("idtyp", "user")),
            ("idtyp: device", |token| token.claim("idtyp", "device")),
            ("idtyp: empty", |token| token.claim("idtyp", "")),
            ("idtyp: APP", |token| token.claim("idtyp", "APP")),
            ("idtyp: a blank behind", |token| token.claim("idtyp", "app ")),
            ("idtyp: agent", |token| token.claim("idtyp", "agent_user")),
            ("sub: pairwise", |token| token.claim("sub", "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ")),
            ("sub: another object", |token| token.claim("sub", STRANGER)),
            ("sub: in upper case", |token| token.claim("sub", "77777777-4321-4CBA-8FED-888888888888")),
            ("sub: empty", |token| token.claim("sub", "")),
            ("sub: a blank behind", |token| token.claim("sub", "77777777-4321-4cba-8fed-888888888888 ")),
            ("a stranger's user token", |token| {
                token.caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()).delegated()
            }),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::MalformedClaims).signed(),
        &[
            ("oid: no GUID", |token| token.claim("oid", "x").claim("sub", "x")),
            ("oid: empty", |token| token.claim("oid", "").claim("sub", "")),
            ("oid: in upper case", |token| {
                let upper = "77777777-4321-4CBA-8FED-888888888888";
                token.claim("oid", upper).claim("sub", upper)
            }),
            ("oid: in braces", |token| {
                let braced = "{77777777-4321-4cba-8fed-888888888888}";
                token.claim("oid", braced).claim("sub", braced)
            }),
            ("oid: a blank behind", |token| {
                let padded = "77777777-4321-4cba-8fed-888888888888 ";
                token.claim("oid", padded).claim("sub", padded)
            }),
            ("oid: all zero", |token| {
                let zero = "00000000-0000-0000-0000-000000000000";
                token.claim("oid", zero).claim("sub", zero)
            }),
            ("oid: an asterisk", |token| token.claim("oid", "*").claim("sub", "*")),
            ("oid: a distinguished name", |token| token.claim("oid", "CN=x,DC=y").claim("sub", "CN=x,DC=y")),
        ],
    ));
    entries.extend(fixture.tokens(
        PASS,
        &[
            ("our caller", |token| token),
            ("v2, our caller", |token| token.v2()),
            ("idtyp: app", |token| token.claim("idtyp", "app")),
            ("our object, another client", |token| token.claim("appid", STRANGER)),
            ("roles nobody asked for", |token| token.roles(["Admin", "Upstream.Call"])),
        ],
    ));

    let by = |callers: Callers| fixture.entra.policy_builder_for(callers);
    let mut to = |name: &str, expected: Expected, token: TokenBuilder, policy: &Policy| {
        entries.push(Entry::to_policy(name, expected, Sent::token(&token.mint()), policy.clone()));
    };
    let token = || fixture.token();
    let by_client = by(Callers::parse_client_ids([CLIENT]).unwrap());
    to("by client: appid", PASS, token(), &by_client);
    to("by client: azp", PASS, token().v2(), &by_client);
    to("by client: appid in upper case", PASS, token().claim("appid", CLIENT.to_uppercase()), &by_client);
    to("by client: azp in a v1 token", not_allowed, token().without_claim("appid").claim("azp", CLIENT), &by_client);
    to(
        "by client: appid in a v2 token",
        not_allowed,
        token().v2().without_claim("azp").claim("appid", CLIENT),
        &by_client,
    );
    to(
        "by client: both, the wrong one ours",
        not_allowed,
        token().claim("appid", STRANGER).claim("azp", CLIENT),
        &by_client,
    );
    to(
        "by client: v2, both, the wrong one ours",
        not_allowed,
        token().v2().claim("azp", STRANGER).claim("appid", CLIENT),
        &by_client,
    );
    to("by client: missing", not_allowed, token().without_claim("appid"), &by_client);
    to(
        "by client: client_id instead",
        not_allowed,
        token().without_claim("appid").claim("client_id", CLIENT),
        &by_client,
    );
    to("by client: our object as the client", not_allowed, token().claim("appid", OBJECT), &by_client);
    to(
        "by client: our client as the object",
        not_allowed,
        token().claim("appid", STRANGER).claim("oid", CLIENT).claim("sub", CLIENT),
        &by_client,
    );
    to("by client: a user of that client", delegated, token().delegated(), &by_client);
    to("by client: in braces", not_allowed, token().claim("appid", format!("{{{CLIENT}}}")), &by_client);
    to("by client: a blank behind", not_allowed, token().claim("appid", format!("{CLIENT} ")), &by_client);

    let pair = |tenant: &str| by(Callers::new([(tenant.parse().unwrap(), OBJECT.parse().unwrap())]).unwrap());
    to("by tenant and object", PASS, token(), &pair(&fixture.tenant()));
    let any = by(Callers::dangerous_any_in_tenant());
    to("any caller: a stranger", PASS, token().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()), &any);
    to("any caller: a user", delegated, token().delegated(), &any);
    to(
        "any caller: another tenant",
        rejected(401, K::WrongTenant),
        token().tenant(OTHER_TENANT.parse().unwrap()),
        &any,
    );
    to("any caller: a bad signature", rejected(401, K::InvalidSignature).signed(), token().signature([7; 256]), &any);

    let missing_role = rejected(403, K::MissingRole).signed();
    let with_role = fixture.entra.policy_builder().required_roles(["Upstream.Call", "Admin"]).build().unwrap();
    to("a role: it", PASS, token().roles(["Upstream.Call"]), &with_role);
    to("a role: the other", PASS, token().roles(["x", "Admin"]), &with_role);
    to("a role: as one text", PASS, token().claim("roles", "Admin"), &with_role);
    to("a role: none", missing_role, token(), &with_role);
    to("a role: an empty list", missing_role, token().roles([""; 0]), &with_role);
    to("a role: another case", missing_role, token().roles(["admin"]), &with_role);
    to("a role: a blank behind", missing_role, token().roles(["Admin "]), &with_role);
    to("a role: the start of it", missing_role, token().roles(["Upstream"]), &with_role);
    to("a role: more behind", missing_role, token().roles(["Upstream.Call.Not"]), &with_role);
    to("a role: two in a text", missing_role, token().claim("roles", "Upstream.Call Admin"), &with_role);
    to("a role: with a comma", missing_role, token().claim("roles", "Upstream.Call,Admin"), &with_role);
    to("a role: an asterisk", missing_role, token().roles(["*"]), &with_role);
    to("a role: in the claim role", missing_role, token().claim("role", "Admin"), &with_role);
    to("a role: in scp", delegated, token().claim("scp", "Admin"), &with_role);
    to("a role: in wids", missing_role, token().claim("wids", ["Admin"]), &with_role);
    to("a role: in groups", missing_role, token().claim("groups", ["Admin"]), &with_role);
    to(
        "a role: of a stranger",
        not_allowed,
        token().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()).roles(["Admin"]),
        &with_role,
    );
    entries
}

const OBJECT: &str = "77777777-4321-4cba-8fed-888888888888";
const CLIENT: &str = "55555555-1234-4abc-9def-666666666666";

pub trait PolicyFor {
    fn policy_builder_for(&self, callers: Callers) -> Policy;
}

impl PolicyFor for mock_entra::MockEntra {
    fn policy_builder_for(&self, callers: Callers) -> Policy {
        use signalr_upstream_auth::{Audiences, Tenants};
        let tenants = Tenants::parse([self.tenant().to_string()]).unwrap();
        let audiences = Audiences::parse([self.audience_client_id().to_string()]).unwrap();
        Policy::builder(tenants, audiences, callers).cloud(self.cloud()).build().unwrap()
    }
}
