//! Files as they are read: the bytes that came, whole or a part of them.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::routing::get;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::store::File;
use super::urls::ROOT;
use crate::airtable::emulator::Emulator;

/// RFC 8187 §3.2.1, `attr-char`.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Files, at their signed URLs: `HEAD` as well, and without a token.
pub(crate) fn router() -> Router<Emulator> {
    Router::new().route(&format!("/{ROOT}/{{expires}}/{{id}}/{{size}}/{{signature}}"), get(read_file))
}

/// 410 is what Airtable is known to say of a URL whose time is over.
async fn read_file(
    State(emulator): State<Emulator>,
    Path((expires, id, size, signature)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let shared = &emulator.shared;
    let Some(signed) = shared.files.signer.check([&expires, &id, &size, &signature]) else {
        return refuse(StatusCode::FORBIDDEN, "This URL is not signed by this emulator.");
    };
    if shared.clock.now().as_millisecond() >= signed.expires {
        return refuse(StatusCode::GONE, "This URL has expired. Read the record again for a new one.");
    }
    match shared.files.store.find(signed.id) {
        Some(file) => respond(&file, &headers),
        None => refuse(StatusCode::NOT_FOUND, "This file does not exist any more."),
    }
}

/// The answer to a request for a file, whose signature is good and which has not expired.
fn respond(file: &File, request: &HeaderMap) -> Response<Body> {
    let etag = format!("\"{}\"", file.id);
    let if_range = request.get(IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
    let range = request.get(RANGE).filter(|_| if_range).and_then(|range| range.to_str().ok());
    let length = file.content.len();
    let part = range.map_or(Part::Whole, |range| Part::read(range, length));
    let (status, content) = match part {
        Part::Whole => (StatusCode::OK, file.content.clone()),
        Part::Of(from, to) => (StatusCode::PARTIAL_CONTENT, file.content.slice(from..to)),
        Part::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new()),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, content.len().into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let range = match part {
        Part::Whole => None,
        Part::Of(from, to) => Some(format!("bytes {from}-{}/{length}", to - 1)),
        Part::Beyond => Some(format!("bytes */{length}")),
    };
    let texts = [
        (CONTENT_RANGE, range),
        (ETAG, Some(etag)),
        (CONTENT_TYPE, Some(file.content_type.to_string())),
        (CONTENT_DISPOSITION, Some(disposition(&file.name))),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    guard(headers);
    *response.body_mut() = Body::from(content);
    response
}

/// A refusal, for people.
fn refuse(status: StatusCode, why: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(why));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    guard(response.headers_mut());
    response
}

/// Files are anybody's: a browser takes them for what they are said to be, and runs nothing in them.
fn guard(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
}

/// What a `Range` asks for. RFC 9110 §14.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// All, or something that need not be understood: several ranges, another unit, nonsense.
    Whole,
    /// From here to before there.
    Of(usize, usize),
    Beyond,
}

impl Part {
    fn read(range: &str, length: usize) -> Self {
        let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Whole;
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // What is too large for a number is beyond every end.
            digits.then(|| text.parse::<usize>().unwrap_or(usize::MAX))
        };
        match (number(first), number(last), last.is_empty()) {
            (Some(first), None, true) if first < length => Self::Of(first, length),
            (Some(first), Some(last), _) if first <= last && first < length => {
                Self::Of(first, last.saturating_add(1).min(length))
            }
            (Some(first), Some(last), _) if first > last => Self::Whole,
            (None, Some(count), _) if first.is_empty() && count > 0 && length > 0 => {
                Self::Of(length.saturating_sub(count), length)
            }
            (Some(_), None, true) | (Some(_), Some(_), _) => Self::Beyond,
            (None, Some(_), _) if first.is_empty() => Self::Beyond,
            _ => Self::Whole,
        }
    }
}

/// RFC 6266, with the name in both forms where it has letters of its own.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii() && !c.is_ascii_control() && c != '"' && c != '\\' { c } else { '_' })
        .collect();
    match plain == name {
        true => format!("inline; filename=\"{plain}\""),
        false => {
            format!("inline; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, EXTENDED))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_part_of_the_file_or_not_understood() {
        for (range, part) in [
            ("bytes=0-0", Part::Of(0, 1)),
            ("bytes=2-4", Part::Of(2, 5)),
            ("bytes=2-", Part::Of(2, 10)),
            ("bytes=-3", Part::Of(7, 10)),
            ("bytes=-30", Part::Of(0, 10)),
            ("bytes=8-99999999999999999999999", Part::Of(8, 10)),
            ("bytes=10-", Part::Beyond),
            ("bytes=10-12", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(Part::read(range, 10), part, "{range}");
        }
        assert_eq!(Part::read("bytes=0-", 0), Part::Beyond);
        assert_eq!(Part::read("bytes=-1", 0), Part::Beyond);
    }

    #[test]
    fn a_files_name_is_in_the_header_whatever_it_is() {
        assert_eq!(disposition("a b.png"), "inline; filename=\"a b.png\"");
        assert_eq!(disposition("ü.png"), "inline; filename=\"_.png\"; filename*=UTF-8''%C3%BC.png");
        assert_eq!(
            disposition("a\"\r\nSet-Cookie: x"),
            "inline; filename=\"a___Set-Cookie: x\"; filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x"
        );
    }
}
