//! Who may do what: tokens with their scopes and bases, users, and the roles they have in a base. Personal access tokens
//! are those of the seed; those that integrations get are made by [`super::oauth`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::errors::AirtableError;
use super::ids::BaseId;

/// Scopes that Airtable grants to tokens, in its own order.
/// Source: <https://airtable.com/developers/web/api/scopes>.
pub(crate) const SCOPES: [&str; 25] = [
    "data.records:read",
    "data.records:write",
    "data.recordComments:read",
    "data.recordComments:write",
    "schema.bases:read",
    "schema.bases:write",
    "workspacesAndBases:read",
    "webhook:manage",
    "block:manage",
    "user.email:read",
    "enterprise.groups:read",
    "workspacesAndBases:write",
    "workspacesAndBases.shares:manage",
    "enterprise.scim.usersAndGroups:manage",
    "enterprise.auditLogs:read",
    "enterprise.changeEvents:read",
    "enterprise.exports:manage",
    "enterprise.account:read",
    "enterprise.account:write",
    "enterprise.user:read",
    "enterprise.user:write",
    "enterprise.groups:manage",
    "workspacesAndBases:manage",
    "hyperDB.records:read",
    "hyperDB.records:write",
];

/// A scope that some call of the emulator asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scope {
    RecordsRead,
    RecordsWrite,
    CommentsRead,
    CommentsWrite,
    SchemaRead,
    SchemaWrite,
    WorkspacesRead,
    WorkspacesWrite,
    WebhookManage,
    UserEmail,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::RecordsRead => "data.records:read",
            Self::RecordsWrite => "data.records:write",
            Self::CommentsRead => "data.recordComments:read",
            Self::CommentsWrite => "data.recordComments:write",
            Self::SchemaRead => "schema.bases:read",
            Self::SchemaWrite => "schema.bases:write",
            Self::WorkspacesRead => "workspacesAndBases:read",
            Self::WorkspacesWrite => "workspacesAndBases:write",
            Self::WebhookManage => "webhook:manage",
            Self::UserEmail => "user.email:read",
        }
    }
}

/// What the token's user may do in a base, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    None,
    Read,
    Comment,
    Edit,
    Create,
}

impl Role {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Read, Self::Comment, Self::Edit, Self::Create]
            .into_iter()
            .find(|role| role.name() == text)
    }

    /// The word of `permissionLevel`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Comment => "comment",
            Self::Edit => "edit",
            Self::Create => "create",
        }
    }
}

/// Who may do what in a base.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Roles {
    /// Of everybody who is not named.
    pub(crate) others: Role,
    /// By the id of a user.
    pub(crate) named: BTreeMap<String, Role>,
}

impl Roles {
    /// The same for all.
    pub(crate) fn all(role: Role) -> Self {
        Self { others: role, named: BTreeMap::new() }
    }

    pub(crate) fn of(&self, user: &str) -> Role {
        self.named.get(user).copied().unwrap_or(self.others)
    }
}

/// A person (or a group, in a collaborator cell).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    /// `usr…` or `ugp…`.
    pub(crate) id: String,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
}

impl User {
    /// What a formula and `cellFormat=string` show.
    pub(crate) fn label(&self) -> &str {
        self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.id)
    }
}

/// Everyone whom the emulator knows; the position is the key that cells hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users(pub(crate) Vec<User>);

impl Users {
    pub(crate) fn get(&self, index: u32) -> Option<&User> {
        self.0.get(index as usize)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<u32> {
        self.position(|user| user.id == id)
    }

    /// E-mail addresses do not distinguish case.
    pub(crate) fn by_email(&self, email: &str) -> Option<u32> {
        self.position(|user| user.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email)))
    }

    /// Where the same person is, who is added if nobody is.
    pub(crate) fn place_of(&mut self, user: User) -> u32 {
        let by_email = |email: &str| self.by_email(email);
        let known = self.by_id(&user.id).or_else(|| user.email.as_deref().and_then(by_email));
        known.unwrap_or_else(|| {
            self.0.push(user);
            self.0.len() as u32 - 1
        })
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<u32> {
        self.position(|user| user.name.as_deref() == Some(name))
    }

    fn position(&self, is: impl Fn(&User) -> bool) -> Option<u32> {
        self.0.iter().position(is).map(|index| index as u32)
    }
}

/// The bases a token was given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reach {
    All,
    Only(HashSet<BaseId>),
}

impl Reach {
    /// As a seed writes it.
    pub(crate) fn to_seed(&self) -> Value {
        match self {
            Self::All => "*".into(),
            Self::Only(bases) => {
                let mut ids: Vec<String> = bases.iter().map(ToString::to_string).collect();
                ids.sort_unstable();
                ids.into()
            }
        }
    }
}

/// What one token may do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grant {
    pub(crate) scopes: HashSet<String>,
    pub(crate) bases: Reach,
    /// Position in [`Users`].
    pub(crate) user: u32,
    /// Of whoever runs the emulator: no part of a seed, and still good when another one takes its place.
    pub(crate) is_ours: bool,
    /// The token allows no more than this, whatever its user may do.
    pub(crate) most: Option<Role>,
    /// The integration that acts for the user; `None`: it is a personal access token.
    pub(crate) client: Option<Arc<str>>,
}

impl Grant {
    /// Every scope, every base, whatever seed comes.
    pub(crate) fn full(user: u32) -> Self {
        let scopes = SCOPES.map(str::to_owned).into();
        Self { scopes, bases: Reach::All, user, most: None, is_ours: true, client: None }
    }

    /// What an access token of OAuth may do.
    pub(crate) fn of_integration(client: Arc<str>, scopes: &[String], bases: Reach, user: u32) -> Self {
        let scopes = scopes.iter().cloned().collect();
        Self { scopes, bases, user, most: None, is_ours: false, client: Some(client) }
    }

    /// Whether it is a personal access token's: some calls take no other.
    pub(crate) fn is_personal(&self) -> bool {
        self.client.is_none()
    }

    /// The scopes in Airtable's own order.
    pub(crate) fn scopes_in_order(&self) -> impl Iterator<Item = &'static str> {
        SCOPES.into_iter().filter(|scope| self.scopes.contains(*scope))
    }

    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(scope.name())
    }

    /// The same refusal as for a thing that is not there.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), AirtableError> {
        if self.has(scope) { Ok(()) } else { Err(AirtableError::not_found_or_not_allowed()) }
    }

    pub(crate) fn reaches(&self, base: BaseId) -> bool {
        match &self.bases {
            Reach::All => true,
            Reach::Only(bases) => bases.contains(&base),
        }
    }
}

/// The personal access tokens that are accepted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens(pub(crate) HashMap<String, Arc<Grant>>);

impl Tokens {
    /// Missing, malformed and unknown tokens get one and the same answer. `integration` knows the tokens of OAuth.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        integration: impl FnOnce(&str) -> Option<Arc<Grant>>,
    ) -> Result<Arc<Grant>, AirtableError> {
        let token = bearer(headers).ok_or_else(AirtableError::unauthenticated)?;
        let personal = self.0.get(token).cloned();
        personal.or_else(|| integration(token)).ok_or_else(AirtableError::unauthenticated)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_token_is_taken_as_a_bearer_token_only() {
        let tokens = Tokens(HashMap::from([("patX.y".to_owned(), Grant::full(0).into())]));
        let nobody = |_: &str| None;
        assert!(tokens.authenticate(&with_header("Bearer patX.y"), nobody).is_ok());
        for bad in ["Bearer patX.z", "patX.y", "Basic patX.y", "Bearer", "Bearer "] {
            let refusal = tokens.authenticate(&with_header(bad), nobody).unwrap_err();
            assert_eq!(refusal, AirtableError::unauthenticated(), "{bad}");
        }
        assert!(tokens.authenticate(&HeaderMap::new(), nobody).is_err());
    }

    #[test]
    fn roles_are_ordered_from_none_to_create() {
        assert!(Role::None < Role::Read && Role::Comment < Role::Edit && Role::Edit < Role::Create);
        assert_eq!(Role::parse("comment"), Some(Role::Comment));
        assert_eq!(Role::parse("owner"), None);
    }
}
