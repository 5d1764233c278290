#Requires -Version 7.4
<#
.SYNOPSIS
Sets up in Azure what one protected upstream needs, and prints the settings of your server.
.DESCRIPTION
The same as setup.sh, which explains every parameter. Run it again whenever you like: it changes what differs, and nothing
else. What it creates has the tag createdBy=signalr-upstream-auth; teardown.ps1 deletes only that.
.EXAMPLE
deploy/azure/setup.ps1 -Name NAME -Group GROUP -Upstream 'https://api.example.net/upstream/{hub}/{category}/{event}' > upstream.env
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [ValidatePattern('^[^''"`\\]+$')] [string] $Name,
    [Parameter(Mandatory)] [ValidatePattern('^[^''"`\\]+$')] [string] $Group,
    [Parameter(Mandatory)] [ValidatePattern('^https://[^''"`\\]+$')] [string] $Upstream,
    [string] $Location = '',
    [ValidateSet('Free_F1', 'Standard_S1', 'Premium_P1', 'Premium_P2')] [string] $Sku = 'Free_F1',
    [ValidatePattern('^[^''"`\\]+$')] [string] $App = "signalr-upstream-$Name",
    [string] $ClientId = '',
    [switch] $RequireAssignment,
    [switch] $ChangeMode,
    [switch] $ReplaceUpstream
)
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true

$type = 'Microsoft.SignalRService/signalR'
# The first stable version that keeps `auth` is 2021-10-01; older ones drop it silently.
$api = '2024-03-01'
$mark = 'signalr-upstream-auth'
$defaultRole = '00000000-0000-0000-0000-000000000000'

# `az` is a batch file on Windows: JSON and queries lose their quotation marks there. So answers are filtered here, and JSON
# goes through a file.
function Read-Answer {
    $text = $input | Out-String
    if ($text.Trim()) { $text | ConvertFrom-Json -Depth 32 }
}
function Write-Body($value) {
    $file = New-TemporaryFile
    ConvertTo-Json -InputObject $value -Depth 9 | Set-Content -Path $file -Encoding utf8NoBOM
    $file.FullName
}
function Say($text) { [Console]::Error.WriteLine($text) }

# A new object of the directory is not visible everywhere at once. This repeats a command for two minutes.
function Retry([scriptblock] $command) {
    foreach ($attempt in 1..11) {
        try { return & $command } catch { Say "attempt $attempt failed; the directory may not show a new object yet" }
        Start-Sleep -Seconds 10
    }
    & $command
}

$tenant = az account show --query tenantId --output tsv
$cloud = az cloud show --query name --output tsv
$graph = (az cloud show --query endpoints.microsoftGraphResourceId --output tsv).TrimEnd('/') + '/v1.0'

# The group and the resource.
if ((az group exists --name $Group) -ne 'true') {
    if (-not $Location) { throw "there is no group $Group; -Location says where to create it" }
    Say "creating the resource group $Group"
    az group create --name $Group --location $Location --tags "createdBy=$mark" --output none
}
$listed = az resource list --resource-group $Group --resource-type $type --output json | Read-Answer
if ($listed.name -notcontains $Name) {
    if (-not $Location) { $Location = az group show --name $Group --query location --output tsv }
    Say "creating the SignalR resource $Name ($Sku); this takes minutes"
    az signalr create --name $Name --resource-group $Group --location $Location --sku $Sku --unit-count 1 `
        --service-mode Serverless --tags "createdBy=$mark" --output none
}
$shown = az signalr show --name $Name --resource-group $Group --output json | Read-Answer
$mode = $shown.features | Where-Object flag -EQ 'ServiceMode' | Select-Object -First 1 -ExpandProperty value
if ($mode -ne 'Serverless') {
    if (-not $ChangeMode) { throw "$Name is in the mode $mode. App servers lose it when it becomes Serverless; -ChangeMode does it" }
    Say "setting the mode of $Name to Serverless"
    az signalr update --name $Name --resource-group $Group --service-mode Serverless --output none
}

# A resource has one identity. One that is there, system-assigned or user-assigned, stays.
function Get-Caller {
    $identity = az signalr identity show --name $Name --resource-group $Group --output json | Read-Answer
    if (-not $identity) { return $null }
    if ($identity.principalId) { return $identity.principalId }
    if (-not $identity.userAssignedIdentities) { return $null }
    $identity.userAssignedIdentities.PSObject.Properties.Value | Select-Object -First 1 -ExpandProperty principalId
}
$caller = Get-Caller
if (-not $caller) {
    Say "giving $Name a system-assigned identity"
    az signalr identity assign --name $Name --resource-group $Group --identity '[system]' --output none
    $caller = Get-Caller
}
if (-not $caller) { throw "$Name has no identity after one was assigned" }

# The app registration represents your upstream. Nobody signs in to it, so it needs no secret and no redirect address.
if (-not $ClientId) {
    $apps = @(az ad app list --filter "displayName eq '$App'" --output json | Read-Answer)
    $ours = @($apps | Where-Object { $_.tags -contains $mark })
    if ($ours.Count -gt 1) { throw "there are several app registrations $App; -ClientId names the one to use" }
    if ($ours.Count -eq 1) {
        $ClientId = $ours[0].appId
    } elseif ($apps.Count -gt 0) {
        throw "there is an app registration $App that this script did not create; use -ClientId, or another -App"
    } else {
        Say "creating the app registration $App"
        $body = Write-Body @{
            displayName = $App; signInAudience = 'AzureADMyOrg'; tags = @($mark)
            api = @{ requestedAccessTokenVersion = 2 }
        }
        $ClientId = az rest --method POST --url "$graph/applications" --query appId --output tsv --body "@$body"
    }
    Retry {
        $found = az ad app show --id $ClientId --output json | Read-Answer
        if (-not $found.identifierUris) { az ad app update --id $ClientId --identifier-uris "api://$ClientId" }
    }
}

# Without a service principal in the tenant, Entra issues no token for the app registration.
$principal = Retry {
    $count = az ad sp list --filter "appId eq '$ClientId'" --query 'length(@)' --output tsv
    if ($count -eq '0') { az ad sp create --id $ClientId --output none }
    az ad sp show --id $ClientId --query id --output tsv
}

# The assignment comes first: in the other order SignalR gets no token between the two steps.
if ($RequireAssignment) {
    $assignments = "$graph/servicePrincipals/$principal/appRoleAssignedTo"
    $isAssigned = { (az rest --method GET --url $assignments --output json | Read-Answer).value.principalId -contains $caller }
    Retry {
        if (-not (& $isAssigned)) {
            $body = Write-Body @{ principalId = $caller; resourceId = $principal; appRoleId = $defaultRole }
            az rest --method POST --url $assignments --output none --body "@$body"
        }
    }
    Retry { if (-not (& $isAssigned)) { throw 'the assignment is not there yet' } }
    if ((az ad sp show --id $ClientId --query appRoleAssignmentRequired --output tsv) -ne 'true') {
        Say 'requiring an assignment for tokens of the upstream'
        az ad sp update --id $ClientId --set appRoleAssignmentRequired=true
    }
}

# The upstream setting. The service uses the first template that matches a call, so others decide whether this one is reached.
$resource = az resource show --name $Name --resource-group $Group --resource-type $type --api-version $api --output json | Read-Answer
$templates = @(if ($resource.properties.upstream.templates) { $resource.properties.upstream.templates })
$same = @($templates | Where-Object urlTemplate -CEQ $Upstream)
$right = @($same | Where-Object { $_.auth -and $_.auth.type -eq 'ManagedIdentity' -and $_.auth.managedIdentity.resource -eq $ClientId })
if ($templates.Count -ne 1 -or $right.Count -ne 1) {
    if ($templates.Count -ne $same.Count -and -not $ReplaceUpstream) {
        throw "$Name has upstream settings that this script did not write; -ReplaceUpstream replaces them all"
    }
    Say "writing the upstream setting of $Name"
    $body = Write-Body @(@{ urlTemplate = $Upstream; auth = @{ type = 'ManagedIdentity'; managedIdentity = @{ resource = $ClientId } } })
    az resource update --name $Name --resource-group $Group --resource-type $type --api-version $api --output none `
        --set "properties.upstream.templates=@$body"
}

Say 'done: these are the settings of your server'
"SIGNALR_UPSTREAM_TENANT_IDS=$tenant"
"SIGNALR_UPSTREAM_AUDIENCES=$ClientId"
"SIGNALR_UPSTREAM_CALLER_OBJECT_IDS=$caller"
switch ($cloud) {
    'AzureUSGovernment' { 'SIGNALR_UPSTREAM_CLOUD=us-government' }
    'AzureChinaCloud' { 'SIGNALR_UPSTREAM_CLOUD=china' }
}
