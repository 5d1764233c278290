#!/usr/bin/env bash
# Undoes what setup.sh did.
#
#   deploy/azure/teardown.sh --name NAME --group GROUP [--app NAME] [--yes]
#
#   --name NAME     the SignalR resource
#   --group GROUP   its resource group
#   --app NAME      display name of the app registration; by default signalr-upstream-NAME
#   --yes           do not ask
#
# It deletes the app registration, the resource and the group if they have the tag of setup.sh, the group only when it is
# empty. Of a resource without the tag, it removes the upstream settings for the app registration; identity and mode stay.
# Run it again whenever you like. Entra keeps a deleted app registration for 30 days, in which you can restore it.
set -euo pipefail

TYPE=Microsoft.SignalRService/signalR
API=2024-03-01
MARK=signalr-upstream-auth
NAME='' GROUP='' APP='' YES=no

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "error: $*"
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --name | --group | --app)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case $1 in
        --name) NAME=$2 ;;
        --group) GROUP=$2 ;;
        --app) APP=$2 ;;
      esac
      shift 2
      ;;
    --yes) YES=yes && shift ;;
    --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
      exit 0
      ;;
    *) fail "there is no option $1; --help lists them" ;;
  esac
done
if [ -z "$NAME" ] || [ -z "$GROUP" ]; then fail "--name and --group are required; --help explains them"; fi
case $NAME$GROUP$APP in *[\'\"\`\\]*) fail "a name has a quotation mark or a backslash" ;; esac
APP=${APP:-signalr-upstream-$NAME}

if [ $YES = no ]; then
  read -r -p "This deletes what setup.sh created for $NAME. Type its name to go on: " answer || answer=''
  [ "$answer" = "$NAME" ] || fail "nothing was deleted"
fi

CLIENT_IDS=$(az ad app list --filter "displayName eq '$APP'" --query "[?contains(tags, '$MARK')].appId" --output tsv)

remove_upstream() {
  local client=$1 others count
  local of_client="not_null(properties.upstream.templates, \`[]\`)[?auth.managedIdentity.resource=='$client']"
  local of_others="not_null(properties.upstream.templates, \`[]\`)[?auth.managedIdentity.resource!='$client']"
  count=$(az resource show --name "$NAME" --resource-group "$GROUP" --resource-type "$TYPE" --api-version "$API" \
    --query "length($of_client)" --output tsv)
  if [ "$count" = 0 ]; then return 0; fi
  others=$(az resource show --name "$NAME" --resource-group "$GROUP" --resource-type "$TYPE" --api-version "$API" \
    --query "$of_others" --output json)
  say "removing the upstream setting of $NAME"
  az resource update --name "$NAME" --resource-group "$GROUP" --resource-type "$TYPE" --api-version "$API" --output none \
    --set properties.upstream.templates="$others"
}

remove_resource() {
  local count mark client
  count=$(az resource list --resource-group "$GROUP" --resource-type "$TYPE" --query "length([?name=='$NAME'])" --output tsv)
  if [ "$count" = 0 ]; then return 0; fi
  mark=$(az signalr show --name "$NAME" --resource-group "$GROUP" --query tags.createdBy --output tsv)
  if [ "$mark" = "$MARK" ]; then
    say "deleting the SignalR resource $NAME"
    az signalr delete --name "$NAME" --resource-group "$GROUP" --output none
  else
    for client in $CLIENT_IDS; do remove_upstream "$client"; done
  fi
}

remove_group() {
  local mark count
  mark=$(az group show --name "$GROUP" --query tags.createdBy --output tsv)
  count=$(az resource list --resource-group "$GROUP" --query 'length(@)' --output tsv)
  if [ "$mark" != "$MARK" ]; then
    say "the group $GROUP stays: setup.sh did not create it"
  elif [ "$count" != 0 ]; then
    say "the group $GROUP stays: it has other resources"
  else
    say "deleting the resource group $GROUP"
    az group delete --name "$GROUP" --yes --output none
  fi
}

# The upstream first: the service never calls with a token of a registration that is gone.
if [ "$(az group exists --name "$GROUP")" = true ]; then remove_resource; fi
for client in $CLIENT_IDS; do
  say "deleting the app registration $APP ($client)"
  az ad app delete --id "$client" --output none
done
if [ "$(az group exists --name "$GROUP")" = true ]; then remove_group; fi
say "done"
