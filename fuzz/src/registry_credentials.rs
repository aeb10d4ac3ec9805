//! Files and programs with credentials of registries.

use containerv::fuzzing::registries::{credentials, helper};
use containerv::images::registry::Credential;

/// Whatever a file has, a login is kept and a logout forgets it.
pub fn target(data: &[u8]) {
    let login = Credential::Basic { user: "user".to_owned(), password: "pass:word".to_owned() };
    match credentials(data, "r.example:5000", "team/app", &login) {
        Ok([_, kept, after]) => {
            assert_eq!(kept, Ok(Some(login)));
            assert_eq!(after, Ok(None));
        }
        Err(why) => assert!(!why.is_empty()),
    }
    for ended_well in [true, false] {
        if let Err(why) = helper(ended_well, data) {
            assert!(why.chars().count() < 1000 && !why.chars().any(char::is_control), "{why:?}");
        }
    }
}
