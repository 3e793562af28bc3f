//! Who is calling, and what may they do. Every service asks here.

mod authenticator;
mod credential;
mod operator;
mod principal;
mod scope;
mod signed;

pub use authenticator::Authenticator;
pub use credential::Caller;
pub use operator::OperatorKey;
pub use principal::{Bases, Principal};
pub use scope::{Scope, Scopes, UnknownScope};
pub use signed::{PRINCIPAL_HEADER, PrincipalSigner};
