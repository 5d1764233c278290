//! The audiences of Microsoft's own services. Any identity can ask Entra for a token for one of them, so such a token says
//! nothing about who calls you.
//!
//! The one list of its kind: configuration, [`explain`](crate::explain) and the tool that checks Azure read it. The
//! application ids and addresses are those of the service principals that Microsoft creates in each tenant
//! (`servicePrincipalNames`).

/// Whether an audience is Microsoft Graph's. SignalR requests it when no resource is configured.
pub(crate) fn is_graph(audience: &str) -> bool {
    foreign_service(audience) == Some(GRAPH)
}

/// The Microsoft service whose audience this is: by its application id, by a name under `api://`, or by the host of an
/// address. Case, port, path and trailing slash do not count.
pub(crate) fn foreign_service(audience: &str) -> Option<&'static str> {
    let audience = audience.to_ascii_lowercase();
    let (scheme, rest) = audience.split_once("://").unwrap_or(("", &audience));
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if let Some((_, service)) = APPS.iter().find(|(foreign, _)| host == *foreign) {
        return Some(service);
    }
    let hosts = match scheme {
        "https" | "http" => HOSTS,
        "api" => API_HOSTS,
        _ => return None,
    };
    hosts
        .iter()
        .find(|(foreign, _)| host == *foreign || host.strip_suffix(foreign).is_some_and(|sub| sub.ends_with('.')))
        .map(|(_, service)| *service)
}

const GRAPH: &str = "Microsoft Graph";

/// A token for it is the credential of every application that trusts the identity (federated identity credentials).
pub(super) const EXCHANGE: &str = "Entra's token exchange";

const APP_CONFIGURATION: &str = "Azure App Configuration";
const COGNITIVE: &str = "Azure AI services";
const COMMUNICATION: &str = "Azure Communication Services";
const COSMOS: &str = "Azure Cosmos DB";
const DATA_EXPLORER: &str = "Azure Data Explorer";
const DATABASE: &str = "Azure SQL Database";
const DEVOPS: &str = "Azure DevOps";
const EVENT_GRID: &str = "Azure Event Grid";
const EVENT_HUBS: &str = "Azure Event Hubs";
const EXCHANGE_ONLINE: &str = "Exchange Online";
const KEY_VAULT: &str = "Azure Key Vault";
const MANAGEMENT: &str = "Azure management";
const MONITOR: &str = "Azure Monitor";
const OLD_GRAPH: &str = "Azure AD Graph";
const OPEN_SOURCE_DATABASE: &str = "Azure Database for PostgreSQL or MySQL";
const POWER_BI: &str = "Power BI";
const REDIS: &str = "Azure Cache for Redis";
const REGISTRY: &str = "Azure Container Registry";
const SEARCH: &str = "Azure AI Search";
const SERVICE_BUS: &str = "Azure Service Bus";
const SHAREPOINT: &str = "SharePoint Online";
const SIGNALR: &str = "Azure SignalR Service itself";
const STORAGE: &str = "Azure Storage";
const WEB_PUBSUB: &str = "Azure Web PubSub";

/// Application ids and names without a host.
const APPS: &[(&str, &str)] = &[
    ("00000003-0000-0000-c000-000000000000", GRAPH),
    ("00000002-0000-0000-c000-000000000000", OLD_GRAPH),
    ("fb60f99c-7a34-4190-8149-302f77469936", EXCHANGE),
    ("azureadtokenexchange", EXCHANGE),
    ("azureadtokenexchangeusgov", EXCHANGE),
    ("azureadtokenexchangeusnat", EXCHANGE),
    ("azureadtokenexchangeussec", EXCHANGE),
    ("azureadtokenexchangechina", EXCHANGE),
    ("797f4846-ba00-4fd7-ba43-dac1f8f63013", MANAGEMENT),
    ("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", KEY_VAULT),
    ("e406a681-f3d4-42a8-90b6-c2b029497af1", STORAGE),
    ("cdad765c-f191-43ba-b9f5-7aef392f811d", SIGNALR),
    ("022907d3-0f1b-48f7-badc-1ba6abab6d66", DATABASE),
    ("123cd850-d9df-40bd-94d5-c9f07b7fa203", OPEN_SOURCE_DATABASE),
    ("a232010e-820c-4083-83bb-3ace5fc29d0b", COSMOS),
    ("57506a73-e302-42a9-b869-6f12d9ec29e9", COSMOS),
    ("f8202e39-5162-4378-8714-8018bb911e5c", COSMOS),
    ("80a10ef9-8168-493d-abf9-3297c4ef6e3c", SERVICE_BUS),
    ("80369ed6-5f11-4dd9-bef3-692475845e77", EVENT_HUBS),
    ("4962773b-9cdb-44cf-a8bf-237846a00ab7", EVENT_GRID),
    ("823c0a78-5de0-4445-a7f5-c2f42d7dc89b", EVENT_GRID),
    ("6a0ec4d3-30cb-4a83-91c0-ae56bc0e3d26", REGISTRY),
    ("76c92352-c057-4cc2-9b1e-f34c32bc58bd", REGISTRY),
    ("35ffadb3-7fc1-497e-b61b-381d28e744cc", APP_CONFIGURATION),
    ("ca7f3f0b-7d91-482c-8e09-c5d840d0eac5", MONITOR),
    ("f5c26e74-f226-4ae8-85f0-b4af0080ac9e", MONITOR),
    ("499b84ac-1321-427f-aa17-267ca6975798", DEVOPS),
    ("2746ea77-4702-4b45-80ca-3c97e680e8b7", DATA_EXPLORER),
    ("880da380-985e-4198-81b9-e05b1cc53158", SEARCH),
    ("7d312290-28c8-473c-a0ed-8e53749b6d6d", COGNITIVE),
    ("632ec9eb-fad7-4cbd-993a-e72973ba2acc", COMMUNICATION),
    ("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", "Azure Databricks"),
    ("00000002-0000-0ff1-ce00-000000000000", EXCHANGE_ONLINE),
    ("00000003-0000-0ff1-ce00-000000000000", SHAREPOINT),
    ("00000009-0000-0000-c000-000000000000", POWER_BI),
    ("00000007-0000-0000-c000-000000000000", "Dynamics 365"),
];

/// Hosts and their subdomains. The first that fits names the service.
const HOSTS: &[(&str, &str)] = &[
    ("graph.microsoft.com", GRAPH),
    ("graph.microsoft.us", GRAPH),
    ("dod-graph.microsoft.us", GRAPH),
    ("microsoftgraph.chinacloudapi.cn", GRAPH),
    ("graph.windows.net", OLD_GRAPH),
    ("graph.chinacloudapi.cn", OLD_GRAPH),
    ("management.azure.com", MANAGEMENT),
    ("management.core.windows.net", MANAGEMENT),
    ("management.usgovcloudapi.net", MANAGEMENT),
    ("management.core.usgovcloudapi.net", MANAGEMENT),
    ("management.chinacloudapi.cn", MANAGEMENT),
    ("management.core.chinacloudapi.cn", MANAGEMENT),
    ("batch.core.windows.net", "Azure Batch"),
    ("batch.core.usgovcloudapi.net", "Azure Batch"),
    ("batch.chinacloudapi.cn", "Azure Batch"),
    ("storage.azure.com", STORAGE),
    ("core.windows.net", STORAGE),
    ("core.usgovcloudapi.net", STORAGE),
    ("core.chinacloudapi.cn", STORAGE),
    ("datalake.azure.net", "Azure Data Lake"),
    ("vault.azure.net", KEY_VAULT),
    ("vault.usgovcloudapi.net", KEY_VAULT),
    ("vault.azure.cn", KEY_VAULT),
    ("managedhsm.azure.net", KEY_VAULT),
    ("managedhsm.usgovcloudapi.net", KEY_VAULT),
    ("managedhsm.azure.cn", KEY_VAULT),
    ("signalr.azure.com", SIGNALR),
    ("signalr.azure.us", SIGNALR),
    ("signalr.azure.cn", SIGNALR),
    ("signalr.net", SIGNALR),
    ("webpubsub.azure.com", WEB_PUBSUB),
    ("webpubsub.azure.us", WEB_PUBSUB),
    ("webpubsub.azure.cn", WEB_PUBSUB),
    ("ossrdbms-aad.database.windows.net", OPEN_SOURCE_DATABASE),
    ("ossrdbms-aad.database.usgovcloudapi.net", OPEN_SOURCE_DATABASE),
    ("ossrdbms-aad.database.chinacloudapi.cn", OPEN_SOURCE_DATABASE),
    ("database.windows.net", DATABASE),
    ("database.usgovcloudapi.net", DATABASE),
    ("database.chinacloudapi.cn", DATABASE),
    ("cosmos.azure.com", COSMOS),
    ("cosmos.azure.us", COSMOS),
    ("cosmos.azure.cn", COSMOS),
    ("documents.azure.com", COSMOS),
    ("documents.azure.us", COSMOS),
    ("documents.azure.cn", COSMOS),
    ("servicebus.azure.net", SERVICE_BUS),
    ("servicebus.windows.net", SERVICE_BUS),
    ("servicebus.usgovcloudapi.net", SERVICE_BUS),
    ("servicebus.chinacloudapi.cn", SERVICE_BUS),
    ("relay.azure.net", "Azure Relay"),
    ("eventhubs.azure.net", EVENT_HUBS),
    ("eventgrid.azure.net", EVENT_GRID),
    ("containerregistry.azure.net", REGISTRY),
    ("azurecr.io", REGISTRY),
    ("azurecr.us", REGISTRY),
    ("azurecr.cn", REGISTRY),
    ("azconfig.io", APP_CONFIGURATION),
    ("azconfig.azure.us", APP_CONFIGURATION),
    ("azconfig.azure.cn", APP_CONFIGURATION),
    ("appconfig.azure.com", APP_CONFIGURATION),
    ("appconfig.azure.us", APP_CONFIGURATION),
    ("appconfig.azure.cn", APP_CONFIGURATION),
    ("monitor.azure.com", MONITOR),
    ("monitor.azure.us", MONITOR),
    ("monitor.azure.cn", MONITOR),
    ("api.loganalytics.io", MONITOR),
    ("api.loganalytics.azure.com", MONITOR),
    ("api.loganalytics.us", MONITOR),
    ("api.loganalytics.azure.cn", MONITOR),
    ("api.applicationinsights.io", MONITOR),
    ("api.applicationinsights.azure.com", MONITOR),
    ("api.applicationinsights.us", MONITOR),
    ("app.vssps.visualstudio.com", DEVOPS),
    ("dev.azure.com", DEVOPS),
    ("kusto.windows.net", DATA_EXPLORER),
    ("kusto.usgovcloudapi.net", DATA_EXPLORER),
    ("kusto.chinacloudapi.cn", DATA_EXPLORER),
    ("redis.azure.com", REDIS),
    ("search.azure.com", SEARCH),
    ("search.azure.us", SEARCH),
    ("search.azure.cn", SEARCH),
    ("cognitiveservices.azure.com", COGNITIVE),
    ("cognitiveservices.azure.us", COGNITIVE),
    ("cognitiveservices.azure.cn", COGNITIVE),
    ("communication.azure.com", COMMUNICATION),
    ("dev.azuresynapse.net", "Azure Synapse"),
    ("iothubs.azure.net", "Azure IoT Hub"),
    ("digitaltwins.azure.net", "Azure Digital Twins"),
    ("purview.azure.net", "Microsoft Purview"),
    ("confidential-ledger.azure.com", "Azure Confidential Ledger"),
    ("analysis.windows.net", POWER_BI),
    ("api.fabric.microsoft.com", "Microsoft Fabric"),
    ("outlook.office.com", EXCHANGE_ONLINE),
    ("outlook.office365.com", EXCHANGE_ONLINE),
    ("outlook.office365.us", EXCHANGE_ONLINE),
    ("sharepoint.com", SHAREPOINT),
    ("sharepoint.us", SHAREPOINT),
    ("crm.dynamics.com", "Dynamics 365"),
];

/// Hosts that Microsoft uses under `api://`.
const API_HOSTS: &[(&str, &str)] = &[("dataplane.diagnosticservices.azure.com", MONITOR)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::audience::Audiences;

    #[test]
    #[cfg_attr(miri, ignore = "a minute of comparing texts")]
    fn rejects_audiences_of_microsofts_own_services_with_the_reason() {
        for (item, service) in [
            ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
            ("00000003-0000-0000-C000-000000000000", "Microsoft Graph"),
            ("api://00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
            ("00000002-0000-0000-c000-000000000000", "Azure AD Graph"),
            ("797F4846-ba00-4fd7-ba43-dac1f8f63013", "Azure management"),
            ("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Key Vault"),
            ("api://e406a681-f3d4-42a8-90b6-c2b029497af1", "Storage"),
            ("https://contoso.storage.azure.com", "Storage"),
            ("https://graph.microsoft.com", "Microsoft Graph"),
            ("https://graph.microsoft.com/", "Microsoft Graph"),
            ("https://GRAPH.microsoft.com/.default", "Microsoft Graph"),
            ("https://management.azure.com/", "Azure management"),
            ("https://management.core.windows.net/", "Azure management"),
            ("https://vault.azure.net", "Key Vault"),
            ("https://contoso.vault.azure.net", "Key Vault"),
            ("https://signalr.azure.com", "SignalR"),
            ("https://contoso.service.signalr.net", "SignalR"),
            ("https://contoso.service.signalr.net:443/x", "SignalR"),
            ("cdad765c-f191-43ba-b9f5-7aef392f811d", "SignalR"),
            ("https://webpubsub.azure.com", "Web PubSub"),
            ("https://contoso.blob.core.windows.net", "Storage"),
            ("https://contoso.queue.core.chinacloudapi.cn/", "Storage"),
            ("https://database.windows.net/", "SQL Database"),
            ("022907d3-0f1b-48f7-badc-1ba6abab6d66", "SQL Database"),
            ("https://ossrdbms-aad.database.windows.net", "PostgreSQL"),
            ("https://cosmos.azure.com", "Cosmos DB"),
            ("https://contoso.documents.azure.com:443/", "Cosmos DB"),
            ("https://servicebus.azure.net", "Service Bus"),
            ("https://contoso.servicebus.windows.net", "Service Bus"),
            ("https://eventhubs.azure.net", "Event Hubs"),
            ("80369ed6-5f11-4dd9-bef3-692475845e77", "Event Hubs"),
            ("https://containerregistry.azure.net", "Container Registry"),
            ("https://contoso.azurecr.io", "Container Registry"),
            ("https://contoso.azconfig.io", "App Configuration"),
            ("https://appconfig.azure.com", "App Configuration"),
            ("https://monitor.azure.com", "Monitor"),
            ("https://api.loganalytics.io", "Monitor"),
            ("api://dataplane.diagnosticservices.azure.com", "Monitor"),
            ("499b84ac-1321-427f-aa17-267ca6975798", "DevOps"),
            ("https://app.vssps.visualstudio.com/", "DevOps"),
        ] {
            let error = Audiences::parse([item]).unwrap_err().to_string();
            assert!(error.starts_with("audiences: ") && error.contains(service), "{item}: {error}");
        }
    }

    #[test]
    fn rejects_the_audiences_of_the_token_exchange_and_says_what_they_are_good_for() {
        for item in [
            "api://AzureADTokenExchange",
            "api://azureadtokenexchange/",
            "api://AzureADTokenExchange/.default",
            "api://AzureADTokenExchangeUSGov",
            "api://AzureADTokenExchangeChina",
            "fb60f99c-7a34-4190-8149-302f77469936",
            "api://FB60F99C-7a34-4190-8149-302f77469936",
        ] {
            let error = Audiences::parse([item]).unwrap_err().to_string();
            assert!(error.contains("token exchange") && error.contains("tokens of other applications"), "{error}");
        }
    }

    #[test]
    fn accepts_audiences_that_only_look_like_microsofts() {
        for item in [
            "https://notgraph.microsoft.com.contoso.com",
            "api://vault.azure.net.contoso",
            "api://AzureADTokenExchangeOfContoso",
            "api://contoso/AzureADTokenExchange",
            "https://contoso.azurewebsites.net",
            "https://mydatabase.windows.net.contoso.com",
            "https://notazurecr.io",
            "fb60f99c-7a34-4190-8149-302f77469937",
        ] {
            assert!(Audiences::parse([item]).is_ok(), "{item}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "a minute of comparing texts")]
    fn list_is_in_lower_case_without_repetition_and_each_host_names_its_own_service() {
        for (list, scheme) in [(APPS, "api"), (HOSTS, "https"), (API_HOSTS, "api")] {
            for (index, (name, service)) in list.iter().enumerate() {
                assert_eq!(*name, name.to_ascii_lowercase());
                assert!(list.iter().skip(index + 1).all(|(other, _)| other != name), "{name} twice");
                assert_eq!(foreign_service(&format!("{scheme}://{name}")), Some(*service), "{name}");
            }
        }
    }

    #[test]
    fn detects_the_audience_of_graph() {
        for audience in
            ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com/", "https://graph.microsoft.com"]
        {
            assert!(is_graph(audience), "{audience}");
        }
        assert!(!is_graph("33333333-dddd-4eee-8fff-444444444444") && !is_graph("https://vault.azure.net"));
    }
}
