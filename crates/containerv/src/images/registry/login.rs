//! Logins: credentials that a registry has taken are kept, or forgotten.

use super::authorization::Purpose;
use super::client::{Client, Need};
use super::exchange::Asked;
use super::{Credential, Settings};
use crate::{Error, ErrorKind, Result};

impl Client {
    /// Shows credentials to a registry, and keeps them if it takes them: the identity token that it gives for a
    /// password, or the password. Says where they are.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the registry does not take them; what stands against keeping them.
    pub fn login(&self, registry: &str, credential: Credential) -> Result<String> {
        let settings: &Settings = &self.shared.settings;
        let action = "log in";
        let client = Self::with_credential(settings.clone(), Some(credential.clone()));
        // Mirrors are not logged in to: credentials are for the registry that was named.
        let endpoints = client.endpoints(registry, Need::Push)?;
        let Some(endpoint) = endpoints.last() else { return Err(Error::new(ErrorKind::NotFound, registry)) };
        let asked = Asked::get(endpoint.location(""), action);
        let refused = |error: Error| match error.kind() {
            ErrorKind::PermissionDenied => {
                error.with_hint("the registry does not know this user, or not with this password")
            }
            _ => error,
        };
        let answer = endpoint.send(&asked, Purpose { repository: "", scopes: &[] }).map_err(refused)?;
        answer.expect(&[200], action, &endpoint.registry, true).map_err(refused)?;
        let kept = endpoint.authorizer.identity().map_or(credential, Credential::IdentityToken);
        settings.credentials.store(registry, &kept)
    }

    /// Forgets the credentials of a registry; false if there were none.
    ///
    /// # Errors
    ///
    /// What stands against it.
    pub fn logout(&self, registry: &str) -> Result<bool> {
        self.shared.settings.credentials.erase(registry)
    }
}
