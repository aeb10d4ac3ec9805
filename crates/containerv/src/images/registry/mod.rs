//! Registries of images, over the distribution API.
//!
//! A [`Client`] blocks and may be used from any number of threads at once; clones share connections and tokens. What
//! it knows of this machine (proxies, credentials, mirrors, certificates) comes in by [`Settings`].

mod authorization;
mod blob;
mod challenge;
mod client;
mod config;
mod credentials;
mod endpoint;
mod exchange;
mod failure;
#[cfg(all(feature = "fuzzing", target_os = "linux"))]
pub(crate) mod fuzzing;
mod hosts;
mod list;
mod location;
mod login;
mod patience;
mod proxies;
mod settings;
mod transport;
mod upload;

pub use blob::Blob;
pub use client::{Client, Fetched};
pub use config::UserConfig;
pub use credentials::{Credential, CredentialFiles};
pub use list::Found;
pub use patience::Patience;
pub use proxies::Proxies;
pub use settings::{HOSTS_VARIABLE, Settings};
pub use upload::{Pushed, Source};
