//! Which data action an operation asks for.

use crate::auth::DataAction;
use crate::operation::Operation;

/// The data action, or none for what everybody may do.
///
/// The role definitions describe each action in a few words. Where these leave a choice, `docs/truth.md` names the
/// operation as assumed.
pub(super) fn data_action(operation: Operation) -> Option<DataAction> {
    use Operation as O;
    Some(match operation {
        O::AccessKey => DataAction::AuthAccessKey,
        O::GenerateToken => DataAction::AuthClientToken,
        O::Broadcast | O::Execute => DataAction::HubSend,
        O::SendToUser => DataAction::UserSend,
        O::SendToGroup => DataAction::GroupSend,
        O::SendToConnection | O::InvokeConnection | O::SendStreamItem | O::CompleteStream => {
            DataAction::ClientConnectionSend
        }
        O::CloseAllConnections | O::CloseGroupConnections | O::CloseUserConnections | O::CloseConnection => {
            DataAction::ClientConnectionWrite
        }
        O::ConnectionExists => DataAction::ClientConnectionRead,
        O::GroupExists | O::UserInGroup | O::ListGroupConnections => DataAction::GroupRead,
        O::UserExists => DataAction::UserRead,
        O::AddConnectionToGroup | O::RemoveConnectionFromGroup | O::RemoveConnectionFromAllGroups => {
            DataAction::GroupWrite
        }
        O::AddUserToGroup | O::RemoveUserFromGroup | O::RemoveUserFromAllGroups => DataAction::UserWrite,
        O::Health | O::ClientNegotiate | O::ClientConnect | O::Token | O::IdentityEndpoint | O::Imds | O::Unknown => {
            return None;
        }
    })
}
