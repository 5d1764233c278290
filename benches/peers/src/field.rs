//! The contenders.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpu_time::ThreadTime;
use jwt_authorizer::IntoLayer as _;
use serde::{Deserialize, Serialize};
use mock_entra::MockEntra;
use signalr_upstream_auth::keys::{FixedKeys, KeyId, KeySet, KeySource, RemoteKeys};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};
use tower::Layer as _;

use crate::contender::{Contender, Outcome, handler, inner};
use crate::world::World;

pub const UNPROTECTED: &str = "unprotected";
pub const FLOOR: &str = "floor: one known token compared, claims into extensions";
pub const BARE: &str = "bare aws-lc RS256, key from n and e each time";
pub const BARE_PARSED: &str = "bare aws-lc RS256, key parsed before";
pub const OURS: &str = "signalr-upstream-auth";
pub const OURS_FIXED: &str = "signalr-upstream-auth, fixed keys";
pub const OURS_WITHOUT_CACHE: &str = "signalr-upstream-auth, without the token cache";
pub const RUST_CRYPTO: &str = "tower-oauth2-resource-server, its default (RustCrypto)";

/// What all is measured against.
pub fn yardsticks(world: &World, entra: &MockEntra) -> Vec<Contender> {
    let (known, claims) = (Arc::new(world.cases[0].headers()[0][AUTHORIZATION].clone()), entra.claims());
    vec![
        Contender::service(UNPROTECTED, inner::<Body>),
        Contender::service(FLOOR, move || floor(Arc::clone(&known), claims.clone())),
        bare(BARE, world, false),
        bare(BARE_PARSED, world, true),
    ]
}

/// This crate.
pub async fn ours(world: &World, entra: &MockEntra) -> Vec<Contender> {
    let policy = entra.policy();
    let remote = RemoteKeys::new(&policy).expect("a client");
    remote.wait_for_keys().await.expect("keys");
    // From now on unknown keys are in their cooldown.
    remote.resolve(entra.tenant(), &KeyId::new("unknown")).await.expect_err("no such key");
    let fixed = FixedKeys::new(KeySet::from_json(world.keys.as_bytes()).expect("a key document"));
    let (remote, fixed): (Arc<dyn KeySource>, Arc<dyn KeySource>) = (Arc::new(remote), Arc::new(fixed));
    let layer = move |keys: &Arc<dyn KeySource>| UpstreamAuthLayer::from_keys(policy.clone(), Arc::clone(keys));
    let (with_remote, with_fixed, without_cache) = (layer.clone(), layer.clone(), layer);
    let keys = Arc::clone(&remote);
    vec![
        Contender::service(OURS, move || with_remote(&keys).layer(inner::<Body>())),
        Contender::service(OURS_FIXED, move || with_fixed(&fixed).layer(inner::<Body>())),
        Contender::service(OURS_WITHOUT_CACHE, move || {
            without_cache(&remote).with_token_cache_bytes(0).layer(inner::<Body>())
        }),
    ]
}

/// Everybody else. Issuer, audience and times are checked wherever that can be configured.
pub async fn peers(world: &World) -> Vec<Contender> {
    vec![
        tower_oauth2("tower-oauth2-resource-server, aws-lc", world).await,
        jwt_authorizer(world).await,
        axum_jwks(world).await,
        axum_keycloak(world).await,
        axum_jwt_auth(world).await,
        aliri(world),
        oauth_resource_server(world),
        huskarl(world).await,
    ]
}

/// Claims as an application would have them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Basic {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub oid: String,
    pub tid: String,
    pub exp: i64,
    pub nbf: i64,
    pub iat: i64,
}

fn floor(
    known: Arc<axum::http::HeaderValue>,
    claims: Claims,
) -> impl tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    let mut inner = inner::<Body>();
    handler(move |mut request: Request<Body>| {
        let is_known = request.headers().get(AUTHORIZATION).is_some_and(|value| value.as_bytes() == known.as_bytes());
        if is_known {
            request.extensions_mut().insert(claims.clone());
            tower::Service::call(&mut inner, request)
        } else {
            let mut rejection = Response::new(Body::empty());
            *rejection.status_mut() = StatusCode::UNAUTHORIZED;
            std::future::ready(Ok(rejection))
        }
    })
}

/// The signature alone: no header, no JSON, no claims.
fn bare(name: &'static str, world: &World, is_parsed: bool) -> Contender {
    let split = |token: &str| {
        let (message, signature) = token.rsplit_once('.')?;
        Some((message.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(signature).ok()?))
    };
    let cases: Vec<Vec<_>> = world.cases.iter().map(|case| case.tokens().filter_map(split).collect()).collect();
    let (modulus, exponent) = (world.modulus.clone(), vec![1, 0, 1]);
    let parsed = RsaPublicKeyComponents { n: &modulus, e: &exponent }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .expect("a key");
    Contender::new(name, move |task| {
        let verify = |(message, signature): &(Vec<u8>, Vec<u8>)| {
            if is_parsed {
                parsed.verify_sig(message, signature).is_ok()
            } else {
                let key = RsaPublicKeyComponents { n: &modulus, e: &exponent };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
        };
        let start = ThreadTime::now();
        let mut holds = false;
        for signed in cases[task.case].iter().cycle().take(task.requests) {
            holds = verify(signed);
        }
        Outcome { elapsed: start.elapsed(), status: if holds { StatusCode::OK } else { StatusCode::UNAUTHORIZED } }
    })
}

/// With the backend that is the process's default.
pub async fn tower_oauth2(name: &'static str, world: &World) -> Contender {
    use tower_oauth2_resource_server::claims::DefaultClaims;
    use tower_oauth2_resource_server::server::OAuth2ResourceServer;
    use tower_oauth2_resource_server::tenant::TenantConfiguration;
    use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

    let claims = ClaimsValidationSpec::new().iss(&world.issuer).aud(&vec![world.audience.clone()]).exp(true).nbf(true);
    let tenant = TenantConfiguration::static_builder(&world.keys)
        .audiences(&[&world.audience])
        .claims_validation(claims)
        .build()
        .expect("a tenant");
    let server = OAuth2ResourceServer::<DefaultClaims>::builder().add_tenant(tenant).build().await.expect("a server");
    let layer = server.into_layer::<Body>();
    Contender::service(name, move || layer.layer(inner::<Body>()))
}

async fn jwt_authorizer(world: &World) -> Contender {
    use jwt_authorizer::{AuthorizerBuilder, Validation};

    let validation = Validation::new().iss(&[&world.issuer]).aud(&[&world.audience]).exp(true).nbf(true);
    let authorizer = AuthorizerBuilder::<Basic>::from_jwks_url(&world.keys_url)
        .validation(validation)
        .build()
        .await
        .expect("an authorizer");
    let layer = authorizer.into_layer();
    Contender::service("jwt-authorizer", move || layer.layer(inner::<axum_07::body::Body>()))
}

async fn axum_jwks(world: &World) -> Contender {
    pub struct Rejection;

    impl From<axum_jwks::TokenError> for Rejection {
        fn from(_: axum_jwks::TokenError) -> Self {
            Self
        }
    }

    impl IntoResponse for Rejection {
        fn into_response(self) -> Response<Body> {
            StatusCode::UNAUTHORIZED.into_response()
        }
    }

    #[derive(Deserialize)]
    pub struct JwksClaims(#[expect(dead_code, reason = "a handler would read them")] Basic);

    impl axum_jwks::ParseTokenClaims for JwksClaims {
        type Rejection = Rejection;
    }

    #[derive(Clone)]
    struct State(axum_jwks::Jwks);

    impl FromRef<State> for axum_jwks::Jwks {
        fn from_ref(state: &State) -> Self {
            state.0.clone()
        }
    }

    let algorithm = Some(jsonwebtoken_09::Algorithm::RS256);
    let jwks = axum_jwks::Jwks::from_jwks_url(&world.keys_url, Some(&world.audience), algorithm).await.expect("keys");
    extractor::<axum_jwks::Claims<JwksClaims>, _>("axum-jwks", State(jwks))
}

async fn axum_jwt_auth(world: &World) -> Contender {
    use axum_jwt_auth::{Decoder, RemoteJwksDecoder};

    #[derive(Clone)]
    struct State(Decoder<Basic>);

    impl FromRef<State> for Decoder<Basic> {
        fn from_ref(state: &State) -> Self {
            Arc::clone(&state.0)
        }
    }

    let mut validation = jsonwebtoken_10::Validation::new(jsonwebtoken_10::Algorithm::RS256);
    validation.set_audience(&[&world.audience]);
    validation.set_issuer(&[&world.issuer]);
    validation.validate_nbf = true;
    let decoder = RemoteJwksDecoder::builder()
        .jwks_url(world.keys_url.clone())
        .validation(validation)
        .build()
        .expect("a decoder");
    let decoder = Arc::new(decoder);
    // The token that ends its refreshes; they go on for as long as the process.
    std::mem::forget(decoder.initialize().await.expect("keys"));
    extractor::<axum_jwt_auth::Claims<Basic>, _>("axum-jwt-auth (RustCrypto)", State(decoder))
}

/// An extractor in front of the service, without axum's routing.
fn extractor<E, S>(name: &'static str, state: S) -> Contender
where
    E: FromRequestParts<S, Rejection: IntoResponse> + 'static,
    S: Clone + Send + Sync + 'static,
{
    Contender::service(name, move || {
        let state = state.clone();
        handler(move |request: Request<Body>| {
            let state = state.clone();
            async move {
                let (mut parts, body): (Parts, Body) = request.into_parts();
                Ok(match E::from_request_parts(&mut parts, &state).await {
                    Ok(claims) => {
                        drop(std::hint::black_box((claims, parts, body)));
                        Response::new(Body::empty())
                    }
                    Err(rejection) => rejection.into_response(),
                })
            }
        })
    })
}

async fn axum_keycloak(world: &World) -> Contender {
    use axum_keycloak_auth::instance::{KeycloakAuthInstance, KeycloakConfig};
    use axum_keycloak_auth::layer::KeycloakAuthLayer;

    // It finds the keys through a discovery document at an address of its own kind.
    let discovery = serde_json::json!({
        "issuer": world.issuer,
        "authorization_endpoint": world.keys_url,
        "jwks_uri": world.keys_url,
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    let document = axum::routing::get(move || std::future::ready(axum::Json(discovery.clone())));
    let app = axum::Router::new().route("/realms/peers/.well-known/openid-configuration", document);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });

    let config = KeycloakConfig::builder()
        .server(axum_keycloak_auth::Url::parse(&server).expect("an address"))
        .realm("peers".to_owned())
        .build();
    let instance = Arc::new(KeycloakAuthInstance::new(config));
    while !instance.is_operational().await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let layer = KeycloakAuthLayer::<String, HashMap<String, serde_json::Value>>::builder()
        .instance(instance)
        .expected_audiences(vec![world.audience.clone()])
        .build();
    Contender::service("axum-keycloak-auth", move || layer.layer(inner::<Body>()))
}

fn aliri(world: &World) -> Contender {
    use aliri::{jwa, jwt};
    use aliri_oauth2::{Authority, HasScope, scope::Scope};

    #[derive(Clone, Debug, Deserialize)]
    struct AliriClaims {
        iss: jwt::Issuer,
        aud: jwt::Audiences,
        sub: jwt::Subject,
        exp: aliri_clock::UnixTime,
        nbf: aliri_clock::UnixTime,
        #[serde(default)]
        scope: Scope,
    }

    impl jwt::CoreClaims for AliriClaims {
        fn nbf(&self) -> Option<aliri_clock::UnixTime> {
            Some(self.nbf)
        }

        fn exp(&self) -> Option<aliri_clock::UnixTime> {
            Some(self.exp)
        }

        fn aud(&self) -> &jwt::Audiences {
            &self.aud
        }

        fn iss(&self) -> Option<&jwt::IssuerRef> {
            Some(&self.iss)
        }

        fn sub(&self) -> Option<&jwt::SubjectRef> {
            Some(&self.sub)
        }
    }

    impl HasScope for AliriClaims {
        fn scope(&self) -> &Scope {
            &self.scope
        }
    }

    let validator = jwt::CoreValidator::default()
        .add_approved_algorithm(jwa::Algorithm::RS256)
        .add_allowed_audience(jwt::Audience::new(world.audience.clone()))
        .require_issuer(jwt::Issuer::new(world.issuer.clone()))
        .check_expiration()
        .check_not_before();
    let keys = serde_json::from_str(&world.keys).expect("keys");
    let authority = Authority::new(keys, validator);
    let authorizer =
        aliri_tower::Oauth2Authorizer::new().with_claims::<AliriClaims>().with_terse_error_handler::<Body>();
    Contender::service("aliri_tower", move || authorizer.jwt_layer::<Body>(authority.clone()).layer(inner::<Body>()))
}

fn oauth_resource_server(world: &World) -> Contender {
    use oauth_resource_server::http_layer::HttpAuthLayer;
    use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};

    let config = OAuthConfig {
        enabled: true,
        issuer: world.issuer.clone(),
        jwks_uri: Some(world.keys_url.clone()),
        audience: world.audience.clone(),
        resource: "https://upstream.example.net/".into(),
        allow_unscoped_tokens: true,
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).expect("a configuration").expect("it is enabled");
    let validator = OAuthValidator::builder(&config).initial_jwks(&world.keys).build().expect("a validator");
    let layer = HttpAuthLayer::builder().oauth(Arc::new(validator)).build().expect("a layer");
    Contender::service("oauth-resource-server", move || layer.layer(inner::<Body>()))
}

async fn huskarl(world: &World) -> Contender {
    use axum::body::Bytes;
    use huskarl_axum::layers::ValidatorLayer;
    use huskarl_resource_server::core::Error;
    use huskarl_resource_server::core::http::{HttpClient, HttpResponse, Idempotency};
    use huskarl_resource_server::core::platform::MaybeSendBoxFuture;
    use huskarl_resource_server::validator::custom::CustomValidator;

    /// Answers every request with the key document.
    struct Document(Bytes);

    impl HttpClient for Document {
        fn execute(&self, _: Request<Bytes>, _: Idempotency) -> MaybeSendBoxFuture<'_, Result<HttpResponse, Error>> {
            let response = HttpResponse { status: StatusCode::OK, headers: Default::default(), body: self.0.clone() };
            Box::pin(std::future::ready(Ok(response)))
        }
    }

    /// The registered claims are read by the validator itself and not handed on.
    #[derive(Clone, Deserialize)]
    #[expect(dead_code, reason = "a handler would read them")]
    struct Others {
        oid: String,
        tid: String,
    }

    let validator = CustomValidator::builder()
        .with_claims::<Others>()
        .iss(world.issuer.clone())
        .aud(world.audience.clone())
        .authorization_server(world.issuer.as_str())
        .jwks_uri(world.keys_url.parse().expect("an address"))
        .jwks_source(Document(world.keys.clone().into()))
        .build()
        .await
        .expect("a validator");
    let layer = ValidatorLayer::builder().validator(validator).build().authenticated();
    Contender::service("huskarl-resource-server", move || layer.layer(inner::<Body>()))
}
