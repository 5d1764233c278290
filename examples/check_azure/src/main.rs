//! Says whether a SignalR resource is set up so that its calls get through.
//!
//! ```text
//! az signalr show --name NAME --resource-group GROUP | cargo run -p check_azure
//! cargo run -p check_azure -- template.json --url https://api.example.net/
//! ```
//!
//! It reads the JSON of `az signalr show` or `az signalr list`, of `az resource show`, an ARM template or an export, and
//! compares it with the variables of [`Settings`]. With `--url` it looks only at the
//! upstream addresses that begin so. No connection is made.
//!
//! Each line begins with `ok`, `FAIL`, `?` (the file does not tell, as with values that come into being at deployment) or
//! `note`. It ends with 0 if nothing failed, with 1 if something did, and with 2 if there was nothing to check.

use std::env;
use std::error::Error;
use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::process::ExitCode;

use serde_json::Value;
use signalr_upstream_auth::{Audiences, ClientId, Cloud, ObjectId, Policy, Settings, TenantId, TokenVersion};

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            print!("{report}");
            ExitCode::from(u8::from(report.has_failed()))
        }
        Err(error) => {
            eprintln!("nothing was checked\n{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Report, Box<dyn Error>> {
    let (mut file, mut url) = (None, String::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--url" => url = arguments.next().ok_or(USAGE)?,
            "-h" | "--help" => return Err(USAGE.into()),
            _ if file.is_some() => return Err(USAGE.into()),
            _ => file = Some(argument),
        }
    }
    let policy = Settings::from_env()?.policy()?;
    let text = match file {
        Some(file) if file != "-" => fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?,
        _ => io::read_to_string(io::stdin())?,
    };
    let json: Value = serde_json::from_str(&text).map_err(|error| format!("this is no JSON: {error}"))?;
    let mut report = Report::default();
    let mut resources = Vec::new();
    find(&json, &Value::Null, &mut resources);
    if resources.is_empty() {
        return Err("there is no resource of the type Microsoft.SignalRService/SignalR; try `az signalr show`".into());
    }
    for resource in resources {
        Check { policy: &policy, url: &url, resource, report: &mut report }.run();
    }
    Ok(report)
}

/// A SignalR resource, and the template around it, where there is one.
struct Resource<'j> {
    resource: &'j Value,
    template: &'j Value,
}

/// Finds every SignalR resource, however deep in a template or a list.
fn find<'j>(json: &'j Value, template: &'j Value, found: &mut Vec<Resource<'j>>) {
    match json {
        Value::Object(members) => {
            let is_ours = json["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(TYPE));
            let template =
                if members.contains_key("resources") && members.contains_key("$schema") { json } else { template };
            if is_ours {
                found.push(Resource { resource: json, template });
            } else {
                members.values().for_each(|member| find(member, template, found));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find(item, template, found)),
        _ => {}
    }
}

/// What a member of a resource says.
enum Said<'j> {
    Nothing,
    Text(&'j str),
    /// Something that only a deployment can work out.
    Expression(&'j str),
}

impl<'j> Resource<'j> {
    /// A member of the resource; `az signalr show` leaves `properties` out.
    fn property(&self, name: &str) -> &'j Value {
        let properties = &self.resource["properties"];
        self.resolve(if properties.is_object() { &properties[name] } else { &self.resource[name] })
    }

    fn text(&self, value: &'j Value) -> Said<'j> {
        match self.resolve(value).as_str() {
            Some(text) if is_expression(text) => Said::Expression(text),
            Some(text) if !text.trim().is_empty() => Said::Text(text.trim()),
            _ => Said::Nothing,
        }
    }

    /// A parameter or variable, if the value is just that and the template gives it.
    fn resolve(&self, value: &'j Value) -> &'j Value {
        let named = |function: &str| {
            let inner = value.as_str()?.strip_prefix('[')?.strip_suffix(']')?.trim().strip_prefix(function)?;
            inner.strip_prefix("('")?.strip_suffix("')").filter(|name| !name.contains('\''))
        };
        let resolved = match (named("parameters"), named("variables")) {
            (Some(name), _) => &self.template["parameters"][name]["defaultValue"],
            (_, Some(name)) => &self.template["variables"][name],
            _ => &Value::Null,
        };
        if resolved.is_null() { value } else { resolved }
    }
}

fn is_expression(text: &str) -> bool {
    text.starts_with('[') && !text.starts_with("[[") && text.ends_with(']')
}

/// The check of one resource.
struct Check<'c, 'j> {
    policy: &'c Policy,
    url: &'c str,
    resource: Resource<'j>,
    report: &'c mut Report,
}

impl<'j> Check<'_, 'j> {
    fn run(mut self) {
        let name = match self.resource.text(&self.resource.resource["name"]) {
            Said::Text(name) | Said::Expression(name) => name,
            Said::Nothing => "without a name",
        };
        self.report.lines.push((Mark::Title, format!("SignalR resource {name}")));
        self.api_version();
        self.cloud();
        self.service_mode();
        self.identity();
        self.upstream();
        self.access_keys();
    }

    fn api_version(&mut self) {
        if let Said::Text(version) = self.resource.text(&self.resource.resource["apiVersion"]) {
            // Dates compare as texts.
            if version < FIRST_WITH_AUTH {
                self.fail(format!(
                    "API version: {version} silently drops the upstream's authentication; write 2024-03-01"
                ));
            } else {
                self.ok(format!("API version: {version} knows the upstream's authentication"));
            }
        }
    }

    fn cloud(&mut self) {
        let Said::Text(location) = self.resource.text(&self.resource.resource["location"]) else { return };
        let place = location.to_ascii_lowercase().replace(' ', "");
        let (cloud, name) = if place.starts_with("usgov") || place.starts_with("usdod") {
            (Cloud::us_government(), "us-government")
        } else if place.starts_with("china") {
            (Cloud::china(), "china")
        } else {
            (Cloud::public(), "public")
        };
        if *self.policy.cloud() == cloud {
            self.ok(format!("cloud: {location} is in the cloud `{name}`, as configured"));
        } else {
            self.fail(format!("cloud: {location} is in the cloud `{name}`; set SIGNALR_UPSTREAM_CLOUD to it"));
        }
    }

    fn service_mode(&mut self) {
        let features = self.resource.property("features").as_array();
        let mode = features.into_iter().flatten().find(|feature| feature["flag"] == "ServiceMode");
        match mode.map_or(Said::Nothing, |feature| self.resource.text(&feature["value"])) {
            Said::Text(mode) if mode.eq_ignore_ascii_case("Serverless") => self.ok("service mode: Serverless"),
            Said::Text(mode) => {
                self.fail(format!("service mode: {mode}; upstream calls are made in Serverless mode only"))
            }
            Said::Nothing => {
                self.fail("service mode: none is set, which means Default; upstream calls need Serverless")
            }
            Said::Expression(text) => self.unknown(format!("service mode: {text}; it must be Serverless")),
        }
    }

    fn identity(&mut self) {
        let identity = &self.resource.resource["identity"];
        match self.resource.text(&identity["type"]) {
            Said::Text(kind) if kind.eq_ignore_ascii_case("SystemAssigned") => {
                self.caller("identity: system-assigned", &identity["principalId"], &Value::Null, &identity["tenantId"]);
            }
            Said::Text(kind) if kind.eq_ignore_ascii_case("UserAssigned") => {
                let assigned = identity["userAssignedIdentities"].as_object();
                if assigned.is_some_and(|assigned| assigned.len() > 1) {
                    self.fail("identity: more than one; SignalR works with one");
                }
                for (id, assigned) in assigned.into_iter().flatten() {
                    let name = id.rsplit('/').next().unwrap_or(id).trim_end_matches([')', ']', '\'']);
                    let what = format!("identity: user-assigned {name}");
                    self.caller(&what, &assigned["principalId"], &assigned["clientId"], &identity["tenantId"]);
                }
                if assigned.is_none_or(|assigned| assigned.is_empty()) {
                    self.fail("identity: user-assigned, but none is named");
                }
            }
            Said::Nothing => self.no_identity(),
            Said::Text(kind) if kind.eq_ignore_ascii_case("None") => self.no_identity(),
            Said::Text(kind) => self.fail(format!("identity: `{kind}`; SignalR works with one, of either kind")),
            Said::Expression(text) => self.unknown(format!("identity: {text}; there must be one")),
        }
    }

    fn no_identity(&mut self) {
        self.fail("identity: none; switch one on with `az signalr identity assign --identity '[system]'`");
    }

    fn caller(&mut self, what: &str, principal: &'j Value, client: &'j Value, tenant: &'j Value) {
        let principal: Option<ObjectId> = principal.as_str().and_then(|id| id.parse().ok());
        let client: Option<ClientId> = client.as_str().and_then(|id| id.parse().ok());
        let tenant: Option<TenantId> = tenant.as_str().and_then(|id| id.parse().ok());
        match tenant {
            Some(tenant) if self.policy.tenants().iter().any(|known| *known == tenant) => {
                self.ok(format!("tenant: {tenant}, as configured"));
            }
            Some(tenant) => self.fail(format!("tenant: {tenant} is not among SIGNALR_UPSTREAM_TENANT_IDS")),
            None => self.unknown("tenant: the file does not say; `az account show --query tenantId` does"),
        }
        let Some(principal) = principal else {
            let how = "`az signalr identity show --query principalId` after the deployment";
            return self.unknown(format!("{what}; its object id is not in the file, see {how}"));
        };
        let tenants: Vec<_> = tenant.into_iter().chain(self.policy.tenants().iter().copied()).collect();
        let is_listed = tenants.iter().any(|tenant| self.policy.callers().allows(*tenant, principal, client));
        if is_listed {
            self.ok(format!("{what}, object id {principal}, may call"));
        } else if client.is_none() && env::var_os(CLIENT_IDS).is_some_and(|ids| !ids.is_empty()) {
            let how = format!("`az ad sp show --id {principal} --query appId`");
            self.unknown(format!("{what}, object id {principal}; compare its client id, {how}, with {CLIENT_IDS}"));
        } else {
            self.fail(format!("{what}, object id {principal}, is not among SIGNALR_UPSTREAM_CALLER_OBJECT_IDS"));
        }
    }

    fn upstream(&mut self) {
        let templates = self.resource.resolve(&self.resource.property("upstream")["templates"]);
        if let Some(text) = templates.as_str() {
            return self.unknown(format!("upstream: {text}"));
        }
        let mut is_any = false;
        for template in templates.as_array().into_iter().flatten() {
            let address = match self.resource.text(&template["urlTemplate"]) {
                Said::Text(address) | Said::Expression(address) => address,
                Said::Nothing => "without an address",
            };
            if address.starts_with(self.url) || is_expression(address) {
                is_any = true;
                self.template(address, &template["auth"]);
            }
        }
        if !is_any {
            self.fail(format!("upstream: no address{}; SignalR calls nobody", Beginning(self.url)));
        }
    }

    fn template(&mut self, address: &str, auth: &'j Value) {
        if address.starts_with("http://") {
            self.fail(format!("upstream {address}: without TLS whoever reads the traffic has the token"));
        }
        match self.resource.text(&auth["type"]) {
            Said::Text(kind) if kind.eq_ignore_ascii_case("ManagedIdentity") => {}
            Said::Expression(text) => return self.unknown(format!("upstream {address}: authentication {text}")),
            Said::Text(_) | Said::Nothing => {
                return self.fail(format!(
                    "upstream {address}: no token is sent; set auth.type to ManagedIdentity (portal: Use managed identity)"
                ));
            }
        }
        match self.resource.text(&auth["managedIdentity"]["resource"]) {
            Said::Nothing => self.fail(format!(
                "upstream {address}: the audience is empty, so the token is for Microsoft Graph; write the client id of your \
                 app registration into auth.managedIdentity.resource"
            )),
            Said::Expression(text) => self.unknown(format!("upstream {address}: audience {text}")),
            Said::Text(audience) => self.audience(address, audience),
        }
    }

    fn audience(&mut self, address: &str, audience: &str) {
        if let Err(error) = Audiences::parse([audience]) {
            let problem = error.faults().next().map_or_else(String::new, |fault| fault.problem().to_owned());
            return self.fail(format!("upstream {address}: audience {problem}"));
        }
        let audiences = self.policy.audiences();
        if !audiences.accepts(audience, TokenVersion::V1) {
            return self.fail(format!(
                "upstream {address}: the audience `{audience}` is not among SIGNALR_UPSTREAM_AUDIENCES"
            ));
        }
        self.ok(format!("upstream {address}: managed identity, audience `{audience}`, as configured"));
        let client = audience.strip_prefix("api://").unwrap_or(audience).trim_end_matches('/');
        if !audiences.accepts(client, TokenVersion::V2) || client.parse::<ClientId>().is_err() {
            self.note(format!(
                "upstream {address}: if the app registration issues v2 tokens (requestedAccessTokenVersion 2), their audience \
                 is its client id; have that in SIGNALR_UPSTREAM_AUDIENCES, too"
            ));
        }
    }

    fn access_keys(&mut self) {
        if self.resource.property("disableLocalAuth") == &Value::Bool(true) {
            self.ok("access keys: disabled");
        } else {
            self.note(
                "access keys: enabled; whoever has one can connect clients and send messages. This check needs none",
            );
        }
    }

    fn ok(&mut self, line: impl Into<String>) {
        self.report.lines.push((Mark::Ok, line.into()));
    }

    fn fail(&mut self, line: impl Into<String>) {
        self.report.lines.push((Mark::Fail, line.into()));
    }

    fn note(&mut self, line: impl Into<String>) {
        self.report.lines.push((Mark::Note, line.into()));
    }

    fn unknown(&mut self, line: impl Into<String>) {
        self.report.lines.push((Mark::Unknown, line.into()));
    }
}

/// What is printed, line by line.
#[derive(Default)]
struct Report {
    lines: Vec<(Mark, String)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Title,
    Ok,
    Fail,
    Note,
    Unknown,
}

impl Report {
    fn has_failed(&self) -> bool {
        self.lines.iter().any(|(mark, _)| *mark == Mark::Fail)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mark, line) in &self.lines {
            // The file may be somebody else's: nothing in it is to steer the terminal.
            let line = line.replace(char::is_control, " ");
            let mark = match mark {
                Mark::Title => {
                    writeln!(f, "{line}")?;
                    continue;
                }
                Mark::Ok => "ok",
                Mark::Fail => "FAIL",
                Mark::Note => "note",
                Mark::Unknown => "?",
            };
            writeln!(f, "  {mark:<5} {line}")?;
        }
        Ok(())
    }
}

/// The restriction to some addresses, in words.
struct Beginning<'u>(&'u str);

impl Display for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " that begins with {}", self.0) }
    }
}

const USAGE: &str = "usage: check_azure [--url PREFIX] [FILE]\n\
                     reads the JSON of `az signalr show`, an ARM template or an export from FILE or standard input";
const TYPE: &str = "Microsoft.SignalRService/SignalR";
const FIRST_WITH_AUTH: &str = "2021-10-01";
const CLIENT_IDS: &str = "SIGNALR_UPSTREAM_CALLER_CLIENT_IDS";
