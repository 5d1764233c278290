variable "subscription_id" {
  type        = string
  description = "The subscription that pays for the resource."
}

variable "name" {
  type        = string
  description = "Name of the SignalR resource, unique in all of Azure."
}

variable "group" {
  type        = string
  description = "Name of a new resource group."
}

variable "location" {
  type        = string
  description = "Where the group and the resource are, such as westeurope."
}

variable "upstream_url" {
  type        = string
  description = "Your upstream, such as https://api.example.net/upstream/{hub}/{category}/{event}"

  validation {
    condition     = startswith(var.upstream_url, "https://")
    error_message = "Whoever reads a token can use it: the address must begin with https://."
  }
}

variable "sku" {
  type        = string
  description = "Free_F1, Standard_S1, Premium_P1 or Premium_P2."
  default     = "Free_F1"
}

variable "require_assignment" {
  type        = bool
  description = "Whether Entra issues tokens for the upstream to the identity of the resource only."
  default     = false
}
