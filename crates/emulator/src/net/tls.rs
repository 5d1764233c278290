//! A certificate authority that exists for one emulator only.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{DnsName, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::StartError;

/// The authority's certificate and a server that shows a certificate of it.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl Authority {
    /// A fresh authority, and a server certificate for loopback and further host names.
    ///
    /// # Errors
    ///
    /// [`StartError::Setting`] if one of the names is none.
    pub(crate) fn new(further_names: impl IntoIterator<Item = String>) -> Result<Self, StartError> {
        let further_names: Vec<_> = further_names.into_iter().collect();
        if let Some(name) = further_names.iter().find(|name| DnsName::try_from(name.as_str()).is_err()) {
            let problem = format!("{name:?} is no host name; write one like contoso.service.signalr.net");
            return Err(StartError::Setting { field: "host_name", problem });
        }
        let mut authority = CertificateParams::new(Vec::new()).map_err(StartError::certificate)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "signalr-emulator, for tests only");
        let authority_key = KeyPair::generate().map_err(StartError::certificate)?;
        let issuer = CertifiedIssuer::self_signed(authority, authority_key).map_err(StartError::certificate)?;

        let own_names = ["127.0.0.1", "::1", "localhost"].into_iter().map(str::to_owned);
        let names: Vec<_> = own_names.chain(further_names).collect();
        let server = CertificateParams::new(names).map_err(StartError::certificate)?;
        let key = KeyPair::generate().map_err(StartError::certificate)?;
        let certificate = server.signed_by(&key, &issuer).map_err(StartError::certificate)?;

        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(StartError::tls)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(StartError::tls)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { pem: issuer.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}
