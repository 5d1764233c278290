//! The versions of the REST API.

use super::problem::Problem;
use super::route::Route;
use crate::operation::Operation;
use crate::web::Query;

/// Checks the query's `api-version` against the versions that have the operation.
pub(super) fn check_version(route: &Route, query: &Query) -> Result<(), Problem> {
    // The SDK asks for health without a version, and for the key at the first version's path.
    if route.operation == Operation::Health || (route.v1 && route.operation == Operation::AccessKey) {
        return Ok(());
    }
    if route.v1 {
        return if since(route.operation) == 0 { Ok(()) } else { Err(Problem::no_such_path()) };
    }
    let Some(version) = query.first("api-version") else {
        return Err(Problem::bad_request("Request.ApiVersion", "The query has no `api-version`."));
    };
    let Some(position) = VERSIONS.iter().position(|known| *known == version) else {
        return Err(Problem::bad_request("Request.ApiVersion", "The `api-version` is not supported."));
    };
    if position < since(route.operation) {
        return Err(Problem::bad_request("Request.ApiVersion", "This `api-version` does not have the operation."));
    }
    Ok(())
}

/// The position of the first version that has an operation.
fn since(operation: Operation) -> usize {
    match operation {
        Operation::GenerateToken => 1,
        Operation::Execute | Operation::AccessKey => 2,
        Operation::InvokeConnection
        | Operation::SendStreamItem
        | Operation::CompleteStream
        | Operation::ListGroupConnections => 3,
        _ => 0,
    }
}

const VERSIONS: [&str; 4] = ["2022-06-01", "2022-11-01", "2023-07-01", "2024-12-01"];
