// The check as the main container of a Linux web app, and your service as its sidecar. App Service leads to the main
// container only.

@description('Name of the web app.')
param name string

param location string = resourceGroup().location

@description('Image of signalr-upstream-auth, built with deploy/docker/Dockerfile.')
param checkImage string

@description('Image of your service. It must listen on port 8080.')
param serviceImage string

@description('Tenant GUIDs, comma-separated.')
param tenantIds string = tenant().tenantId

@description('Cloud of your tenant.')
@allowed(['public', 'us-government', 'china'])
param cloud string = 'public'

@description('Client id and App ID URI of your app registration, comma-separated.')
param audiences string

@description('Object ids of the identities of your SignalR resources, comma-separated.')
param callerObjectIds string

@description('Resource id of a user-assigned identity with the role AcrPull on the registry.')
param registryIdentityId string

@description('Client id of the same identity.')
param registryIdentityClientId string

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  kind: 'linux'
  sku: {
    name: 'P0v3'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  kind: 'app,linux,container'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${registryIdentityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    siteConfig: {
      linuxFxVersion: 'sitecontainers'
      // Without it, App Service ends an idle app, and the next call waits for keys.
      alwaysOn: true
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      appSettings: [
        {
          name: 'SIGNALR_UPSTREAM_TENANT_IDS'
          value: tenantIds
        }
        {
          name: 'SIGNALR_UPSTREAM_AUDIENCES'
          value: audiences
        }
        {
          name: 'SIGNALR_UPSTREAM_CALLER_OBJECT_IDS'
          value: callerObjectIds
        }
        {
          name: 'SIGNALR_UPSTREAM_CLOUD'
          value: cloud
        }
        {
          // In seconds: the check takes up to 25 to end, and App Service gives 5 by default.
          name: 'WEBSITES_CONTAINER_STOP_TIME_LIMIT'
          value: '40'
        }
      ]
    }
  }
}

resource check 'Microsoft.Web/sites/sitecontainers@2024-04-01' = {
  parent: site
  name: 'check'
  properties: {
    image: checkImage
    isMain: true
    targetPort: '3000'
    startUpCommand: 'proxy --to=http://127.0.0.1:8080 --log-format=json'
    authType: 'UserAssigned'
    userManagedIdentityClientId: registryIdentityClientId
    // The value of a variable is the name of an app setting.
    environmentVariables: [
      {
        name: 'SIGNALR_UPSTREAM_TENANT_IDS'
        value: 'SIGNALR_UPSTREAM_TENANT_IDS'
      }
      {
        name: 'SIGNALR_UPSTREAM_AUDIENCES'
        value: 'SIGNALR_UPSTREAM_AUDIENCES'
      }
      {
        name: 'SIGNALR_UPSTREAM_CALLER_OBJECT_IDS'
        value: 'SIGNALR_UPSTREAM_CALLER_OBJECT_IDS'
      }
      {
        name: 'SIGNALR_UPSTREAM_CLOUD'
        value: 'SIGNALR_UPSTREAM_CLOUD'
      }
    ]
  }
}

resource service 'Microsoft.Web/sites/sitecontainers@2024-04-01' = {
  parent: site
  name: 'service'
  properties: {
    image: serviceImage
    isMain: false
    targetPort: '8080'
    authType: 'UserAssigned'
    userManagedIdentityClientId: registryIdentityClientId
  }
}

@description('The base of the URL template of the upstream.')
output upstreamUrl string = 'https://${site.properties.defaultHostName}'
