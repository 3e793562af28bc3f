use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::airtable::access::{User, Users};
use crate::airtable::ids::BaseId;
use crate::airtable::oauth::client::Consent;

const START: i64 = 1_700_000_000_000;
const GRACE: i64 = 10_000;
const DAY: i64 = 24 * 60 * 60 * 1000;
const CALLBACK: &str = "https://app.example.com/cb";
/// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const PROOF: Proof<'_> = Proof { redirect_uri: Some(CALLBACK), verifier: Some(VERIFIER) };

fn client(id: &str) -> Arc<Client> {
    Arc::new(Client {
        id: id.into(),
        secret: None,
        name: id.to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
        scopes: ["data.records:read", "data.records:write", "schema.bases:read"].map(str::to_owned).into(),
        consent: Consent::Ask,
        user: 0,
        bases: Reach::All,
    })
}

/// Grants with one code in them, its client, and the code.
fn allowed() -> (Grants, Arc<Client>, String) {
    let client = client("one");
    let wanted = authorize::Wanted {
        client: Arc::clone(&client),
        redirect_uri: CALLBACK.to_owned(),
        scopes: ["schema.bases:read", "data.records:read"].map(str::to_owned).into(),
        state: "0123456789abcdef".to_owned(),
        challenge: CHALLENGE.to_owned(),
    };
    let mut grants = Grants::default();
    let code = grants.allow(&wanted, Reach::Only(HashSet::from([base()])), START);
    (grants, client, code)
}

fn base() -> BaseId {
    BaseId::parse("app00000000000001").unwrap()
}

/// The same after the exchange.
fn exchanged() -> (Grants, Arc<Client>, String, Issued) {
    let (mut grants, client, code) = allowed();
    let issued = grants.exchange(&code, Ok(&client), PROOF, START).unwrap();
    (grants, client, code, issued)
}

fn users() -> Users {
    Users(vec![User { id: "usr00000000000001".to_owned(), email: None, name: None }])
}

fn known<'a>(clients: &'a [Arc<Client>], users: &'a Users) -> Known<'a> {
    Known { clients, users, is_base: &|id| id == base() }
}

#[test]
fn a_code_gives_tokens_once_and_its_second_use_ends_them() {
    let (mut grants, client, code, issued) = exchanged();
    assert_eq!(issued.scopes, ["schema.bases:read", "data.records:read"]);
    let access = grants.access(&issued.access_token, START).unwrap();
    assert_eq!(access.client.as_deref(), Some("one"));
    assert!(access.reaches(base()) && !access.is_personal());
    let other = client_error(grants.exchange(&code, Ok(&self::client("two")), PROOF, START));
    assert_eq!(other, "invalid_grant");
    assert!(grants.access(&issued.access_token, START).is_some(), "somebody else's use ends nothing");
    assert_eq!(client_error(grants.exchange(&code, Ok(&client), PROOF, START)), "invalid_grant");
    assert!(grants.access(&issued.access_token, START).is_none());
    assert!(grants.refresh(&issued.refresh_token, None, &client, (GRACE, START)).is_err());
}

fn client_error(answer: Result<Issued, TokenError>) -> &'static str {
    answer.unwrap_err().error
}

#[test]
fn a_code_is_spent_by_whatever_is_wrong_with_the_request() {
    let long = "a".repeat(129);
    let proof = |redirect_uri, verifier| Proof { redirect_uri, verifier };
    for (bad, error) in [
        (proof(None, Some(VERIFIER)), "invalid_request"),
        (proof(Some(CALLBACK), None), "invalid_request"),
        (proof(Some("https://app.example.com/cb/"), Some(VERIFIER)), "invalid_grant"),
        (proof(Some(CALLBACK), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl")), "invalid_grant"),
        (proof(Some(CALLBACK), Some(CHALLENGE)), "invalid_grant"),
        (proof(Some(CALLBACK), Some(&VERIFIER[1..])), "invalid_request"),
        (proof(Some(CALLBACK), Some(&long)), "invalid_request"),
        (proof(Some(CALLBACK), Some("dBjftJeZ4CVP~mB92K27uhbUJU1p1r_wW1gFWFOEjXk")), "invalid_request"),
    ] {
        let (mut grants, client, code) = allowed();
        assert_eq!(client_error(grants.exchange(&code, Ok(&client), bad, START)), error, "{bad:?}");
        assert_eq!(
            client_error(grants.exchange(&code, Ok(&client), PROOF, START)),
            "invalid_grant",
            "{bad:?}"
        );
    }
    let nobody = || Err(TokenError::invalid_request("nobody"));
    for stranger in [nobody(), Ok(&*client("two"))] {
        let (mut grants, client, code) = allowed();
        assert!(grants.exchange(&code, stranger, PROOF, START).is_err());
        assert_eq!(client_error(grants.exchange(&code, Ok(&client), PROOF, START)), "invalid_grant");
    }
}

#[test]
fn a_code_lives_ten_minutes_an_access_token_an_hour_and_a_refresh_token_sixty_days() {
    let late = START + 10 * 60 * 1000;
    let (mut grants, client, code) = allowed();
    assert_eq!(client_error(grants.exchange(&code, Ok(&client), PROOF, late)), "invalid_grant");
    let (mut grants, client, code) = allowed();
    assert!(grants.exchange(&code, Ok(&client), PROOF, late - 1).is_ok());

    let (mut grants, client, _, issued) = exchanged();
    assert!(grants.access(&issued.access_token, START + 3_600_000 - 1).is_some());
    assert!(grants.access(&issued.access_token, START + 3_600_000).is_none());
    let at = START + 60 * DAY - 1;
    let renewed = grants.refresh(&issued.refresh_token, None, &client, (GRACE, at)).unwrap();
    let error = grants.refresh(&renewed.refresh_token, None, &client, (GRACE, at + 60 * DAY));
    assert_eq!(client_error(error), "invalid_grant");
}

#[test]
fn a_refresh_ends_the_tokens_before_it_and_a_second_one_conflicts_for_a_while() {
    let (mut grants, client, _, first) = exchanged();
    let mut refresh = |token: &str, at| {
        let answer = grants.refresh(token, None, &client, (GRACE, START + at));
        let works = |issued: &Issued| grants.access(&issued.access_token, START + at).is_some();
        (works(&first), answer)
    };
    let (first_works, second) = refresh(&first.refresh_token, 1000);
    let second = second.unwrap();
    assert!(!first_works);
    assert_ne!(second, first);
    for at in [1001, 5000, 10_999] {
        assert_eq!(refresh(&first.refresh_token, at).1.unwrap_err().status, 409, "{at}");
    }
    assert_eq!(client_error(refresh(&first.refresh_token, 11_000).1), "invalid_grant");
    assert!(refresh(&second.refresh_token, 11_001).1.is_ok(), "nothing of that has ended the grant");
}

#[test]
fn more_than_ten_refreshes_a_second_with_one_token_revoke_the_grant() {
    let (mut grants, client, _, issued) = exchanged();
    let mut refresh = |at: i64| grants.refresh(&issued.refresh_token, None, &client, (GRACE, START + at));
    let second = refresh(0).unwrap();
    for at in 1..10 {
        assert_eq!(refresh(at * 10).unwrap_err().status, 409, "{at}");
    }
    assert_eq!(refresh(1000).unwrap_err().status, 409, "the first of ten is a second ago");
    assert_eq!(client_error(refresh(1005)), "invalid_grant");
    assert!(grants.access(&second.access_token, START + 1005).is_none());
    assert!(grants.refresh(&second.refresh_token, None, &client, (GRACE, START + 5000)).is_err());
}

#[test]
fn a_refresh_may_narrow_the_access_token_and_the_next_one_widens_it_again() {
    let (mut grants, client, _, issued) = exchanged();
    for bad in ["data.records:write", "webhook:manage", "schema.bases:read schema.bases:read", " "] {
        let answer = grants.refresh(&issued.refresh_token, Some(bad), &client, (GRACE, START));
        assert_eq!(client_error(answer), "invalid_request", "{bad}");
    }
    let narrow = grants.refresh(&issued.refresh_token, Some("schema.bases:read"), &client, (GRACE, START));
    let narrow = narrow.unwrap();
    assert_eq!(narrow.scopes, ["schema.bases:read"]);
    assert_eq!(grants.access(&narrow.access_token, START).unwrap().scopes.len(), 1);
    let wide = grants.refresh(&narrow.refresh_token, None, &client, (GRACE, START)).unwrap();
    assert_eq!(wide.scopes.len(), 2);
}

#[test]
fn tokens_are_good_for_what_they_are_and_for_their_own_client() {
    let (mut grants, client, code, issued) = exchanged();
    assert!(grants.access(&issued.refresh_token, START).is_none());
    assert!(grants.access(&code, START).is_none());
    for wrong in [&issued.access_token, &code, &"nothing".to_owned()] {
        assert_eq!(client_error(grants.refresh(wrong, None, &client, (GRACE, START))), "invalid_grant");
    }
    let other = self::client("two");
    assert_eq!(
        client_error(grants.refresh(&issued.refresh_token, None, &other, (GRACE, START))),
        "invalid_grant"
    );
    assert_eq!(grants.revoke(&issued.refresh_token, &other, START).unwrap_err().error, "invalid_grant");
    assert!(grants.access(&issued.access_token, START).is_some());
    assert!(grants.refresh(&issued.refresh_token, None, &client, (GRACE, START)).is_ok());
}

#[test]
fn revoking_an_access_token_ends_it_alone_and_a_refresh_token_the_whole_grant() {
    let (mut grants, client, _, issued) = exchanged();
    grants.revoke("nothing", &client, START).unwrap();
    grants.revoke(&issued.access_token, &client, START).unwrap();
    assert!(grants.access(&issued.access_token, START).is_none());
    let issued = grants.refresh(&issued.refresh_token, None, &client, (GRACE, START)).unwrap();
    grants.revoke(&issued.refresh_token, &client, START).unwrap();
    assert!(grants.access(&issued.access_token, START).is_none());
    assert!(grants.refresh(&issued.refresh_token, None, &client, (GRACE, START)).is_err());
    grants.revoke(&issued.refresh_token, &client, START).unwrap();
    assert!(grants.index.is_empty() && grants.list.is_empty());
}

#[test]
fn grants_read_back_as_they_were_written() {
    let (mut grants, client, code, issued) = exchanged();
    let renewed =
        grants.refresh(&issued.refresh_token, Some("data.records:read"), &client, (GRACE, START)).unwrap();
    let (clients, users) = ([Arc::clone(&client)], users());
    let written = grants.to_seed(&users);
    let mut again = Grants::default();
    for entry in written.as_array().unwrap() {
        again.add_entry(entry.clone(), known(&clients, &users), 0).unwrap();
    }
    assert_eq!(again.to_seed(&users), written);
    assert_eq!(again.access(&renewed.access_token, START), grants.access(&renewed.access_token, START));
    let conflict = again.refresh(&issued.refresh_token, None, &client, (GRACE, START + 1));
    assert_eq!(conflict.unwrap_err().status, 409);
    assert!(again.exchange(&code, Ok(&client), PROOF, START).is_err());
    assert!(again.access(&renewed.access_token, START).is_none(), "the code was known to be used");
}

#[test]
fn an_entry_needs_a_client_and_a_token_and_no_more() {
    let (clients, users) = ([client("one")], users());
    let add = |entry: Value| {
        let mut grants = Grants::default();
        grants
            .add_entry(entry, known(&clients, &users), START)
            .map(|()| grants)
            .map_err(|why| why.to_string())
    };
    let grants = add(json!({"client": "one", "accessToken": {"token": "oaaA.b"}})).unwrap();
    let access = grants.access("oaaA.b", START + 1).unwrap();
    assert_eq!((access.scopes.len(), &access.bases), (3, &Reach::All));
    assert!(grants.access("oaaA.b", START + 3_600_000).is_none());
    let token = json!({"token": "oaaA.b"});
    for (entry, why) in [
        (json!({"client": "two", "accessToken": token}), "there is no client \"two\""),
        (json!({"client": "one"}), "needs a code or a token"),
        (json!({"client": "one", "accesToken": token}), "unknown field `accesToken`"),
        (json!({"client": "one", "accessToken": token, "user": "usr2"}), "there is no user \"usr2\""),
        (json!({"client": "one", "accessToken": token, "bases": ["app00000000000002"]}), "there is no base"),
        (json!({"client": "one", "accessToken": token, "bases": 1}), "bases must be"),
        (
            json!({"client": "one", "accessToken": token, "scopes": ["webhook:manage"]}),
            "none of the client's",
        ),
        (json!({"client": "one", "accessToken": token, "refreshToken": token}), "stands here twice"),
        (json!({"client": "one", "accessToken": {"token": "a b"}}), "ASCII without spaces"),
        (
            json!({"client": "one", "accessToken": {"token": "a", "expirationTime": "soon"}}),
            "\"soon\" is not a time",
        ),
        (json!([]), "must be an object"),
    ] {
        let error = add(entry.clone()).unwrap_err();
        assert!(error.contains(why), "{entry}: {error}");
    }
}

/// What may be done next, with one of the codes or tokens that there have been.
#[derive(Debug, Clone)]
enum Step {
    Allow,
    Exchange(usize, bool),
    Refresh(usize, bool),
    Revoke(usize),
    Wait(i64),
    KeepAndRead,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Allow),
        (any::<usize>(), any::<bool>()).prop_map(|(which, good)| Step::Exchange(which, good)),
        (any::<usize>(), any::<bool>()).prop_map(|(which, good)| Step::Refresh(which, good)),
        any::<usize>().prop_map(Step::Revoke),
        prop_oneof![Just(100), Just(GRACE), Just(10 * 60 * 1000), Just(60 * DAY)].prop_map(Step::Wait),
        Just(Step::KeepAndRead),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn no_code_and_no_refresh_token_ever_works_twice(steps in steps()) {
        let (mut grants, client, first) = allowed();
        let (clients, users, other) = ([Arc::clone(&client)], users(), self::client("two"));
        let wanted = authorize::Wanted {
            client: Arc::clone(&client),
            redirect_uri: CALLBACK.to_owned(),
            scopes: vec!["data.records:read".to_owned()],
            state: String::new(),
            challenge: CHALLENGE.to_owned(),
        };
        let (mut names, mut worked, mut now) = (vec![first], HashSet::new(), START);
        for step in steps {
            let (used, answer) = match step {
                Step::Allow => {
                    names.push(grants.allow(&wanted, Reach::All, now));
                    continue;
                }
                Step::Exchange(which, good) => {
                    let code = names[which % names.len()].clone();
                    let proof = Proof { verifier: good.then_some(VERIFIER), ..PROOF };
                    let answer = grants.exchange(&code, Ok(&client), proof, now);
                    prop_assert!(good || answer.is_err());
                    (code, answer)
                }
                Step::Refresh(which, own) => {
                    let token = names[which % names.len()].clone();
                    let who = if own { &client } else { &other };
                    let answer = grants.refresh(&token, None, who, (GRACE, now));
                    prop_assert!(own || answer.is_err());
                    (token, answer)
                }
                Step::Revoke(which) => {
                    let token = &names[which % names.len()];
                    grants.revoke(token, &client, now).unwrap();
                    prop_assert!(grants.access(token, now).is_none());
                    continue;
                }
                Step::Wait(ms) => {
                    now += ms;
                    continue;
                }
                Step::KeepAndRead => {
                    let written = grants.to_seed(&users);
                    grants = Grants::default();
                    for entry in written.as_array().unwrap() {
                        grants.add_entry(entry.clone(), Known { clients: &clients, users: &users, is_base: &|_| true }, now).unwrap();
                    }
                    prop_assert_eq!(grants.to_seed(&users), written);
                    continue;
                }
            };
            if let Ok(issued) = answer {
                prop_assert!(grants.access(&issued.access_token, now).is_some());
                prop_assert!(worked.insert(used), "it has worked before");
                names.extend([issued.access_token, issued.refresh_token]);
            }
            let known: HashSet<_> = grants.list.values().flat_map(Grant::names).collect();
            prop_assert_eq!(known, grants.index.keys().map(String::as_str).collect::<HashSet<_>>());
        }
    }
}
