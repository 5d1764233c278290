#!/usr/bin/env bash
# Sets up in Azure what one protected upstream needs, and prints the settings of your server.
#
#   deploy/azure/setup.sh --name NAME --group GROUP --upstream URL [OPTION...] > upstream.env
#
#   --name NAME            the SignalR resource; it is created if the group has none of this name
#   --group GROUP          its resource group; it is created if there is none
#   --upstream URL         your upstream, such as https://api.example.net/upstream/{hub}/{category}/{event}
#   --location LOCATION    where a new group and a new resource are
#   --sku SKU              of a new resource: Free_F1 (default), Standard_S1, Premium_P1, Premium_P2
#   --app NAME             display name of the app registration; by default signalr-upstream-NAME
#   --client-id ID         use this app registration as it is, instead of creating one
#   --require-assignment   Entra issues tokens for the upstream to the resource's identity only
#   --change-mode          set an existing resource to the mode Serverless
#   --replace-upstream     replace upstream settings that are not those of this script
#
# Run it again whenever you like: it changes what differs, and nothing else. What it creates has the tag
# createdBy=signalr-upstream-auth; teardown.sh deletes only that. Progress goes to the standard error output.
set -euo pipefail

TYPE=Microsoft.SignalRService/signalR
# The first stable version that keeps `auth` is 2021-10-01; older ones drop it silently.
API=2024-03-01
MARK=signalr-upstream-auth
DEFAULT_ROLE=00000000-0000-0000-0000-000000000000

NAME='' GROUP='' UPSTREAM='' LOCATION='' SKU=Free_F1 APP='' CLIENT_ID=''
REQUIRE_ASSIGNMENT=no CHANGE_MODE=no REPLACE_UPSTREAM=no

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "error: $*"
  exit 1
}

# A new object of the directory is not visible everywhere at once. This repeats a command for two minutes.
retry() {
  local attempt
  for attempt in 1 2 3 4 5 6 7 8 9 10 11; do
    if "$@"; then return 0; fi
    say "attempt $attempt failed; the directory may not show a new object yet"
    sleep "${RETRY_SECS:-10}"
  done
  "$@"
}

while [ $# -gt 0 ]; do
  case $1 in
    --name | --group | --upstream | --location | --sku | --app | --client-id)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case $1 in
        --name) NAME=$2 ;;
        --group) GROUP=$2 ;;
        --upstream) UPSTREAM=$2 ;;
        --location) LOCATION=$2 ;;
        --sku) SKU=$2 ;;
        --app) APP=$2 ;;
        --client-id) CLIENT_ID=$2 ;;
      esac
      shift 2
      ;;
    --require-assignment) REQUIRE_ASSIGNMENT=yes && shift ;;
    --change-mode) CHANGE_MODE=yes && shift ;;
    --replace-upstream) REPLACE_UPSTREAM=yes && shift ;;
    --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
      exit 0
      ;;
    *) fail "there is no option $1; --help lists them" ;;
  esac
done
if [ -z "$NAME" ] || [ -z "$GROUP" ] || [ -z "$UPSTREAM" ]; then
  fail "--name, --group and --upstream are required; --help explains them"
fi
# Names and the address become parts of queries and of JSON.
case $NAME$GROUP$APP$CLIENT_ID in *[\'\"\`\\]*) fail "a name has a quotation mark or a backslash" ;; esac
case $UPSTREAM in *[\'\"\`\\]*) fail "--upstream has a quotation mark or a backslash" ;; esac
case $UPSTREAM in https://?*) ;; *) fail "--upstream is not an address of https://: whoever reads a token can use it" ;; esac
APP=${APP:-signalr-upstream-$NAME}

TENANT=$(az account show --query tenantId --output tsv)
CLOUD=$(az cloud show --query name --output tsv)
GRAPH=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
GRAPH=${GRAPH%/}/v1.0

ensure_group() {
  if [ "$(az group exists --name "$GROUP")" = true ]; then return 0; fi
  [ -n "$LOCATION" ] || fail "there is no group $GROUP; --location says where to create it"
  say "creating the resource group $GROUP"
  az group create --name "$GROUP" --location "$LOCATION" --tags "createdBy=$MARK" --output none
}

ensure_resource() {
  local count mode
  count=$(az resource list --resource-group "$GROUP" --resource-type "$TYPE" --query "length([?name=='$NAME'])" --output tsv)
  if [ "$count" = 0 ]; then
    LOCATION=${LOCATION:-$(az group show --name "$GROUP" --query location --output tsv)}
    say "creating the SignalR resource $NAME ($SKU); this takes minutes"
    az signalr create --name "$NAME" --resource-group "$GROUP" --location "$LOCATION" --sku "$SKU" --unit-count 1 \
      --service-mode Serverless --tags "createdBy=$MARK" --output none
  fi
  mode=$(az signalr show --name "$NAME" --resource-group "$GROUP" --query "features[?flag=='ServiceMode'].value | [0]" --output tsv)
  if [ "$mode" != Serverless ]; then
    [ $CHANGE_MODE = yes ] || fail "$NAME is in the mode ${mode:-Default}. App servers lose it when it becomes Serverless; --change-mode does it"
    say "setting the mode of $NAME to Serverless"
    az signalr update --name "$NAME" --resource-group "$GROUP" --service-mode Serverless --output none
  fi
}

# A resource has one identity. One that is there, system-assigned or user-assigned, stays.
caller() {
  az signalr identity show --name "$NAME" --resource-group "$GROUP" \
    --query 'not_null(principalId, userAssignedIdentities.*.principalId | [0])' --output tsv
}
ensure_identity() {
  CALLER=$(caller)
  if [ -z "$CALLER" ]; then
    say "giving $NAME a system-assigned identity"
    az signalr identity assign --name "$NAME" --resource-group "$GROUP" --identity '[system]' --output none
    CALLER=$(caller)
  fi
  [ -n "$CALLER" ] || fail "$NAME has no identity after one was assigned"
}

# The app registration represents your upstream. Nobody signs in to it, so it needs no secret and no redirect address.
ensure_application() {
  local ours all
  if [ -n "$CLIENT_ID" ]; then return 0; fi
  ours=$(az ad app list --filter "displayName eq '$APP'" --query "[?contains(tags, '$MARK')].appId" --output tsv)
  case $ours in
    *[![:space:]]*[[:space:]]*[![:space:]]*) fail "there are several app registrations $APP; --client-id names the one to use" ;;
    ?*) CLIENT_ID=$ours ;;
    *)
      all=$(az ad app list --filter "displayName eq '$APP'" --query 'length(@)' --output tsv)
      [ "$all" = 0 ] || fail "there is an app registration $APP that this script did not create; use --client-id, or another --app"
      say "creating the app registration $APP"
      CLIENT_ID=$(az rest --method POST --url "$GRAPH/applications" --query appId --output tsv --body "{
        \"displayName\": \"$APP\", \"signInAudience\": \"AzureADMyOrg\", \"tags\": [\"$MARK\"],
        \"api\": { \"requestedAccessTokenVersion\": 2 } }")
      ;;
  esac
  [ -n "$CLIENT_ID" ] || fail "the app registration has no client id"
  retry ensure_identifier
}
ensure_identifier() {
  local count
  count=$(az ad app show --id "$CLIENT_ID" --query 'length(identifierUris)' --output tsv) || return 1
  if [ "$count" != 0 ]; then return 0; fi
  az ad app update --id "$CLIENT_ID" --identifier-uris "api://$CLIENT_ID"
}

# Without a service principal in the tenant, Entra issues no token for the app registration.
ensure_service_principal() {
  local count
  count=$(az ad sp list --filter "appId eq '$CLIENT_ID'" --query 'length(@)' --output tsv) || return 1
  if [ "$count" = 0 ]; then az ad sp create --id "$CLIENT_ID" --output none || return 1; fi
  PRINCIPAL=$(az ad sp show --id "$CLIENT_ID" --query id --output tsv) && [ -n "$PRINCIPAL" ]
}

is_assigned() {
  local count
  count=$(az rest --method GET --url "$GRAPH/servicePrincipals/$PRINCIPAL/appRoleAssignedTo" \
    --query "length(value[?principalId=='$CALLER'])" --output tsv) || return 1
  [ "${count:-0}" != 0 ]
}
assign() {
  is_assigned || az rest --method POST --url "$GRAPH/servicePrincipals/$PRINCIPAL/appRoleAssignedTo" --output none --body "{
    \"principalId\": \"$CALLER\", \"resourceId\": \"$PRINCIPAL\", \"appRoleId\": \"$DEFAULT_ROLE\" }"
}
# The assignment comes first: in the other order SignalR gets no token between the two steps.
ensure_assignment() {
  if [ $REQUIRE_ASSIGNMENT = no ]; then return 0; fi
  is_assigned || say "assigning the identity of $NAME to the app registration"
  retry assign
  retry is_assigned
  if [ "$(az ad sp show --id "$CLIENT_ID" --query appRoleAssignmentRequired --output tsv)" != true ]; then
    say "requiring an assignment for tokens of the upstream"
    az ad sp update --id "$CLIENT_ID" --set appRoleAssignmentRequired=true
  fi
}

templates() {
  az resource show --name "$NAME" --resource-group "$GROUP" --resource-type "$TYPE" --api-version "$API" \
    --query "length(not_null(properties.upstream.templates, \`[]\`)$1)" --output tsv
}
ensure_upstream() {
  local all same right
  all=$(templates '')
  same=$(templates "[?urlTemplate=='$UPSTREAM']")
  right=$(templates "[?urlTemplate=='$UPSTREAM' && auth.type=='ManagedIdentity' && auth.managedIdentity.resource=='$CLIENT_ID']")
  if [ "$all" = 1 ] && [ "$right" = 1 ]; then return 0; fi
  # The service uses the first template that matches a call, so others decide whether this one is reached.
  if [ "$all" != "$same" ] && [ $REPLACE_UPSTREAM = no ]; then
    fail "$NAME has upstream settings that this script did not write; --replace-upstream replaces them all"
  fi
  say "writing the upstream setting of $NAME"
  az resource update --name "$NAME" --resource-group "$GROUP" --resource-type "$TYPE" --api-version "$API" --output none \
    --set properties.upstream.templates="[{
      \"urlTemplate\": \"$UPSTREAM\",
      \"auth\": { \"type\": \"ManagedIdentity\", \"managedIdentity\": { \"resource\": \"$CLIENT_ID\" } } }]"
}

ensure_group
ensure_resource
ensure_identity
ensure_application
retry ensure_service_principal
ensure_assignment
ensure_upstream

say "done: these are the settings of your server"
printf 'SIGNALR_UPSTREAM_TENANT_IDS=%s\nSIGNALR_UPSTREAM_AUDIENCES=%s\nSIGNALR_UPSTREAM_CALLER_OBJECT_IDS=%s\n' "$TENANT" "$CLIENT_ID" "$CALLER"
case $CLOUD in
  AzureUSGovernment) echo SIGNALR_UPSTREAM_CLOUD=us-government ;;
  AzureChinaCloud) echo SIGNALR_UPSTREAM_CLOUD=china ;;
esac
