// The check as a sidecar of your service in Azure Container Apps. The ingress leads to the check only.

@description('Name of the container app.')
param name string = 'upstream'

param location string = resourceGroup().location

@description('Resource id of the Container Apps environment.')
param environmentId string

@description('Image of signalr-upstream-auth, built with deploy/docker/Dockerfile.')
param checkImage string

@description('Image of your service. It must listen on 127.0.0.1:8080.')
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

@description('Login server of the registry that both images are in, such as example.azurecr.io.')
param registryServer string

@description('Resource id of a user-assigned identity with the role AcrPull on the registry.')
param registryIdentityId string

resource app 'Microsoft.App/containerApps@2024-03-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${registryIdentityId}': {}
    }
  }
  properties: {
    managedEnvironmentId: environmentId
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [
        {
          server: registryServer
          identity: registryIdentityId
        }
      ]
      ingress: {
        external: true
        allowInsecure: false
        // Of the check. The admin port and your service are not reachable from outside.
        targetPort: 3000
        transport: 'http'
      }
    }
    template: {
      // --not-ready and --drain together take 25 seconds.
      terminationGracePeriodSeconds: 40
      containers: [
        {
          name: 'check'
          image: checkImage
          args: [
            'proxy'
            '--to=http://127.0.0.1:8080'
            '--listen=0.0.0.0:3000'
            '--admin=0.0.0.0:3001'
            // Each takes up to 55 KiB.
            '--max-connections=4000'
            '--log-format=json'
          ]
          env: [
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
          ]
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
          probes: [
            {
              // Does not depend on Entra: a restart brings no keys.
              type: 'Liveness'
              httpGet: {
                path: '/healthz'
                port: 3001
              }
              periodSeconds: 10
            }
            {
              type: 'Readiness'
              httpGet: {
                path: '/readyz'
                port: 3001
              }
              periodSeconds: 2
              failureThreshold: 1
            }
          ]
        }
        {
          name: 'service'
          image: serviceImage
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
        }
      ]
      scale: {
        // A replica that starts has no keys yet: with 0, the first call waits or gets 503.
        minReplicas: 1
        maxReplicas: 3
      }
    }
  }
}

@description('The base of the URL template of the upstream.')
output upstreamUrl string = 'https://${app.properties.configuration.ingress.fqdn}'
