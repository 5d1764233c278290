using 'main.bicep'

param name = 'contoso'
param upstreamUrl = 'https://api.example.net/upstream/{hub}/{category}/{event}'
