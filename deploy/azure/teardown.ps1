#Requires -Version 7.4
<#
.SYNOPSIS
Undoes what setup.ps1 did.
.DESCRIPTION
The same as teardown.sh. It deletes the app registration, the resource and the group if they have the tag of setup.ps1, the
group only when it is empty. Of a resource without the tag, it removes the upstream settings for the app registration.
.EXAMPLE
deploy/azure/teardown.ps1 -Name NAME -Group GROUP
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [ValidatePattern('^[^''"`\\]+$')] [string] $Name,
    [Parameter(Mandatory)] [ValidatePattern('^[^''"`\\]+$')] [string] $Group,
    [ValidatePattern('^[^''"`\\]+$')] [string] $App = "signalr-upstream-$Name",
    [switch] $Yes
)
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true

$type = 'Microsoft.SignalRService/signalR'
$api = '2024-03-01'
$mark = 'signalr-upstream-auth'

function Read-Answer {
    $text = $input | Out-String
    if ($text.Trim()) { $text | ConvertFrom-Json -Depth 32 }
}
function Say($text) { [Console]::Error.WriteLine($text) }

if (-not $Yes -and (Read-Host "This deletes what setup.ps1 created for $Name. Type its name to go on") -ne $Name) {
    throw 'nothing was deleted'
}
$apps = az ad app list --filter "displayName eq '$App'" --output json | Read-Answer
$clientIds = @($apps | Where-Object { $_.tags -contains $mark } | ForEach-Object appId)

function Remove-Upstream {
    $resource = az resource show --name $Name --resource-group $Group --resource-type $type --api-version $api --output json | Read-Answer
    $templates = @(if ($resource.properties.upstream.templates) { $resource.properties.upstream.templates })
    $others = @($templates | Where-Object { -not ($_.auth -and $clientIds -contains $_.auth.managedIdentity.resource) })
    if ($others.Count -eq $templates.Count) { return }
    Say "removing the upstream setting of $Name"
    $file = New-TemporaryFile
    ConvertTo-Json -InputObject $others -Depth 9 | Set-Content -Path $file -Encoding utf8NoBOM
    az resource update --name $Name --resource-group $Group --resource-type $type --api-version $api --output none `
        --set "properties.upstream.templates=@$($file.FullName)"
}

# The upstream first: the service never calls with a token of a registration that is gone.
$groupExists = (az group exists --name $Group) -eq 'true'
if ($groupExists) {
    $listed = az resource list --resource-group $Group --resource-type $type --output json | Read-Answer
    if ($listed.name -contains $Name) {
        if ((az signalr show --name $Name --resource-group $Group --query tags.createdBy --output tsv) -eq $mark) {
            Say "deleting the SignalR resource $Name"
            az signalr delete --name $Name --resource-group $Group --output none
        } else {
            Remove-Upstream
        }
    }
}
foreach ($clientId in $clientIds) {
    Say "deleting the app registration $App ($clientId)"
    az ad app delete --id $clientId --output none
}
if ($groupExists) {
    if ((az group show --name $Group --query tags.createdBy --output tsv) -ne $mark) {
        Say "the group $Group stays: setup.ps1 did not create it"
    } elseif ((az resource list --resource-group $Group --query 'length(@)' --output tsv) -ne '0') {
        Say "the group $Group stays: it has other resources"
    } else {
        Say "deleting the resource group $Group"
        az group delete --name $Group --yes --output none
    }
}
Say 'done'
