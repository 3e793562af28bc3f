//! URLs of files: made anew for each answer, signed, and good for a while.
//!
//! `http://HOST/attachments/EXPIRES/ATTACHMENT/SIZE/SIGNATURE`, where `EXPIRES` are milliseconds since 1970. The signature
//! is all that it takes to read the file: no token.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use http::Uri;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::image::{self, Size};
use crate::airtable::ids::AttachmentId;

/// The first segment of their paths.
pub(super) const ROOT: &str = "attachments";

/// Signs URLs, and knows its own.
#[derive(Clone)]
pub(crate) struct Signer {
    key: [u8; 32],
}

/// A URL whose signature is good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Signed {
    pub(crate) id: AttachmentId,
    /// Milliseconds since 1970; from then on it is refused.
    pub(crate) expires: i64,
}

impl Signer {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    fn mac(&self, expires: i64, id: AttachmentId, size: Size) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(format!("{expires}/{id}/{}", size.name()).as_bytes());
        mac
    }

    fn path(&self, expires: i64, id: AttachmentId, size: Size) -> String {
        let signature = URL_SAFE_NO_PAD.encode(self.mac(expires, id, size).finalize().into_bytes());
        format!("/{ROOT}/{expires}/{id}/{}/{signature}", size.name())
    }

    /// Checks the segments of a path after the first; `None` if this was never given out.
    pub(crate) fn check(&self, [expires, id, size, signature]: [&str; 4]) -> Option<Signed> {
        let (number, id, size) = (expires.parse::<i64>().ok()?, AttachmentId::parse(id)?, Size::parse(size)?);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // `+1` would be the same number.
        let is_ours =
            number.to_string() == expires && self.mac(number, id, size).verify_slice(&signature).is_ok();
        is_ours.then_some(Signed { id, expires: number })
    }

    /// The same for a whole URL, whatever its host.
    pub(crate) fn check_url(&self, url: &str) -> Option<Signed> {
        let (_, rest) = url.split_once("://")?;
        let (_, path) = rest.split_once('/')?;
        match path.split('/').collect::<Vec<_>>()[..] {
            [ROOT, expires, id, size, signature] => self.check([expires, id, size, signature]),
            _ => None,
        }
    }
}

/// Makes the URLs of one answer.
#[derive(Clone)]
pub(crate) struct Urls {
    signer: Signer,
    /// `http://host:port`, without a slash at the end.
    origin: String,
    expires: i64,
}

impl Urls {
    pub(super) fn new(signer: Signer, origin: String, expires: i64) -> Self {
        Self { signer, origin, expires }
    }

    pub(crate) fn of(&self, id: AttachmentId, size: Size) -> String {
        format!("{}{}", self.origin, self.signer.path(self.expires, id, size))
    }

    /// An attachment of ours with its URLs, which it is kept without.
    pub(crate) fn complete(&self, id: AttachmentId, kept: &Map<String, Value>) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("id".to_owned(), id.to_string().into());
        object.insert("url".to_owned(), self.of(id, Size::File).into());
        object.extend(kept.clone());
        if let Some(thumbnails) = image::thumbnails(kept, |size| self.of(id, size)) {
            object.insert("thumbnails".to_owned(), thumbnails);
        }
        object
    }

    /// The same for every attachment in an answer that was made, and kept, before anybody asked for it.
    pub(crate) fn complete_all(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.complete_all(item)),
            Value::Object(object) => {
                let id = object.get("id").and_then(Value::as_str).and_then(AttachmentId::parse);
                match id.filter(|_| object.contains_key("filename") && !object.contains_key("url")) {
                    Some(id) => *object = self.complete(id, object),
                    None => object.values_mut().for_each(|value| self.complete_all(value)),
                }
            }
            _ => {}
        }
    }
}

/// Scheme and host, such as `https://airtable.test`, where the emulator is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| "must be a URL")?;
        let is_bare = uri.path() == "/" && uri.query().is_none() && !text.contains(['@', '#']);
        match (uri.scheme_str(), uri.host()) {
            (Some("http" | "https"), Some(host)) if is_bare && !host.is_empty() => {
                Ok(Self(text.trim_end_matches('/').to_owned()))
            }
            _ => Err("must be http:// or https:// and a host, without a path"),
        }
    }
}

/// Where clients find files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// Wins over what a request says.
    pub(crate) public_url: Option<PublicUrl>,
    /// The emulator's own address, if it is known.
    pub(crate) listens_on: Option<SocketAddr>,
}

impl Origin {
    /// The origin that a request was sent to. Airtable's own names, which reach the emulator through a proxy only, are
    /// replaced by the emulator's address: whoever reads the URL later may not have that proxy.
    pub(super) fn of(&self, parts: &Parts) -> String {
        if let Some(PublicUrl(url)) = &self.public_url {
            return url.clone();
        }
        let named = match parts.uri.authority() {
            Some(authority) => Some(authority.clone()),
            None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()?.parse().ok()),
        };
        let named = named.filter(|authority: &Authority| !authority.as_str().contains('@'));
        let own = || {
            self.listens_on.map(|mut address| {
                if address.ip().is_unspecified() {
                    address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
                }
                address.to_string()
            })
        };
        let is_airtables = |authority: &Authority| {
            let host = authority.host().to_ascii_lowercase();
            host == "airtable.com" || host.ends_with(".airtable.com")
        };
        let host = match named {
            Some(authority) if is_airtables(&authority) => own().unwrap_or_else(|| authority.to_string()),
            Some(authority) => authority.to_string(),
            None => own().unwrap_or_else(|| "localhost".to_owned()),
        };
        format!("http://{host}")
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::json;

    use super::*;

    const NOON: i64 = 1_700_000_000_000;

    fn urls() -> Urls {
        Urls::new(Signer::new([7; 32]), "http://test:1".to_owned(), NOON)
    }

    #[test]
    fn only_urls_that_were_given_out_are_good() {
        let (urls, id) = (urls(), AttachmentId::mint());
        let url = urls.of(id, Size::Large);
        let signed = Some(Signed { id, expires: NOON });
        assert_eq!(urls.signer.check_url(&url), signed);
        assert_eq!(urls.signer.check_url(&url.replace("http://test:1", "https://other")), signed);
        assert_eq!(Signer::new([8; 32]).check_url(&url), None, "another emulator's");
        for (part, other) in [
            (NOON.to_string(), (NOON + 1).to_string()),
            (NOON.to_string(), format!("+{NOON}")),
            (id.to_string(), AttachmentId::mint().to_string()),
            ("/large/".to_owned(), "/full/".to_owned()),
            ("/attachments/".to_owned(), "/attachment/".to_owned()),
            ("/large/".to_owned(), "/large/A".to_owned()),
        ] {
            assert_eq!(urls.signer.check_url(&url.replace(&part, &other)), None, "{part} {other}");
        }
        for bad in
            ["", "http://test", "http://test/attachments/", "attachments/1/2/3/4", &url[..url.len() - 1]]
        {
            assert_eq!(urls.signer.check_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn urls_are_added_to_attachments_of_ours_and_to_nothing_else() {
        let id = AttachmentId::mint().to_string();
        let mut answer = json!({"payloads": [{"cells": {"fld": [
            {"id": id, "filename": "a.png", "size": 1, "type": "image/png", "width": 72, "height": 36},
            {"id": id, "url": "https://x/a", "filename": "a"},
            {"id": "recAAAAAAAAAAAAAA", "name": "x"},
        ]}}]});
        urls().complete_all(&mut answer);
        let files = &answer["payloads"][0]["cells"]["fld"];
        let keys: Vec<_> = files[0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "url", "filename", "size", "type", "width", "height", "thumbnails"]);
        let small = &files[0]["thumbnails"]["small"];
        assert_eq!((&small["width"], &small["height"]), (&json!(72), &json!(36)));
        assert!(small["url"].as_str().unwrap().contains("/small/"));
        assert_eq!(files[1], json!({"id": id, "url": "https://x/a", "filename": "a"}));
        assert_eq!(files[2], json!({"id": "recAAAAAAAAAAAAAA", "name": "x"}));
    }

    #[test]
    fn files_are_found_where_the_request_was_sent() {
        let origin = |known: &Origin, target: &str, host: Option<&str>| {
            let mut request = Request::builder().uri(target);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            known.of(&request.body(()).unwrap().into_parts().0)
        };
        let nothing = Origin::default();
        let own = Origin { listens_on: Some("127.0.0.1:8902".parse().unwrap()), ..Origin::default() };
        let public = Origin { public_url: Some("https://files.test/".parse().unwrap()), ..own.clone() };
        assert_eq!(origin(&own, "/v0/x", Some("emulator:8902")), "http://emulator:8902");
        assert_eq!(origin(&own, "http://proxied:1/v0/x", Some("ignored")), "http://proxied:1");
        assert_eq!(origin(&own, "http://content.airtable.com/v0/x", None), "http://127.0.0.1:8902");
        assert_eq!(origin(&nothing, "/v0/x", Some("API.airtable.com")), "http://API.airtable.com");
        for bad in [None, Some("a b"), Some("user@host"), Some("<script>")] {
            assert_eq!(origin(&nothing, "/v0/x", bad), "http://localhost", "{bad:?}");
        }
        let everywhere = Origin { listens_on: Some("0.0.0.0:8902".parse().unwrap()), ..Origin::default() };
        assert_eq!(origin(&everywhere, "/v0/x", Some("api.airtable.com")), "http://127.0.0.1:8902");
        for bad in ["files.test", "ftp://files.test", "http://", "http://a/b", "http://a?b", "http://a@b", ""]
        {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
        assert_eq!(origin(&public, "/v0/x", Some("emulator:8902")), "https://files.test");
    }
}
