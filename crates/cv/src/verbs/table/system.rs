//! Verbs about the machine and about `cv` itself.

use super::{ANY, FORCE_YES, FORMAT};
use crate::syntax::completion::SHELLS;
use crate::syntax::{Completion, Flag, Section, Verb};
use crate::verbs::{doctor, shell, system};

pub(super) static INFO: Verb = Verb {
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

pub(super) static DOCTOR: Verb = Verb {
    aliases: &["system doctor"],
    details: "Ends with exit code 1 if a check failed.",
    sections: &[&Section {
        title: "Output",
        flags: &[Flag::value("format", "text|json", "How it is printed")
            .completed(Completion::Words(&["text", "json"]))],
    }],
    ..Verb::new("doctor", "Check this machine, with cause and fix of each failing line", doctor::doctor)
};

pub(super) static SYSTEM_DF: Verb = Verb {
    sections: &[&Section {
        title: "Output",
        flags: &[FORMAT, Flag::switch("verbose", "List each image and container").short('v')],
    }],
    ..Verb::new("system df", "Show the disk space that images and containers use", system::df)
};

pub(super) static SYSTEM_PRUNE: Verb = Verb {
    sections: &[&Section {
        title: "Removing",
        flags: &[
            FORCE_YES,
            Flag::switch("all", "Also images with a tag that no container uses").short('a'),
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
        "Remove all containers that do not run, images without a tag, and what crashes left behind",
        system::prune,
    )
};

pub(super) static SYSTEM_REPAIR: Verb = Verb {
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

#[cfg(windows)]
pub(super) static SYSTEM_MONITOR: Verb = Verb {
    usage: &["CONTAINER PIPE"],
    least: 2,
    most: 2,
    hidden: true,
    ..Verb::new("system monitor", "Supervise a detached command", system::monitor)
};

#[cfg(windows)]
pub(super) static SYSTEM_GUEST_COPY: Verb = Verb {
    usage: &["JOB"],
    least: 1,
    most: 1,
    hidden: true,
    ..Verb::new("system guest-copy", "Copy files inside of a container", system::guest_copy)
};

pub(super) static COMPLETION: Verb = Verb {
    details: "Load it with `source <(cv completion bash)`, `source <(cv completion zsh)`, `cv completion fish | source` or \
`cv completion powershell | Out-String | Invoke-Expression`.",
    usage: &["bash|zsh|fish|powershell"],
    least: 1,
    most: 1,
    completion: Completion::Words(SHELLS),
    ..Verb::new("completion", "Print a shell's completion script", shell::completion)
};

pub(super) static VERSION: Verb = Verb {
    sections: &[&Section {
        title: "Output",
        flags: &[Flag::value("format", "FORMAT", "`json`, or a template such as `{{.Version}}`")
            .short('f')
            .completed(Completion::Words(&["json"]))],
    }],
    ..Verb::new("version", "Print the version", system::version)
};

pub(super) static HELP: Verb =
    Verb { usage: &["[VERB]"], most: 2, ..Verb::new("help", "Explain a verb", shell::help) };

pub(super) static MAN: Verb = Verb {
    usage: &["DIR"],
    least: 1,
    most: 1,
    completion: Completion::Directories,
    hidden: true,
    ..Verb::new("__man", "Write the manual pages into a directory", shell::man)
};

pub(super) static COMPLETE: Verb = Verb {
    most: ANY,
    options_first: true,
    hidden: true,
    ..Verb::new("__complete", "Answer a shell's completion script", shell::complete)
};
