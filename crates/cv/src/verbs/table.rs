//! The table of verbs.

use super::{copy, doctor, exec, inspect, life, list, logs, observe, run, shell, stats, system};
use crate::flags::files::FILES;
use crate::flags::isolation::ISOLATION;
use crate::flags::later::LATER;
use crate::flags::lifecycle::LIFE;
use crate::flags::limits::{DEVICE_RATES, RESOURCES};
use crate::flags::process::{COMMAND, OWN_COMMAND};
use crate::flags::security::SECURITY;
use crate::syntax::completion::SHELLS;
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
    ..Verb::new("", "Run containers without a daemon", system::overview)
};

static RUN_FLAGS: Section = Section {
    title: "Running",
    flags: &[
        Flag::switch("detach", "Leave it running and print its id").short('d'),
        Flag::value("attach", "STREAM", "Attach only `stdin`, `stdout` or `stderr`; may be repeated")
            .short('a')
            .completed(Completion::Words(&["stdin", "stdout", "stderr"])),
        DETACH_KEYS,
        SIG_PROXY,
        QUIET,
    ],
};

static RUN: Verb = Verb {
    aliases: &["container run"],
    details: "IMAGE is `host`, the built-in image: this machine's own system directories, read-only, under a layer that \
is thrown away. With `--rootfs DIR` the root is that directory and the first operand is the command.\n\
Without `--network` the container has no network but its own loopback.\n\nExamples:\n  \
cv run host sh -c 'id; hostname; ps ax'\n  cv run -it --rm host bash\n  \
cv run -d --name web --memory 256m -v ./site:/srv:ro host python3 -m http.server -d /srv\n  \
cv run --rootfs ./bookworm --overlay memory apt-get --version",
    usage: &["IMAGE COMMAND [ARG...]", "--rootfs DIR COMMAND [ARG...]"],
    most: ANY,
    options_first: true,
    completion: Completion::Images,
    failure: 125,
    sections: &[
        &RUN_FLAGS,
        &LIFE,
        &COMMAND,
        &OWN_COMMAND,
        &FILES,
        &RESOURCES,
        &DEVICE_RATES,
        &ISOLATION,
        &SECURITY,
        &LATER,
    ],
    ..Verb::new("run", "Run a command in a new container", run::run)
};

static CREATE: Verb = Verb {
    aliases: &["container create"],
    details: "The command waits for `cv start`. The options are those of `cv run`.",
    usage: &["IMAGE COMMAND [ARG...]", "--rootfs DIR COMMAND [ARG...]"],
    most: ANY,
    options_first: true,
    completion: Completion::Images,
    failure: 125,
    sections: &[
        &LIFE,
        &COMMAND,
        &OWN_COMMAND,
        &FILES,
        &RESOURCES,
        &DEVICE_RATES,
        &ISOLATION,
        &SECURITY,
        &LATER,
    ],
    ..Verb::new("create", "Make a container without starting its command", run::create)
};

static START: Verb = Verb {
    aliases: &["container start"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
    failure: 125,
    sections: &[&Section {
        title: "Starting",
        flags: &[
            Flag::switch("attach", "Attach output, pass signals on, and end with the command's exit code")
                .short('a'),
            Flag::switch("interactive", "Attach standard input").short('i'),
            DETACH_KEYS,
            SIG_PROXY,
            QUIET,
        ],
    }],
    ..Verb::new("start", "Start the command of a created or ended container", run::start)
};

static ATTACH: Verb = Verb {
    aliases: &["container attach"],
    details: "Output appears here, and keys go to the command, until it ends or the detach keys are typed.",
    usage: &["CONTAINER"],
    least: 1,
    most: 1,
    completion: Completion::Running,
    failure: 125,
    sections: &[&Section {
        title: "Attaching",
        flags: &[Flag::switch("no-stdin", "Do not attach standard input"), DETACH_KEYS, SIG_PROXY, QUIET],
    }],
    ..Verb::new("attach", "Attach to a container's command", run::attach)
};

static EXEC: Verb = Verb {
    aliases: &["container exec"],
    usage: &["CONTAINER COMMAND [ARG...]"],
    least: 2,
    most: ANY,
    options_first: true,
    completion: Completion::Running,
    failure: 125,
    sections: &[
        &Section {
            title: "Running",
            flags: &[
                Flag::switch("detach", "Leave it running").short('d'),
                DETACH_KEYS.refused("the command ends with this program; `--detach` leaves one running"),
                Flag::switch("privileged", "Give it every capability"),
            ],
        },
        &COMMAND,
    ],
    ..Verb::new("exec", "Run a command in a running container", exec::exec)
};

static PLAN: Verb = Verb {
    details: "Nothing is made or started. The words after `run` or `create` are theirs, as in `cv plan run host sh`.",
    usage: &["run|create [ARG...]"],
    least: 1,
    most: ANY,
    options_first: true,
    completion: Completion::Words(&["run", "create"]),
    failure: 125,
    sections: &[&Section {
        title: "Output",
        flags: &[Flag::value("format", "text|json", "How it is printed")
            .completed(Completion::Words(&["text", "json"]))],
    }],
    ..Verb::new("plan", "Print what `run` or `create` would do", run::plan)
};

static STOP: Verb = Verb {
    aliases: &["container stop"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Running,
    sections: &[&Section {
        title: "Stopping",
        flags: &[TIME, Flag::value("timeout", "SECONDS", "As --time"), STOP_SIGNAL],
    }],
    ..Verb::new("stop", "Ask a container's command to end, and kill it when time is up", life::stop)
};

static RESTART: Verb = Verb {
    aliases: &["container restart"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
    sections: &[&Section {
        title: "Stopping",
        flags: &[TIME, Flag::value("timeout", "SECONDS", "As --time"), STOP_SIGNAL],
    }],
    ..Verb::new("restart", "Stop a container and start it again", life::restart)
};

static KILL: Verb = Verb {
    aliases: &["container kill"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Running,
    sections: &[&Section {
        title: "Signals",
        flags: &[Flag::value("signal", "SIGNAL", "Signal by name or number (default: KILL)")
            .short('s')
            .completed(Completion::Signals)],
    }],
    ..Verb::new("kill", "Send a signal to a container's command", life::kill)
};

static RM: Verb = Verb {
    aliases: &["container rm", "container remove"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
    sections: &[&Section {
        title: "Removing",
        flags: &[
            Flag::switch("force", "Kill it first if it runs; do not mind if it is gone").short('f'),
            Flag::switch("volumes", "Accepted: a container has no volumes of its own").short('v'),
        ],
    }],
    ..Verb::new("rm", "Remove containers", life::remove)
};

static PS: Verb = Verb {
    aliases: &["container ls", "container list", "container ps"],
    sections: &[&Section {
        title: "Listing",
        flags: &[
            Flag::switch("all", "Show ended and created containers too").short('a'),
            Flag::switch("quiet", "Print ids only").short('q'),
            Flag::switch("latest", "Show the latest created container, in any state").short('l'),
            Flag::value("last", "NUMBER", "Show so many of the latest created, in any state").short('n'),
            Flag::switch("size", "Show the size of what was written").short('s'),
            NO_TRUNC,
            Flag::value("filter", "KEY=VALUE", "Show only what matches: id, name, label, status, exited, ancestor, before, since; may be repeated")
                .short('f')
                .completed(Completion::Words(&["id=", "name=", "label=", "status=", "exited=", "ancestor=", "before=", "since="])),
            FORMAT,
        ],
    }],
    ..Verb::new("ps", "List containers", list::ps)
};

static LOGS: Verb = Verb {
    aliases: &["container logs"],
    usage: &["CONTAINER"],
    least: 1,
    most: 1,
    completion: Completion::Containers,
    sections: &[&Section {
        title: "Output",
        flags: &[
            Flag::switch("follow", "Go on as output comes in").short('f'),
            Flag::value("tail", "NUMBER|all", "Begin so many lines before the end").short('n'),
            Flag::value("since", "TIME", "Begin at this moment: `10m` ago, RFC 3339, Unix seconds"),
            Flag::value("until", "TIME", "End before this moment"),
            Flag::switch("timestamps", "Print when each line came").short('t'),
            Flag::switch("details", "Print the labels before each line"),
        ],
    }],
    ..Verb::new("logs", "Print what a container has written", logs::logs)
};

static WAIT: Verb = Verb {
    aliases: &["container wait"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
    ..Verb::new("wait", "Wait until containers end, and print their exit codes", life::wait)
};

static INSPECT: Verb = Verb {
    aliases: &["container inspect"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
    sections: &[&Section {
        title: "Output",
        flags: &[
            Flag::value("format", "FORMAT", "`json`, or a template such as `{{.State.Status}}`")
                .short('f')
                .completed(Completion::Words(&["json"])),
            Flag::switch("size", "Add the size of what was written").short('s'),
            Flag::value("type", "container", "Kind of object").completed(Completion::Words(&["container"])),
        ],
    }],
    ..Verb::new("inspect", "Print everything about containers as JSON", inspect::inspect)
};

static TOP: Verb = Verb {
    aliases: &["container top"],
    usage: &["CONTAINER"],
    least: 1,
    most: 1,
    completion: Completion::Running,
    sections: &[&Section { title: "Output", flags: &[FORMAT, NO_TRUNC] }],
    ..Verb::new("top", "List the processes of a container", observe::top)
};

static STATS: Verb = Verb {
    aliases: &["container stats"],
    usage: &["[CONTAINER...]"],
    most: ANY,
    completion: Completion::Running,
    sections: &[&Section {
        title: "Output",
        flags: &[
            Flag::switch("all", "Show containers that do not run too").short('a'),
            Flag::switch("no-stream", "Print one snapshot and end"),
            FORMAT,
            NO_TRUNC,
        ],
    }],
    ..Verb::new("stats", "Show what containers use, once a second", stats::stats)
};

static CP: Verb = Verb {
    aliases: &["container cp"],
    details: "One of the two is `CONTAINER:PATH`; the container may be stopped. `-` is a tar archive on standard input \
or output. A local name with a colon is written `./a:b`.",
    usage: &["CONTAINER:PATH LOCAL|-", "LOCAL|- CONTAINER:PATH"],
    least: 2,
    most: 2,
    completion: Completion::CopyEnds,
    sections: &[&Section {
        title: "Copying",
        flags: &[
            Flag::switch("archive", "Keep owners").short('a'),
            Flag::switch("follow-link", "Copy what a symbolic link at the source points to").short('L'),
            Flag::switch("quiet", "Print nothing").short('q'),
        ],
    }],
    ..Verb::new("cp", "Copy files into or out of a container", copy::copy)
};

static DIFF: Verb = Verb {
    aliases: &["container diff"],
    details: "A: added, C: changed, D: deleted, all against the image.",
    usage: &["CONTAINER"],
    least: 1,
    most: 1,
    completion: Completion::Containers,
    sections: &[&Section {
        title: "Output",
        flags: &[
            Flag::value("format", "json", "One JSON object a line").completed(Completion::Words(&["json"]))
        ],
    }],
    ..Verb::new("diff", "List the files that a container has changed", observe::diff)
};

static PAUSE: Verb = Verb {
    aliases: &["container pause"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Running,
    ..Verb::new("pause", "Freeze every process of a container", life::pause)
};

static UNPAUSE: Verb = Verb {
    aliases: &["container unpause"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Running,
    ..Verb::new("unpause", "Let a frozen container go on", life::unpause)
};

static UPDATE: Verb = Verb {
    aliases: &["container update"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
    sections: &[&RESOURCES, &UPDATE_LATER],
    ..Verb::new("update", "Change the limits of containers, running ones included", life::update)
};

static UPDATE_LATER: Section = Section {
    title: "Not offered",
    flags: &[
        Flag::value("restart", "POLICY", "Restart policy")
            .refused("restart policies are not offered yet; let the service manager restart it"),
        Flag::value("kernel-memory", "BYTES", "Kernel memory").refused("use `--memory`"),
        Flag::value("cpu-rt-period", "MICROSECONDS", "Realtime period")
            .refused("use `--cpu-shares` or `--cpus`"),
        Flag::value("cpu-rt-runtime", "MICROSECONDS", "Realtime time")
            .refused("use `--cpu-shares` or `--cpus`"),
    ],
};

static RENAME: Verb = Verb {
    aliases: &["container rename"],
    usage: &["CONTAINER NAME"],
    least: 2,
    most: 2,
    completion: Completion::Containers,
    ..Verb::new("rename", "Give a container another name", life::rename)
};

static PRUNE: Verb = Verb {
    aliases: &["container prune"],
    sections: &[&Section {
        title: "Removing",
        flags: &[
            FORCE_YES,
            Flag::value(
                "filter",
                "KEY=VALUE",
                "Remove only what matches: label, label!, until; may be repeated",
            )
            .completed(Completion::Words(&["label=", "label!=", "until="])),
        ],
    }],
    ..Verb::new("prune", "Remove all containers that do not run", life::prune)
};

static INFO: Verb = Verb {
    aliases: &["system info"],
    details: "The features are those of every backend, with the reason of each no and what proves each yes.",
    sections: &[&Section {
        title: "Output",
        flags: &[Flag::value("format", "FORMAT", "`json`, or a template")
            .short('f')
            .completed(Completion::Words(&["json"]))],
    }],
    ..Verb::new("info", "Describe this machine and what is offered on it", system::info)
};

static DOCTOR: Verb = Verb {
    aliases: &["system doctor"],
    details: "Ends with exit code 1 if a check failed.",
    sections: &[&Section {
        title: "Output",
        flags: &[Flag::value("format", "text|json", "How it is printed")
            .completed(Completion::Words(&["text", "json"]))],
    }],
    ..Verb::new("doctor", "Check this machine, with cause and fix of each failing line", doctor::doctor)
};

static EVENTS: Verb = Verb {
    aliases: &["system events"],
    sections: &[&Section {
        title: "Output",
        flags: &[
            Flag::value("since", "TIME", "Begin at this moment: `10m` ago, RFC 3339, Unix seconds"),
            Flag::value("until", "TIME", "End at this moment instead of going on"),
            Flag::value(
                "filter",
                "KEY=VALUE",
                "Print only what matches: container, event, label; may be repeated",
            )
            .short('f')
            .completed(Completion::Words(&["container=", "event=", "label="])),
            Flag::value("format", "FORMAT", "`json`, or a template such as `{{.Action}} {{.Actor.ID}}`")
                .completed(Completion::Words(&["json"])),
        ],
    }],
    ..Verb::new("events", "Print what happens to containers as it happens", observe::events)
};

static SYSTEM_DF: Verb = Verb {
    sections: &[&Section {
        title: "Output",
        flags: &[FORMAT, Flag::switch("verbose", "List each container").short('v')],
    }],
    ..Verb::new("system df", "Show the disk space that containers use", system::df)
};

static SYSTEM_PRUNE: Verb = Verb {
    sections: &[&Section {
        title: "Removing",
        flags: &[
            FORCE_YES,
            Flag::switch("all", "Accepted: nothing else is kept").short('a'),
            Flag::value(
                "filter",
                "KEY=VALUE",
                "Remove only what matches: label, label!, until; may be repeated",
            )
            .completed(Completion::Words(&["label=", "label!=", "until="])),
        ],
    }],
    ..Verb::new(
        "system prune",
        "Remove all containers that do not run, and what crashes left behind",
        system::prune,
    )
};

static SYSTEM_REPAIR: Verb = Verb {
    sections: &[&Section {
        title: "Repairing",
        flags: &[
            Flag::switch("dry-run", "Only print what would be done"),
            Flag::value("format", "text|json", "How it is printed")
                .completed(Completion::Words(&["text", "json"])),
        ],
    }],
    ..Verb::new("system repair", "Undo what a crash left half done", system::repair)
};

static COMPLETION: Verb = Verb {
    details: "Load it with `source <(cv completion bash)`, `source <(cv completion zsh)`, `cv completion fish | source` or \
`cv completion powershell | Out-String | Invoke-Expression`.",
    usage: &["bash|zsh|fish|powershell"],
    least: 1,
    most: 1,
    completion: Completion::Words(SHELLS),
    ..Verb::new("completion", "Print a shell's completion script", shell::completion)
};

static VERSION: Verb = Verb {
    sections: &[&Section {
        title: "Output",
        flags: &[Flag::value("format", "FORMAT", "`json`, or a template such as `{{.Version}}`")
            .short('f')
            .completed(Completion::Words(&["json"]))],
    }],
    ..Verb::new("version", "Print the version", system::version)
};

static HELP: Verb = Verb { usage: &["[VERB]"], most: 2, ..Verb::new("help", "Explain a verb", shell::help) };

static MAN: Verb = Verb {
    usage: &["DIR"],
    least: 1,
    most: 1,
    completion: Completion::Directories,
    hidden: true,
    ..Verb::new("__man", "Write the manual pages into a directory", shell::man)
};

static COMPLETE: Verb = Verb {
    most: ANY,
    options_first: true,
    hidden: true,
    ..Verb::new("__complete", "Answer a shell's completion script", shell::complete)
};

/// Every verb, by the heading under which help texts list it.
pub static GROUPS: &[(&str, &[&Verb])] = &[
    ("Run", &[&RUN, &CREATE, &START, &EXEC, &ATTACH, &PLAN]),
    ("Control", &[&STOP, &RESTART, &KILL, &PAUSE, &UNPAUSE, &UPDATE, &RENAME, &WAIT, &RM, &PRUNE]),
    ("Look", &[&PS, &INSPECT, &LOGS, &TOP, &STATS, &DIFF, &EVENTS]),
    ("Files", &[&CP]),
    (
        "System",
        &[
            &INFO,
            &DOCTOR,
            &SYSTEM_DF,
            &SYSTEM_PRUNE,
            &SYSTEM_REPAIR,
            &COMPLETION,
            &VERSION,
            &HELP,
            &COMPLETE,
            &MAN,
        ],
    ),
];

/// Docker's verbs that come later, and what to do instead.
const LATER_VERBS: &[(&str, &str)] = &[
    ("pull", IMAGES),
    ("push", IMAGES),
    ("images", IMAGES),
    ("image", IMAGES),
    ("rmi", IMAGES),
    ("tag", IMAGES),
    ("save", IMAGES),
    ("load", IMAGES),
    ("import", IMAGES),
    ("history", IMAGES),
    ("login", IMAGES),
    ("logout", IMAGES),
    ("search", IMAGES),
    ("build", IMAGES),
    ("commit", IMAGES),
    ("export", "`cv cp CONTAINER:/ -` writes the files as a tar archive"),
    ("volume", "bind a directory instead: `cv run -v HOST:INSIDE ...`"),
    ("network", "`cv run --network none|host|container:NAME` are what there is"),
    ("port", "`cv run --network host` shares this machine's ports"),
    ("context", "`--root DIR` or `$CONTAINERV_ROOT` chooses where containers are kept"),
];

const IMAGES: &str = "use the built-in image `host`, or a directory: `cv run --rootfs DIR ...`";

fn all() -> impl Iterator<Item = &'static Verb> {
    GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied())
}

/// Finds a verb of one word.
pub fn find(word: &str) -> Option<&'static Verb> {
    all().find(|verb| verb.name == word)
}

/// Returns the word if a verb follows it: `container ls`, `system df`.
pub fn group(word: &str) -> Option<&'static str> {
    ["container", "system"].into_iter().find(|group| *group == word)
}

/// Finds a verb of two words.
pub fn find_in_group(group: &str, word: &str) -> Option<&'static Verb> {
    let matches = |name: &str| name.split_once(' ') == Some((group, word));
    all().find(|verb| matches(verb.name) || verb.aliases.iter().any(|alias| matches(alias)))
}

/// Returns what may follow a group's word.
pub(super) fn group_hint(group: &str) -> String {
    let names = all().flat_map(|verb| [verb.name].into_iter().chain(verb.aliases.iter().copied()));
    let words: Vec<&str> = names
        .filter_map(|name| name.split_once(' '))
        .filter(|(first, _)| *first == group)
        .map(|(_, second)| second)
        .collect();
    format!("verbs: {}", words.join(", "))
}

/// Returns the first word of every verb.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    all().filter(|verb| !verb.hidden).filter_map(|verb| verb.name.split(' ').next()).chain(["container"])
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
