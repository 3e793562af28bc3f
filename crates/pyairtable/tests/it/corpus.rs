//! Paths and queries as they come: what the emulator receives is byte for byte what the client sent, or it receives
//! nothing and the client is told.

use crate::support::raw;
use crate::support::seeds::{TOKEN, no_limits, plain_base, seed};
use crate::support::system::System;

const BASE: &str = "appCorpus00000001";
/// Longer than any line of the corpus, still below what the gateway and Airtable accept.
const LONG: usize = 15_999;

/// What stands behind `/v0/appCorpus00000001/`; kept as bytes, for not all of it is text.
fn corpus() -> Vec<Vec<u8>> {
    let lines: &[&str] = &[
        // Quotes, encoded and not.
        "It's",
        "It%27s",
        "%22quoted%22",
        "Rows?filterByFormula=Name='x'",
        "Rows?filterByFormula=Name=%27x%27",
        "Rows?view=%22",
        // Slashes, percent signs and plus signs that belong to the name.
        "a%2Fb",
        "a%2fb",
        "a%252Fb",
        "a%252fb",
        "100%25",
        "a+b",
        "a%20b",
        "a%2Bb",
        "Rows?view=a+b",
        "Rows?view=a%20b",
        "Rows?view=a%2Bb",
        // Ends.
        "Rows/",
        "Rows?",
        "Rows/?",
        "Rows/?&",
        "Rows?&",
        "Rows??",
        "Rows?=",
        "Rows?a",
        "Rows?a=",
        "Rows?a=b&",
        "Rows?a&&b",
        "Rows?offset=",
        // Lists.
        "Rows?fields[]=Name",
        "Rows?fields%5B%5D=Name",
        "Rows?fields%5b%5d=Name",
        "Rows?fields[0]=Name",
        "Rows?sort[0][field]=Name&sort[0][direction]=desc",
        "Rows?sort%5B0%5D[direction]=desc&sort[0]%5Bfield%5D=Name",
        "Rows?fields[]=Name&fields[]=Name",
        // Marks that URL libraries rewrite, drop or split at.
        "a;b",
        "a|b",
        "a%7Cb",
        "a^b",
        "a`b",
        "a{b}c",
        "a<b>c",
        "a\"b",
        "a~b",
        "a!b$c",
        "a(b)*c",
        "a,b:c@d=e&f",
        "a[b]c",
        "a%00b",
        "a%0D%0Ab",
        "a%7F",
        "Rows?a;b",
        "Rows?a|b",
        "Rows?a\"b",
        "Rows?a<b>",
        "Rows?a^b`c",
        "Rows?a{b}c",
        "Rows?a\\b",
        "Rows?a/../b",
        "Rows?a%00b",
        // Broken and odd escapes.
        "a%",
        "a%2",
        "a%zz",
        "a%%",
        "%E4%B8%AD%E6%96%87",
        "%FF%FE",
        "%c3%28",
        // Dots and backslashes that are not whole segments, and those that are.
        "a..b",
        "..a",
        "a..",
        "...",
        ".a",
        "a.",
        "a%2e",
        "Rows?x=..",
        "Rows?x=%2e%2e",
        "..;a",
        "%2e%2e%2e",
        ".",
        "..",
        "./",
        "../",
        "../appOther000000001/Rows",
        "Rows/..",
        "Rows/../Rows",
        "Rows/./x",
        "%2e",
        "%2E",
        "%2e%2e",
        "%2E%2E",
        "%2e.",
        ".%2E",
        "%2E.",
        "%2e%2e/appOther000000001/Rows",
        "Rows/%2e%2e/x",
        "..%2fappOther000000001",
        "%2e%2e%2fRows",
        "%252e%252e",
        "%252e%252e/x",
        "\\",
        "..\\",
        "a\\b",
        "%5c",
        "%5C",
        "a%5cb",
        "..%5cappOther000000001",
        "%255c",
        "Rows/\\..\\x",
        // Empty segments.
        "/",
        "//",
        "Rows//recCorpus00000001",
        "/Rows",
        // Records and literal segments.
        "Rows/rec0001/comments",
        "Rows/recCorpus00000001?",
        "Rows/recCorpus00000001/?",
        "Rows/listRecords",
        "Rows/rec%43orpus00000001",
        "Rows/sync/x",
        // Case.
        "ROWS",
        "rows",
        "%52ows",
        "R%6Fws",
    ];
    let mut corpus: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    corpus.push("Zeilen/Überblick 漢字 🦀".replace(' ', "%20").into_bytes());
    corpus.push("Rows?view=Übersicht&a=漢字".as_bytes().to_vec());
    corpus.push(b"latin1-\xE4\xF6".to_vec());
    corpus.push(b"Rows?view=\xFF\xFE".to_vec());
    let prefix = prefix().len();
    corpus.push(
        [
            b"Rows?filterByFormula=".as_slice(),
            "x".repeat(LONG - prefix - "Rows?filterByFormula=".len()).as_bytes(),
        ]
        .concat(),
    );
    corpus.push("y".repeat(LONG - prefix).into_bytes());
    corpus
}

fn prefix() -> String {
    format!("/v0/{BASE}/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_target_arrives_byte_for_byte_or_not_at_all() {
    let seeds =
        vec![plain_base(BASE, "Corpus", "row", 3), plain_base("appOther000000001", "Other", "row", 1)];
    let system =
        System::start(seed(seeds, no_limits()), &[("PACING", "off"), ("CACHE_MAX_BYTES", "0")]).await;
    let mut wrong = Vec::new();
    let (mut forwarded, mut refused) = (0, 0);
    for tail in corpus() {
        let target = [prefix().as_bytes(), &tail].concat();
        let shown: String = String::from_utf8_lossy(&target).chars().take(120).collect();
        let before = system.emulator.seen().await.len();
        let answer =
            raw::exchange(system.gateway.address, &raw::get(&target, &system.gateway.full_key)).await;
        // The gateway also asks for the schema on its own; everything else comes from the client.
        let seen: Vec<Vec<u8>> = system
            .emulator
            .seen()
            .await
            .split_off(before)
            .into_iter()
            .filter(|line| !line.starts_with(b"/v0/meta/"))
            .collect();
        match (answer, seen.as_slice()) {
            (None, _) => wrong.push(format!("{shown}: no answer")),
            (Some(answer), []) if (400..500).contains(&answer.status) => refused += 1,
            (Some(answer), []) => {
                wrong.push(format!("{shown}: {} without reaching the emulator", answer.status))
            }
            (Some(_), [one]) if *one == target => forwarded += 1,
            (Some(answer), seen) => {
                let seen: Vec<_> =
                    seen.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
                wrong.push(format!("{shown}: answered {}, the emulator saw {seen:?}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of the corpus went wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(
        forwarded > 60 && refused > 20,
        "{forwarded} forwarded, {refused} refused: the corpus no longer tests both"
    );
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emulator_alone_logs_targets_as_they_came() {
    let system = System::start(seed(vec![plain_base(BASE, "Corpus", "row", 3)], no_limits()), &[]).await;
    for tail in ["It's", "a%2Fb/", "Rows/?", "Rows?fields[]=Name", "Rows?a%5b%5D=|", "Rows?view=Übersicht"] {
        let target = [prefix().as_bytes(), tail.as_bytes()].concat();
        let answer =
            raw::exchange(system.emulator.address, &raw::get(&target, TOKEN)).await.expect("an answer");
        assert!((200..500).contains(&answer.status), "{tail}: {}", answer.head);
        assert_eq!(system.emulator.seen().await.last(), Some(&target), "{tail}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dot_segments_and_backslashes_are_refused_before_the_key_is_looked_at() {
    let system =
        System::start(seed(vec![plain_base(BASE, "Corpus", "row", 3)], no_limits()), &[("PACING", "off")])
            .await;
    for tail in [".", "..", "%2e%2e", "%2E.", ".%2e", "Rows/..", "Rows/%2e%2e/x", "..\\x", "a\\b", "%5c"] {
        let target = [prefix().as_bytes(), tail.as_bytes()].concat();
        for key in [system.gateway.full_key.as_str(), "pya_live_wrong", ""] {
            let answer =
                raw::exchange(system.gateway.address, &raw::get(&target, key)).await.expect("an answer");
            assert!((400..500).contains(&answer.status), "{tail}: {}", answer.head);
            assert_ne!(answer.status, 401, "{tail} is refused for what it is");
            let body: serde_json::Value =
                serde_json::from_slice(&answer.body).expect("Airtable's error shape");
            assert!(body.get("error").is_some(), "{tail}: {body}");
        }
    }
    assert_eq!(system.emulator.seen().await.len(), 0);
    system.stop().await;
}
