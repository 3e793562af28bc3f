//! The pages that a person sees: self-contained, without scripts, every value escaped.

use url::{Host, Url};

use super::authorize::Wanted;
use crate::airtable::access::Reach;
use crate::airtable::ids::BaseId;

/// A page, and what it may do.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) html: String,
    /// `Content-Security-Policy`
    pub(super) policy: String,
}

/// A base that can be granted.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) id: BaseId,
    pub(super) name: String,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f4f5;color:#18181b}\
main{max-width:34rem;margin:4rem auto;padding:2rem;background:#fff;border-radius:8px}\
h1{font-size:1.4rem}label{display:block}fieldset{border:1px solid #d4d4d8;border-radius:6px;margin:1rem 0}\
button{font:inherit;padding:.4rem 1rem;margin-right:.5rem}.note{color:#71717a}.problem{color:#b91c1c}";

/// Asks whether the integration may. `ticket` stands for the request; `chosen` is ticked.
pub(super) fn consent(
    wanted: &Wanted,
    person: &str,
    bases: &[Choice],
    chosen: &Reach,
    ticket: &str,
    problem: Option<&str>,
) -> Page {
    let scopes: String =
        wanted.scopes.iter().map(|scope| format!("<li><code>{}</code></li>", escape(scope))).collect();
    let row = |value: &str, label: &str, is_chosen: bool| {
        let checked = if is_chosen { " checked" } else { "" };
        format!(
            "<label><input type=\"checkbox\" name=\"base\" value=\"{}\"{checked}> {}</label>\n",
            escape(value),
            escape(label)
        )
    };
    let mut rows = row("*", "All bases, also those that are made later", *chosen == Reach::All);
    for base in bases {
        let is_chosen = matches!(chosen, Reach::Only(ids) if ids.contains(&base.id));
        rows.push_str(&row(&base.id.to_string(), &format!("{} ({})", base.name, base.id), is_chosen));
    }
    let problem =
        problem.map(|text| format!("<p class=\"problem\">{}</p>\n", escape(text))).unwrap_or_default();
    let name = escape(&wanted.client.name);
    let body = format!(
        "<h1>{name} asks to act for {}</h1>\n\
         <p>It would return you to <code>{}</code>, and may then use:</p>\n<ul>{scopes}</ul>\n{problem}\
         <form method=\"post\" action=\"/oauth2/v1/authorize\">\n\
         <input type=\"hidden\" name=\"ticket\" value=\"{}\">\n\
         <fieldset><legend>in these bases</legend>\n{rows}</fieldset>\n\
         <button name=\"decision\" value=\"grant\">Grant access</button>\n\
         <button name=\"decision\" value=\"deny\">Deny</button>\n</form>",
        escape(person),
        escape(&wanted.redirect_uri),
        escape(ticket),
    );
    Page { html: html(&body), policy: policy(Some(&wanted.redirect_uri)) }
}

/// Tells a person what is wrong where there is nowhere to return to.
pub(super) fn problem(text: &str) -> Page {
    let body = format!("<h1>Nothing was granted</h1>\n<p class=\"problem\">{}</p>", escape(text));
    Page { html: html(&body), policy: policy(None) }
}

fn html(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Emulated Airtable</title>\n\
         <style>{STYLE}</style></head>\n<body><main>\n\
         <p class=\"note\">This is an emulated Airtable on a machine of yours, not Airtable.</p>\n{body}\n\
         </main></body>\n</html>\n"
    )
}

/// Nothing from elsewhere, nobody's frame; the form may lead back to the integration.
fn policy(redirect_uri: Option<&str>) -> String {
    let back = redirect_uri.and_then(|uri| Url::parse(uri).ok()).map(|url| match url.host() {
        // A policy cannot name such a host.
        Some(Host::Ipv6(_)) => format!(" {}:", url.scheme()),
        _ => format!(" {}", url.origin().ascii_serialization()),
    });
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'{}; frame-ancestors 'none'; base-uri 'none'",
        back.unwrap_or_default()
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::airtable::oauth::client::{Client, Consent};

    #[test]
    fn nothing_that_stands_on_the_page_can_break_out_of_it() {
        let bad = "\"><script>alert('x')</script>&amp;";
        let wanted = Wanted {
            client: Arc::new(Client {
                id: "client".into(),
                secret: None,
                name: bad.to_owned(),
                redirect_uris: Vec::new(),
                scopes: Vec::new(),
                consent: Consent::Ask,
                user: 0,
                bases: Reach::All,
            }),
            redirect_uri: "https://app.example.com:8443/cb?a='b'".to_owned(),
            scopes: vec!["data.records:read".to_owned()],
            state: "0123456789abcdef".to_owned(),
            challenge: String::new(),
        };
        let base = Choice { id: BaseId::parse("app00000000000001").unwrap(), name: bad.to_owned() };
        let page = consent(&wanted, bad, &[base], &Reach::All, "ticket", Some(bad));
        assert!(!page.html.contains("<script>") && !page.html.contains("alert('x')"), "{}", page.html);
        assert_eq!(page.html.matches("&lt;script&gt;").count(), 4);
        assert!(page.html.contains("cb?a=&#39;b&#39;"));
        assert!(page.policy.contains("form-action 'self' https://app.example.com:8443;"), "{}", page.policy);
        assert!(!problem(bad).html.contains("<script>"));
    }
}
