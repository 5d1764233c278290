//! An answer of either kind of client, its body not yet read.

use azure_core::http::AsyncRawResponse;
use azure_core::http::response::AsyncResponseBody;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::StatusCode;

use crate::headers;

/// What is used of an answer.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    /// The header `x-ms-error-code`.
    pub(crate) code: Option<String>,
    /// The header `Retry-After`, as it was sent.
    pub(crate) retry_after: Option<String>,
    pub(crate) body: ResponseBody,
}

/// The rest of a body.
pub(crate) enum ResponseBody {
    Own(reqwest::Response),
    Given(AsyncResponseBody),
}

/// The connection broke.
#[derive(Debug)]
pub(crate) struct Broken;

impl ResponseBody {
    /// The next part. `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        match self {
            Self::Own(response) => response.chunk().await.map_err(|_| Broken),
            Self::Given(stream) => stream.next().await.transpose().map_err(|_| Broken),
        }
    }
}

impl From<reqwest::Response> for Response {
    fn from(response: reqwest::Response) -> Self {
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        Self {
            status: response.status(),
            code: header(ERROR_CODE),
            retry_after: header(RETRY_AFTER),
            body: ResponseBody::Own(response),
        }
    }
}

impl From<AsyncRawResponse> for Response {
    fn from(response: AsyncRawResponse) -> Self {
        let (status, headers, body) = response.deconstruct();
        Self {
            status: StatusCode::from_u16(status.into()).unwrap_or(StatusCode::BAD_GATEWAY),
            code: headers::optional(&headers, ERROR_CODE),
            retry_after: headers::optional(&headers, RETRY_AFTER),
            body: ResponseBody::Given(body),
        }
    }
}

const ERROR_CODE: &str = "x-ms-error-code";
const RETRY_AFTER: &str = "retry-after";
