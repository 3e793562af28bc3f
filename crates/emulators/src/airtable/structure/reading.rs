//! What there is to read of a base besides its schema: views, and who works in it.

use serde_json::{Value, json};

use crate::airtable::access::{Role, User, Users};
use crate::airtable::errors::AirtableError;
use crate::airtable::fields::date;
use crate::airtable::ids::ViewId;
use crate::airtable::meta;
use crate::airtable::model::Base;
use crate::airtable::query::Query;

/// What is asked; `include` has been checked.
pub(crate) enum Reading {
    Collaborators {
        people: bool,
        invitations: bool,
        interfaces: bool,
    },
    /// All views, or the one that is named.
    Views {
        view: Option<ViewId>,
        visible_fields: bool,
    },
}

/// `wsp` and 14 letters or digits.
pub(super) fn is_workspace(id: &str) -> bool {
    id.len() == 17 && id.starts_with("wsp") && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Reading {
    pub(super) fn collaborators(query: &Query) -> Result<Self, AirtableError> {
        let include = query.loose_list("include")?.unwrap_or_default();
        let wants = |what: &str| include.iter().any(|wanted| wanted == what);
        let known = ["collaborators", "inviteLinks", "interfaces"];
        if include.iter().any(|what| !known.contains(&what.as_str())) {
            return Err(AirtableError::invalid_request());
        }
        Ok(Self::Collaborators {
            people: wants("collaborators"),
            invitations: wants("inviteLinks"),
            interfaces: wants("interfaces"),
        })
    }

    pub(super) fn views(view: Option<ViewId>, query: &Query) -> Result<Self, AirtableError> {
        Ok(Self::Views { view, visible_fields: meta::wants_visible_fields(query)? })
    }

    pub(crate) fn answer(&self, base: &Base, users: &Users, role: Role) -> Result<Value, AirtableError> {
        match self {
            Self::Views { view, visible_fields } => meta::views(base, *view, *visible_fields),
            Self::Collaborators { people, invitations, interfaces } => {
                let mut answer = json!({
                    "id": base.id.to_string(), "name": base.name, "createdTime": date::iso(base.created),
                    "permissionLevel": role.name(), "workspaceId": base.workspace,
                });
                if *people {
                    let one = |user: &User| {
                        json!({
                            "userId": user.id, "email": user.email, "permissionLevel": base.roles.of(&user.id).name(),
                            "createdTime": date::iso(base.created), "grantedByUserId": users.0.first().map(|user| &user.id),
                        })
                    };
                    let is_in =
                        |user: &&User| user.id.starts_with("usr") && base.roles.of(&user.id) > Role::None;
                    let all: Vec<_> = users.0.iter().filter(|user| is_in(user)).map(one).collect();
                    answer["individualCollaborators"] =
                        json!({"baseCollaborators": all, "workspaceCollaborators": []});
                    answer["groupCollaborators"] =
                        json!({"baseCollaborators": [], "workspaceCollaborators": []});
                }
                if *invitations {
                    answer["inviteLinks"] = json!({"baseInviteLinks": [], "workspaceInviteLinks": []});
                }
                if *interfaces {
                    answer["interfaces"] = json!({});
                }
                Ok(answer)
            }
        }
    }
}
