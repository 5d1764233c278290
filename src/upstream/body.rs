//! Reads the body of a call up to a limit.

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::upstream::error::{Error, ErrorKind};

/// The default limit of a body, in bytes: 2 MiB, as in axum.
///
/// Microsoft documents no limit. Behind the layer that checks the token, only bodies of authorized calls are read.
pub const DEFAULT_BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Reads a body of at most `limit` bytes into one buffer.
///
/// ```
/// use http_body_util::Full;
/// use signalr_upstream_auth::upstream::{DEFAULT_BODY_LIMIT, ErrorKind, read_body};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let body = Full::<bytes::Bytes>::from("0123456789");
/// assert_eq!(read_body(body.clone(), DEFAULT_BODY_LIMIT).await.unwrap(), "0123456789");
/// assert_eq!(read_body(body, 9).await.unwrap_err().kind(), ErrorKind::BodyTooLarge);
/// # }
/// ```
///
/// # Errors
///
/// [`BodyTooLarge`](ErrorKind::BodyTooLarge) (413) and [`BodyUnreadable`](ErrorKind::BodyUnreadable) (400).
pub async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, Error>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if is_length_limit(&*error) => Err(ErrorKind::BodyTooLarge.into()),
        Err(error) => Err(Error::because(ErrorKind::BodyUnreadable, error)),
    }
}

/// Whether a limit ended the body. The error of an outer limit, such as axum's, comes wrapped in the body's error.
fn is_length_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<LengthLimitError>() || error.source().is_some_and(is_length_limit)
}
