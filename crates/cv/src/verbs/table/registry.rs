//! Verbs about registries of images.

use super::{FORMAT, NO_TRUNC};
use crate::syntax::{Completion, Flag, Section, Verb};
use crate::verbs::registry;

pub(super) static LOGIN: Verb = Verb {
    usage: &["[REGISTRY]"],
    most: 1,
    details: "Without a registry, docker.io. Name and password are asked for at the terminal where they are not given.\n\
              They are kept as Docker keeps them: by `credHelpers` and `credsStore`, else in config.json.",
    sections: &[&Section {
        title: "Credentials",
        flags: &[
            Flag::value("username", "NAME", "The user").short('u'),
            Flag::value("password", "TEXT", "The password or access token; others can see it here")
                .short('p'),
            Flag::switch("password-stdin", "Take the password from standard input"),
        ],
    }],
    ..Verb::new("login", "Log in to a registry", registry::login)
};

pub(super) static LOGOUT: Verb = Verb {
    usage: &["[REGISTRY]"],
    most: 1,
    ..Verb::new("logout", "Forget the credentials of a registry", registry::logout)
};

pub(super) static SEARCH: Verb = Verb {
    usage: &["[REGISTRY/]TERM"],
    least: 1,
    most: 1,
    details: "docker.io is searched as it offers it, other registries by the names in their catalogue.",
    sections: &[&Section {
        title: "Listing",
        flags: &[
            Flag::value("limit", "NUMBER", "Find at most so many (default: 25)"),
            NO_TRUNC,
            Flag::value(
                "filter",
                "KEY=VALUE",
                "Show only what matches: stars (at least), is-official; may be repeated",
            )
            .short('f')
            .completed(Completion::Words(&["stars=", "is-official=true", "is-official=false"])),
            FORMAT,
        ],
    }],
    ..Verb::new("search", "Look for images in a registry", registry::search)
};
