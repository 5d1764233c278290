//! Errors of the Azure SDK.

use std::error::Error;

/// An error and those of the Azure SDK that it wraps, as credentials do, the outermost first.
pub(crate) fn wrapped(error: &azure_core::Error) -> impl Iterator<Item = &azure_core::Error> {
    let causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    std::iter::once(error).chain(causes.filter_map(|cause| cause.downcast_ref()))
}
