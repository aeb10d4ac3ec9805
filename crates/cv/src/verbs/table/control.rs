//! Verbs that change what containers do.

use super::{ANY, FORCE_YES, STOP_SIGNAL, TIME};
use crate::flags::files::MOUNT_CHANGES;
use crate::flags::limits::RESOURCES;
use crate::syntax::{Completion, Flag, Section, Verb};
use crate::verbs::life;

pub(super) static STOP: Verb = Verb {
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

pub(super) static RESTART: Verb = Verb {
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

pub(super) static KILL: Verb = Verb {
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

pub(super) static RM: Verb = Verb {
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

pub(super) static PAUSE: Verb = Verb {
    aliases: &["container pause"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Running,
    ..Verb::new("pause", "Freeze every process of a container", life::pause)
};

pub(super) static UNPAUSE: Verb = Verb {
    aliases: &["container unpause"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Running,
    ..Verb::new("unpause", "Let a frozen container go on", life::unpause)
};

pub(super) static UPDATE: Verb = Verb {
    aliases: &["container update"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
    sections: &[&RESOURCES, &MOUNT_CHANGES, &UPDATE_LATER],
    details: "What goes is taken away before anything comes, and limits are changed last. Each of these is done or \
              not; when one fails, what was done before it stays.",
    ..Verb::new("update", "Change limits and mounts of containers, running ones included", life::update)
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

pub(super) static RENAME: Verb = Verb {
    aliases: &["container rename"],
    usage: &["CONTAINER NAME"],
    least: 2,
    most: 2,
    completion: Completion::Containers,
    ..Verb::new("rename", "Give a container another name", life::rename)
};

pub(super) static WAIT: Verb = Verb {
    aliases: &["container wait"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
    ..Verb::new("wait", "Wait until containers end, and print their exit codes", life::wait)
};

pub(super) static PRUNE: Verb = Verb {
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
