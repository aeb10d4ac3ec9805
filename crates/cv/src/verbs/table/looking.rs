//! Verbs that tell about containers, and the copying of files.

use super::{ANY, FORMAT, NO_TRUNC};
use crate::platform::choose;
use crate::syntax::{Completion, Flag, Section, Verb};
use crate::verbs::{copy, inspect, list, logs, observe, stats};

pub(super) static PS: Verb = Verb {
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

pub(super) static INSPECT: Verb = Verb {
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

pub(super) static LOGS: Verb = Verb {
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

pub(super) static TOP: Verb = Verb {
    aliases: &["container top"],
    usage: &["CONTAINER"],
    least: 1,
    most: 1,
    completion: Completion::Running,
    sections: &[&Section { title: "Output", flags: &[FORMAT, NO_TRUNC] }],
    ..Verb::new("top", "List the processes of a container", observe::top)
};

pub(super) static STATS: Verb = Verb {
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

pub(super) static DIFF: Verb = Verb {
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

pub(super) static EVENTS: Verb = Verb {
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

const CP_ON_LINUX: &str = "One of the two is `CONTAINER:PATH`; the container may be stopped. `-` is a tar archive on standard input \
or output. A local name with a colon is written `./a:b`.";

const CP_ON_WINDOWS: &str = "One of the two is `CONTAINER:PATH`, as `web:C:\\data`; the container may be stopped. `-` is a tar archive on \
standard input or output. A single letter before a colon is a drive, as in `C:\\data`.";

pub(super) static CP: Verb = Verb {
    aliases: &["container cp"],
    details: choose(CP_ON_LINUX, CP_ON_WINDOWS),
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
