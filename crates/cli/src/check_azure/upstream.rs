//! The upstream templates of a resource.

use signalr_upstream_auth::{Audiences, ClientId, Policy, TokenVersion};

use super::address::Address;
use super::node::{Node, Said};
use super::pattern::TemplateRules;
use super::report::Report;

/// The identity of the resource, as far as its templates need it.
pub(crate) enum Identity {
    None,
    /// There is one, or may be one. Its client id is in the file if it is user-assigned.
    Some(Option<ClientId>),
}

/// Checks the templates whose address may begin with `url`.
pub(crate) fn check(upstream: &Node<'_>, url: &str, identity: &Identity, policy: &Policy, report: &mut Report) {
    let templates = match upstream.member("templates").elements() {
        Ok(templates) => templates,
        Err(text) => return report.unknown(format!("upstream: {text}")),
    };
    let mut is_any = false;
    let mut earlier: Vec<(String, TemplateRules)> = Vec::new();
    for template in templates {
        if let Some(text) = template.expression() {
            is_any = true;
            report.unknown(format!("upstream: {text}"));
            continue;
        }
        let (Said::Text(text) | Said::Expression(text)) = template.member("urlTemplate").said() else {
            report.fail("upstream: a template without an address; SignalR calls nobody for it");
            continue;
        };
        let (address, rules) = (Address::parse(text), TemplateRules::read(&template));
        let what = format!("upstream {}", address.shown());
        if address.may_begin_with(url) {
            is_any = true;
            TemplateCheck { what: &what, identity, policy, report }.run(&address, &rules, &template, &earlier);
        }
        earlier.push((what, rules));
    }
    if !is_any {
        let beginning = if url.is_empty() { String::new() } else { format!(" that begins with {url}") };
        report.fail(format!("upstream: no address{beginning}; SignalR calls nobody"));
    }
}

/// The check of one template.
struct TemplateCheck<'c> {
    what: &'c str,
    identity: &'c Identity,
    policy: &'c Policy,
    report: &'c mut Report,
}

impl TemplateCheck<'_> {
    fn run(
        mut self,
        address: &Address<'_>,
        rules: &TemplateRules,
        template: &Node<'_>,
        earlier: &[(String, TemplateRules)],
    ) {
        for fault in address.faults().into_iter().chain(rules.never_fires()) {
            self.fail(&fault);
        }
        for note in rules.differs_in_case() {
            self.report.note(format!("{}: {note}", self.what));
        }
        self.order(rules, earlier);
        self.secrets(address);
        self.authentication(&template.member("auth"));
    }

    fn order(&mut self, rules: &TemplateRules, earlier: &[(String, TemplateRules)]) {
        let takers: Vec<_> = earlier.iter().map(|(_, rules)| rules).collect();
        if rules.is_shadowed_by(&takers) {
            // One alone, where there is one.
            let one = earlier.iter().find(|(_, taker)| rules.is_shadowed_by(&[taker]));
            let taker = one.map_or("several together", |(what, _)| what);
            self.fail(&format!("never called, because earlier templates take all its events: {taker}"));
        }
    }

    fn secrets(&mut self, address: &Address<'_>) {
        for secret in address.secrets() {
            if matches!(self.identity, Identity::Some(_)) {
                self.report.unknown(format!(
                    "{}: reads the secret {secret} with the resource's identity, which needs the right to read it; see \
                     `az role assignment list --scope VAULT_ID` (Key Vault Secrets User) or the vault's access policies",
                    self.what
                ));
            } else {
                self.fail(&format!(
                    "the secret {secret} is read with the resource's identity, and there is none; switch one on and give \
                     it the right to read the secret (Key Vault Secrets User)"
                ));
            }
        }
        if address.has_code() {
            self.report.note(format!(
                "{}: a secret stands in the query in clear text. Beside the token it proves nothing more; remove it, or \
                 refer to Key Vault with {{@Microsoft.KeyVault(SecretUri=https://…)}}",
                self.what
            ));
        }
    }

    fn authentication(&mut self, auth: &Node<'_>) {
        match auth.member("type").said() {
            Said::Text(kind) if kind.eq_ignore_ascii_case("ManagedIdentity") => {}
            Said::Expression(text) => {
                return self.report.unknown(format!("{}: authentication {text}", self.what));
            }
            Said::Text(_) | Said::Nothing => {
                return self.fail("no token is sent; set auth.type to ManagedIdentity (portal: Use managed identity)");
            }
        }
        match auth.member("managedIdentity").member("resource").said() {
            Said::Nothing => self.fail(
                "the audience is empty, so the token is for Microsoft Graph; write the client id of your app registration \
                 into auth.managedIdentity.resource",
            ),
            Said::Expression(text) => self.report.unknown(format!("{}: audience {text}", self.what)),
            Said::Text(audience) => self.audience(audience),
        }
    }

    fn audience(&mut self, audience: &str) {
        if let Err(error) = Audiences::parse([audience]) {
            let problem = error.faults().next().map_or_else(String::new, |fault| fault.problem().to_owned());
            return self.fail(&format!("audience {problem}"));
        }
        if let (Identity::Some(Some(own)), Ok(client)) = (self.identity, audience.parse::<ClientId>())
            && *own == client
        {
            return self.fail(&format!(
                "the audience `{audience}` is the client id of the resource's identity; write that of your app registration"
            ));
        }
        let audiences = self.policy.audiences();
        if !audiences.accepts(audience, TokenVersion::V1) {
            return self.fail(&format!("the audience `{audience}` is not among SIGNALR_UPSTREAM_AUDIENCES"));
        }
        self.report.ok(format!("{}: managed identity, audience `{audience}`, as configured", self.what));
        let client = audience.strip_prefix("api://").unwrap_or(audience).trim_end_matches('/');
        if !audiences.accepts(client, TokenVersion::V2) || client.parse::<ClientId>().is_err() {
            self.report.note(format!(
                "{}: if the app registration issues v2 tokens (requestedAccessTokenVersion 2), their audience is its client \
                 id; have that in SIGNALR_UPSTREAM_AUDIENCES, too",
                self.what
            ));
        }
    }

    fn fail(&mut self, fault: &str) {
        self.report.fail(format!("{}: {fault}", self.what));
    }
}
