// What one protected upstream needs in Azure: an app registration, and a SignalR resource that calls the upstream with a
// token for it. Deploy it into a resource group; it can be deployed again.

extension microsoftGraphV1

@description('Name of the SignalR resource, unique in all of Azure.')
param name string

@description('Your upstream, such as https://api.example.net/upstream/{hub}/{category}/{event}')
param upstreamUrl string

param location string = resourceGroup().location

@allowed([
  'Free_F1'
  'Standard_S1'
  'Premium_P1'
  'Premium_P2'
])
param sku string = 'Free_F1'

@description('Whether Entra issues tokens for the upstream to the identity of the resource only.')
param requireAssignment bool = false

// It represents your upstream. Nobody signs in to it, so it needs no secret and no redirect address. An application cannot
// name its own client id here, so the URI is made of the tenant and the name: one of the forms that Entra allows.
resource application 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: 'signalr-upstream-${name}'
  displayName: 'signalr-upstream-${name}'
  signInAudience: 'AzureADMyOrg'
  identifierUris: [
    'api://${tenant().tenantId}/signalr-upstream-${name}'
  ]
  tags: [
    'signalr-upstream-auth'
  ]
  api: {
    // The audience of such a token is always the client id.
    requestedAccessTokenVersion: 2
  }
}

// Without it, Entra issues no token for the app registration.
resource principal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: application.appId
  appRoleAssignmentRequired: requireAssignment
}

resource signalr 'Microsoft.SignalRService/signalR@2024-03-01' = {
  name: name
  location: location
  sku: {
    name: sku
    capacity: 1
  }
  identity: {
    type: 'SystemAssigned'
  }
  tags: {
    createdBy: 'signalr-upstream-auth'
  }
  properties: {
    features: [
      {
        flag: 'ServiceMode'
        value: 'Serverless'
      }
    ]
    upstream: {
      templates: [
        {
          urlTemplate: upstreamUrl
          auth: {
            type: 'ManagedIdentity'
            managedIdentity: {
              // The client id of the app registration, not of an identity.
              resource: application.appId
            }
          }
        }
      ]
    }
  }
}

resource assignment 'Microsoft.Graph/appRoleAssignedTo@v1.0' = if (requireAssignment) {
  // The default role.
  appRoleId: '00000000-0000-0000-0000-000000000000'
  principalId: signalr.identity.principalId
  resourceId: principal.id
}

@description('SIGNALR_UPSTREAM_TENANT_IDS')
output tenantId string = tenant().tenantId

@description('SIGNALR_UPSTREAM_AUDIENCES')
output clientId string = application.appId

@description('SIGNALR_UPSTREAM_CALLER_OBJECT_IDS')
output callerObjectId string = signalr.identity.principalId
