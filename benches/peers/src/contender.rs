//! Something that is measured: batches of requests through a service, on one thread. What counts is the processor
//! time of that thread, so that other work on the machine disturbs as little as it can.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use axum::http::header::HeaderMap;
use axum::http::{Method, Request, Response, StatusCode};
use cpu_time::ThreadTime;
use tokio::runtime::Handle;
use tower::{Service, service_fn};

/// A name, and a way to have so many requests answered.
pub struct Contender {
    pub name: &'static str,
    run: Box<dyn FnMut(Task<'_>) -> Outcome>,
}

/// The requests of a case, in turn.
#[derive(Clone, Copy)]
pub struct Task<'c> {
    pub case: usize,
    pub headers: &'c [HeaderMap],
    pub requests: usize,
}

/// How long a batch took, and how its last request was answered.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub elapsed: Duration,
    pub status: StatusCode,
}

impl Contender {
    pub fn new(name: &'static str, run: impl FnMut(Task<'_>) -> Outcome + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }

    /// A tower service, made anew for each batch: one that caches tokens has none from another batch.
    pub fn service<S, B>(name: &'static str, make: impl Fn() -> S + 'static) -> Self
    where
        S: Service<Request<B>, Response = Response<B>>,
        B: Default + 'static,
    {
        let runtime = Handle::current();
        Self::new(name, move |task| {
            let mut service = make();
            runtime.block_on(async {
                let mut status = StatusCode::OK;
                if let [only] = task.headers {
                    // What comes again and again has come before.
                    status = answer(&mut service, only).await;
                }
                let start = ThreadTime::now();
                for headers in task.headers.iter().cycle().take(task.requests) {
                    status = answer(&mut service, headers).await;
                }
                Outcome { elapsed: start.elapsed(), status }
            })
        })
    }

    pub fn run(&mut self, task: Task<'_>) -> Outcome {
        (self.run)(task)
    }
}

async fn answer<S, B>(service: &mut S, headers: &HeaderMap) -> StatusCode
where
    S: Service<Request<B>, Response = Response<B>>,
    B: Default,
{
    let mut request = Request::new(B::default());
    *request.method_mut() = Method::POST;
    *request.headers_mut() = headers.clone();
    let ready = std::future::poll_fn(|cx| service.poll_ready(cx)).await;
    match ready {
        Ok(()) => match service.call(request).await {
            Ok(response) => black_box(response).status(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        },
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The service that is protected. It does nothing.
pub fn inner<B: Default>() -> impl Service<
    Request<B>,
    Response = Response<B>,
    Error = Infallible,
    Future = std::future::Ready<Result<Response<B>, Infallible>>,
> + Clone
+ Send
+ Sync
+ 'static {
    #[derive(Clone)]
    struct Inner;

    impl<B: Default> Service<Request<B>> for Inner {
        type Response = Response<B>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<B>, Infallible>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<B>) -> Self::Future {
            drop(black_box(request));
            std::future::ready(Ok(Response::new(B::default())))
        }
    }

    Inner
}

/// A service made of a function, for contenders that are extractors.
pub fn handler<F, Fut, B>(
    handle: F,
) -> impl Service<Request<B>, Response = Response<B>, Error = Infallible, Future = Fut> + Clone
where
    F: FnMut(Request<B>) -> Fut + Clone,
    Fut: Future<Output = Result<Response<B>, Infallible>>,
{
    service_fn(handle)
}
