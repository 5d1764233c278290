# What one protected upstream needs in Azure: an app registration, and a SignalR resource that calls the upstream with a
# token for it.

terraform {
  required_version = ">= 1.5"

  required_providers {
    azuread = {
      source  = "hashicorp/azuread"
      version = "~> 3.0"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.0"
    }
  }
}

provider "azuread" {}

provider "azurerm" {
  features {}
  subscription_id = var.subscription_id
}

data "azuread_client_config" "current" {}

resource "azurerm_resource_group" "this" {
  name     = var.group
  location = var.location
}

# It represents your upstream. Nobody signs in to it, so it needs no secret and no redirect address. An application cannot
# name its own client id here, so the URI is a resource of its own.
resource "azuread_application" "upstream" {
  display_name            = "signalr-upstream-${var.name}"
  sign_in_audience        = "AzureADMyOrg"
  prevent_duplicate_names = true

  api {
    # The audience of such a token is always the client id.
    requested_access_token_version = 2
  }

  lifecycle {
    ignore_changes = [identifier_uris]
  }
}

resource "azuread_application_identifier_uri" "upstream" {
  application_id = azuread_application.upstream.id
  identifier_uri = "api://${azuread_application.upstream.client_id}"
}

# Without it, Entra issues no token for the app registration.
resource "azuread_service_principal" "upstream" {
  client_id                    = azuread_application.upstream.client_id
  app_role_assignment_required = var.require_assignment
}

resource "azurerm_signalr_service" "this" {
  name                = var.name
  location            = azurerm_resource_group.this.location
  resource_group_name = azurerm_resource_group.this.name
  service_mode        = "Serverless"

  sku {
    name     = var.sku
    capacity = 1
  }

  identity {
    type = "SystemAssigned"
  }

  upstream_endpoint {
    url_template     = var.upstream_url
    hub_pattern      = ["*"]
    category_pattern = ["*"]
    event_pattern    = ["*"]
    # Despite its name this is the audience: the client id of the app registration, not of an identity.
    user_assigned_identity_id = azuread_application.upstream.client_id
  }
}

resource "azuread_app_role_assignment" "caller" {
  count = var.require_assignment ? 1 : 0

  # The default role.
  app_role_id         = "00000000-0000-0000-0000-000000000000"
  principal_object_id = azurerm_signalr_service.this.identity[0].principal_id
  resource_object_id  = azuread_service_principal.upstream.object_id
}
