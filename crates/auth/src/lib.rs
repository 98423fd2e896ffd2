//! Who may do what: credentials to tenant and role.
//!
//! Tokens are compared in constant time and never printed.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

/// The tenant of whoever names none.
pub const DEFAULT_TENANT: &str = "default";
/// The longest tenant name, in bytes.
pub const TENANT_BYTES_MAX: usize = 150;

/// A tenant's name. Tenants share nothing but the machine.
pub type Tenant = Arc<str>;

/// What a credential may do; each role may do what the ones before it may, but for
/// [`Role::Ingest`], which may only send telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Send telemetry.
    Ingest,
    /// Look.
    Viewer,
    /// Acknowledge, resolve and the like.
    Responder,
    /// Everything, telemetry included.
    Admin,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Send telemetry.
    Send,
    /// Look.
    Read,
    /// Change an incident.
    Command,
}

/// Why a caller was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No credential, or one that nobody knows.
    Unauthenticated,
    /// The credential's role does not reach.
    Forbidden,
}

/// One credential.
pub struct Credential {
    /// Whose.
    pub tenant: Tenant,
    /// What it may do.
    pub role: Role,
    token: String,
}

/// All credentials.
#[derive(Debug, Default)]
pub struct Credentials {
    all: Vec<Credential>,
}

/// A caller that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose data it may touch.
    pub tenant: Tenant,
    /// What it may do with it.
    pub role: Role,
    /// Whether the credential itself names the tenant.
    pub authenticated: bool,
}

impl Role {
    /// Whether the role reaches to this.
    #[must_use]
    pub fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::Send => matches!(self, Self::Ingest | Self::Admin),
            Permission::Read => self >= Self::Viewer,
            Permission::Command => self >= Self::Responder,
        }
    }
}

impl Credential {
    /// A token of a tenant.
    #[must_use]
    pub fn new(tenant: Tenant, role: Role, token: String) -> Self {
        Self { tenant, role, token }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("tenant", &self.tenant)
            .field("role", &self.role)
            .field("token", &"***")
            .finish()
    }
}

impl Credentials {
    /// Knows these; none at all lets everybody in.
    #[must_use]
    pub fn new(all: Vec<Credential>) -> Self {
        Self { all }
    }

    /// Who calls, by the values of `authorization` and `x-scope-orgid`, and whether they may.
    ///
    /// # Errors
    /// If they may not.
    pub fn admit(
        &self,
        authorization: Option<&str>,
        scope: Option<&str>,
        permission: Permission,
    ) -> Result<Caller, Denied> {
        let caller = self.identify(authorization, scope)?;
        if caller.role.allows(permission) { Ok(caller) } else { Err(Denied::Forbidden) }
    }

    fn identify(&self, authorization: Option<&str>, scope: Option<&str>) -> Result<Caller, Denied> {
        if self.all.is_empty() {
            let name = scope.filter(|name| is_tenant_name(name)).unwrap_or(DEFAULT_TENANT);
            return Ok(Caller { tenant: name.into(), role: Role::Admin, authenticated: false });
        }
        let token = authorization.and_then(token_of).ok_or(Denied::Unauthenticated)?;
        // All are compared, so that the time taken tells nothing of which one matched.
        let mut found = None;
        for credential in &self.all {
            if bool::from(credential.token.as_bytes().ct_eq(token.as_bytes())) {
                found = Some(credential);
            }
        }
        let Credential { tenant, role, .. } = found.ok_or(Denied::Unauthenticated)?;
        Ok(Caller { tenant: Arc::clone(tenant), role: *role, authenticated: true })
    }
}

/// Whether a name can be a tenant's: it becomes part of labels, topics and keys.
#[must_use]
pub fn is_tenant_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !name.is_empty() && name.len() <= TENANT_BYTES_MAX && name.bytes().all(plain)
}

/// The token in a bearer header, or the password in a basic one.
fn token_of(authorization: &str) -> Option<String> {
    let (scheme, rest) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        return decoded.split_once(':').map(|(_, password)| password.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials::new(vec![
            Credential::new("shop".into(), Role::Ingest, "s3cret".to_owned()),
            Credential::new("bank".into(), Role::Responder, "other".to_owned()),
        ])
    }

    #[test]
    fn a_token_names_tenant_and_role() {
        let all = credentials();
        let admit = |header, permission| {
            all.admit(header, Some("bank"), permission).map(|caller| caller.tenant.to_string())
        };
        let shop = Ok("shop".to_owned());
        for (header, permission, expected) in [
            (Some("Bearer s3cret"), Permission::Send, shop.clone()),
            (Some("bearer  s3cret"), Permission::Send, shop.clone()),
            (Some("Basic eDpzM2NyZXQ="), Permission::Send, shop),
            (Some("Bearer s3cret"), Permission::Read, Err(Denied::Forbidden)),
            (Some("Bearer other"), Permission::Command, Ok("bank".to_owned())),
            (Some("Bearer other"), Permission::Send, Err(Denied::Forbidden)),
            (Some("Bearer s3cre"), Permission::Send, Err(Denied::Unauthenticated)),
            (Some("Bearer "), Permission::Send, Err(Denied::Unauthenticated)),
            (Some("s3cret"), Permission::Send, Err(Denied::Unauthenticated)),
            (None, Permission::Send, Err(Denied::Unauthenticated)),
        ] {
            assert_eq!(admit(header, permission), expected, "{header:?} {permission:?}");
        }
    }

    #[test]
    fn without_credentials_the_scope_names_the_tenant() {
        let open = Credentials::default();
        for (scope, tenant) in [
            (None, "default"),
            (Some("shop"), "shop"),
            (Some("a b"), "default"),
            (Some(""), "default"),
        ] {
            let caller = open.admit(None, scope, Permission::Command).expect("open");
            assert_eq!((&*caller.tenant, caller.authenticated), (tenant, false));
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        assert!(!format!("{:?}", credentials()).contains("s3cret"));
    }
}
