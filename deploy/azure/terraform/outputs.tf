output "SIGNALR_UPSTREAM_TENANT_IDS" {
  value = data.azuread_client_config.current.tenant_id
}

output "SIGNALR_UPSTREAM_AUDIENCES" {
  value = azuread_application.upstream.client_id
}

output "SIGNALR_UPSTREAM_CALLER_OBJECT_IDS" {
  value = azurerm_signalr_service.this.identity[0].principal_id
}
