//! The trait of handlers: async functions whose parameters are axum extractors.

use std::future::Future;

use axum_core::extract::{FromRequest, FromRequestParts, Request};
use axum_core::response::{IntoResponse, Response};

/// An async function that a [`Dispatcher`](crate::upstream::Dispatcher) can call.
///
/// Functions and closures of up to eight parameters implement it. Each parameter is an axum extractor: the last one
/// implements [`FromRequest`], the others implement [`FromRequestParts`]. So the parameter that reads the body comes
/// last, as everywhere in axum: [`Arguments`](crate::upstream::Arguments),
/// [`Invocation`](crate::upstream::Invocation) or [`Disconnected`](crate::upstream::Disconnected).
///
/// It differs from axum's trait of the same name in one way: it returns the function's [`Output`](Self::Output)
/// instead of a response. That lets a dispatcher require [`IntoCompletion`](crate::upstream::IntoCompletion) for
/// messages.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of upstream calls",
    note = "a handler is an async function; its parameters are axum extractors, and the one that reads the body comes last"
)]
pub trait Handler<M, S>: Clone + Send + Sync + Sized + 'static {
    /// The type that the function returns.
    type Output;

    /// Extracts the parameters and calls the function.
    ///
    /// # Errors
    ///
    /// The rejection of an extractor, as a response.
    fn call(self, request: Request, state: S) -> impl Future<Output = Result<Self::Output, Response>> + Send;
}

impl<F, Fut, S> Handler<((),), S> for F
where
    F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future + Send,
    S: Send,
{
    type Output = Fut::Output;

    async fn call(self, _: Request, _: S) -> Result<Self::Output, Response> {
        Ok(self().await)
    }
}

macro_rules! impl_handler {
    ([$($extractor:ident),*], $last:ident) => {
        #[allow(non_snake_case, unused_mut, reason = "the parameters are named after their types")]
        impl<F, Fut, S, M, $($extractor,)* $last> Handler<(M, $($extractor,)* $last,), S> for F
        where
            F: FnOnce($($extractor,)* $last,) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send,
            S: Send + Sync,
            $($extractor: FromRequestParts<S> + Send,)*
            $last: FromRequest<S, M> + Send,
        {
            type Output = Fut::Output;

            async fn call(self, request: Request, state: S) -> Result<Self::Output, Response> {
                let (mut parts, body) = request.into_parts();
                $(
                    let $extractor = $extractor::from_request_parts(&mut parts, &state)
                        .await
                        .map_err(IntoResponse::into_response)?;
                )*
                let $last = $last::from_request(Request::from_parts(parts, body), &state)
                    .await
                    .map_err(IntoResponse::into_response)?;
                Ok(self($($extractor,)* $last,).await)
            }
        }
    };
}

impl_handler!([], T1);
impl_handler!([T1], T2);
impl_handler!([T1, T2], T3);
impl_handler!([T1, T2, T3], T4);
impl_handler!([T1, T2, T3, T4], T5);
impl_handler!([T1, T2, T3, T4, T5], T6);
impl_handler!([T1, T2, T3, T4, T5, T6], T7);
impl_handler!([T1, T2, T3, T4, T5, T6, T7], T8);
