//! What can go wrong when an emulator starts.

use std::io;

/// Why an [`Emulator`](crate::Emulator) did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port of 127.0.0.1 cannot be bound.
    #[error("`{field}`: cannot listen on port {port} of 127.0.0.1; choose another port, or 0 for a free one")]
    Listen {
        /// The method of the builder.
        field: &'static str,
        /// The port as you gave it.
        port: u16,
        /// What the operating system says.
        source: io::Error,
    },
    /// The throw-away certificate cannot be made.
    #[error("cannot make a certificate")]
    Certificate {
        /// What the certificate library says.
        source: rcgen::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls {
        /// What rustls says.
        source: tokio_rustls::rustls::Error,
    },
    /// A setting of the builder is wrong.
    #[error("`{field}`: {problem}")]
    Setting {
        /// The method of the builder, or a field of the [assumptions](crate::Assumptions).
        field: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl StartError {
    pub(crate) fn certificate(source: rcgen::Error) -> Self {
        Self::Certificate { source }
    }

    pub(crate) fn tls(source: tokio_rustls::rustls::Error) -> Self {
        Self::Tls { source }
    }
}
