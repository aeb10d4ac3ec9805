//! The table of verbs.

mod control;
mod images;
mod looking;
mod registry;
mod running;
mod system;

use super::system::overview;
use crate::platform::choose;
use crate::syntax::{Completion, Flag, Section, Verb};

const ANY: usize = usize::MAX;

const FORMAT_HELP: &str = "`json`, `table`, or a template such as `{{.ID}} {{.Names}}`";
const DETACH_KEYS: Flag =
    Flag::value("detach-keys", "KEYS", "Keys that let go of the container (default: ctrl-p,ctrl-q)");
const SIG_PROXY: Flag =
    Flag::switch("sig-proxy", "Pass signals on to the command (default: true, without a terminal)");
const FORMAT: Flag =
    Flag::value("format", "FORMAT", FORMAT_HELP).completed(Completion::Words(&["json", "table"]));
const NO_TRUNC: Flag = Flag::switch("no-trunc", "Cut nothing off");
const TIME: Flag = Flag::value(
    "time",
    "SECONDS",
    "Time until it is killed (default: the container's own, 10); -1 to wait for ever",
)
.short('t');
const STOP_SIGNAL: Flag =
    Flag::value("signal", "SIGNAL", "Signal to send first (default: the container's own, TERM)")
        .short('s')
        .completed(Completion::Signals);
const QUIET: Flag = Flag::switch("quiet", "Say nothing that is neither output nor an error").short('q');
const FORCE_YES: Flag = Flag::switch("force", "Do not ask").short('f');

/// What stands before the verb.
pub static ROOT: Verb = Verb {
    usage: &["VERB ..."],
    most: ANY,
    options_first: true,
    sections: &[&Section {
        title: "Program",
        flags: &[Flag::switch("version", "Print the version").short('v')],
    }],
    ..Verb::new("", "Run containers without a daemon", overview)
};

/// Every verb, by the heading under which help texts list it.
pub static GROUPS: &[(&str, &[&Verb])] = &[
    (
        "Run",
        &[&running::RUN, &running::CREATE, &running::START, &running::EXEC, &running::ATTACH, &running::PLAN],
    ),
    (
        "Control",
        &[
            &control::STOP,
            &control::RESTART,
            &control::KILL,
            &control::PAUSE,
            &control::UNPAUSE,
            &control::UPDATE,
            &control::RENAME,
            &control::WAIT,
            &control::RM,
            &control::PRUNE,
        ],
    ),
    (
        "Look",
        &[
            &looking::PS,
            &looking::INSPECT,
            &looking::LOGS,
            &looking::TOP,
            &looking::STATS,
            &looking::DIFF,
            &looking::EVENTS,
        ],
    ),
    ("Files", &[&looking::CP]),
    (
        "Images",
        &[
            &images::PULL,
            &images::PUSH,
            &images::IMAGES,
            &images::IMAGE_INSPECT,
            &images::IMAGE_CHECK,
            &images::IMAGE_DIFF,
            &images::IMAGE_EDIT,
            &images::IMAGE_REBASE,
            &images::HISTORY,
            &images::TAG,
            &images::RMI,
            &images::COMMIT,
            &images::SAVE,
            &images::LOAD,
            &images::IMPORT,
            &images::IMAGE_DEBOOTSTRAP,
            &images::EXPORT,
            &images::IMAGE_PRUNE,
        ],
    ),
    ("Registries", &[&registry::LOGIN, &registry::LOGOUT, &registry::SEARCH]),
    (
        "System",
        &[
            &system::INFO,
            &system::DOCTOR,
            &system::SYSTEM_DF,
            &system::SYSTEM_PRUNE,
            &system::SYSTEM_REPAIR,
            #[cfg(windows)]
            &system::SYSTEM_MONITOR,
            #[cfg(windows)]
            &system::SYSTEM_GUEST_COPY,
            &system::COMPLETION,
            &system::VERSION,
            &system::HELP,
            &system::COMPLETE,
            &system::MAN,
        ],
    ),
];

/// Docker's verbs that come later, and what to do instead.
const LATER_VERBS: &[(&str, &str)] = &[
    ("build", "run the steps in a container and keep it: `cv commit CONTAINER NAME`"),
    ("volume", "bind a directory instead: `cv run -v HOST:INSIDE ...`"),
    (
        "network",
        choose(
            "`cv run --network none|host|container:NAME` are what there is",
            "`cv run --network NAME` joins a network, `Get-HnsNetwork` lists them, and `nat` is made when it is needed",
        ),
    ),
    (
        "port",
        choose(
            "`cv run --network host` shares this machine's ports",
            "`cv inspect --format {{json .Request.ports}} CONTAINER` shows what is published",
        ),
    ),
    ("context", "`--root DIR` or `$CONTAINERV_ROOT` chooses where containers are kept"),
];

fn all() -> impl Iterator<Item = &'static Verb> {
    GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied())
}

/// Finds a verb of one word.
pub fn find(word: &str) -> Option<&'static Verb> {
    all().find(|verb| verb.name == word)
}

/// Returns the word if a verb follows it: `container ls`, `system df`.
pub fn group(word: &str) -> Option<&'static str> {
    ["container", "image", "system"].into_iter().find(|group| *group == word)
}

/// Finds a verb of two words.
pub fn find_in_group(group: &str, word: &str) -> Option<&'static Verb> {
    let matches = |name: &str| name.split_once(' ') == Some((group, word));
    all().find(|verb| matches(verb.name) || verb.aliases.iter().any(|alias| matches(alias)))
}

/// Returns the words that may follow a group's, with their verbs.
pub(super) fn verbs_of_group(group: &str) -> Vec<(&'static str, &'static Verb)> {
    let names = all().filter(|verb| !verb.hidden).flat_map(|verb| {
        let names = [verb.name].into_iter().chain(verb.aliases.iter().copied());
        names.map(move |name| (name, verb))
    });
    names
        .filter_map(|(name, verb)| {
            let (first, second) = name.split_once(' ')?;
            (first == group).then_some((second, verb))
        })
        .collect()
}

/// Says what may follow a group's word.
pub(super) fn group_hint(group: &str) -> String {
    let words: Vec<&str> = verbs_of_group(group).iter().map(|(word, _)| *word).collect();
    format!("verbs: {}", words.join(", "))
}

/// Returns the first word of every verb.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    all()
        .filter(|verb| !verb.hidden)
        .filter_map(|verb| verb.name.split(' ').next())
        .chain(["container", "image"])
}

/// Says what to do instead of a verb that comes later.
pub(super) fn refusal(word: &str) -> Option<&'static str> {
    LATER_VERBS.iter().find(|(name, _)| *name == word).map(|(_, way_out)| *way_out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_verb_has_two_options_of_one_name() {
        for verb in all().chain([&ROOT]) {
            let (mut longs, mut shorts) = (BTreeSet::new(), BTreeSet::new());
            for flag in verb.flags() {
                assert!(longs.insert(flag.long), "{}: --{}", verb.name, flag.long);
                assert!(
                    flag.short.is_none_or(|letter| shorts.insert(letter)),
                    "{}: -{:?}",
                    verb.name,
                    flag.short
                );
            }
        }
    }

    #[test]
    fn every_word_means_one_verb() {
        let mut names = BTreeSet::new();
        for verb in all() {
            for name in [verb.name].iter().chain(verb.aliases) {
                assert!(names.insert(*name), "{name}");
            }
        }
        for (later, _) in LATER_VERBS {
            assert!(!names.contains(later), "{later}");
        }
    }

    #[test]
    fn help_texts_are_one_line_without_full_stop() {
        for verb in all() {
            for help in verb.flags().map(|flag| flag.help).chain([verb.about]) {
                assert!(!help.contains('\n') && !help.ends_with('.'), "{}: {help}", verb.name);
            }
        }
    }
}
