//! Verbs that make, start and join commands.

use super::{ANY, DETACH_KEYS, QUIET, SIG_PROXY};
use crate::flags::files::FILES;
use crate::flags::isolation::ISOLATION;
use crate::flags::later::LATER;
use crate::flags::lifecycle::LIFE;
use crate::flags::limits::DEVICE_RATES;
use crate::flags::limits::RESOURCES;
use crate::flags::process::COMMAND;
use crate::flags::process::OWN_COMMAND;
use crate::flags::security::SECURITY;
use crate::platform::choose;
use crate::syntax::{Completion, Flag, Section, Verb};
use crate::verbs::{exec, plan, run};

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

const RUN_ON_LINUX: &str = "IMAGE is `host`, the built-in image: this machine's own system directories, read-only, under a layer that \
is thrown away. With `--rootfs DIR` the root is that directory and the first operand is the command.\n\
Without `--network` the container has no network but its own loopback.\n\nExamples:\n  \
cv run host sh -c 'id; hostname; ps ax'\n  cv run -it --rm host bash\n  \
cv run -d --name web --memory 256m -v ./site:/srv:ro host python3 -m http.server -d /srv\n  \
cv run --rootfs ./bookworm --overlay memory apt-get --version";

const RUN_ON_WINDOWS: &str = "IMAGE is the folder of an image's layer. With `--layer`, which may be repeated, the root is made of such folders, the \
top one first, and the first operand is the command.\n\
Without `--network` the container is in the network `nat`, which is made if it is missing.\n\nExamples:\n  \
cv run --rm C:\\layers\\nanoserver cmd /c ver\n  \
cv run -it --rm --isolation hyperv C:\\layers\\nanoserver cmd\n  \
cv run -d --name web --memory 1g -p 8080:80 -v .\\site:C:\\site:ro C:\\layers\\web server.exe C:\\site\n  \
cv run --layer C:\\layers\\web --layer C:\\layers\\nanoserver server.exe";

pub(super) static RUN: Verb = Verb {
    aliases: &["container run"],
    details: choose(RUN_ON_LINUX, RUN_ON_WINDOWS),
    usage: &[
        "IMAGE COMMAND [ARG...]",
        choose("--rootfs DIR COMMAND [ARG...]", "--layer DIR... COMMAND [ARG...]"),
    ],
    most: ANY,
    options_first: true,
    completion: Completion::Roots,
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

pub(super) static CREATE: Verb = Verb {
    aliases: &["container create"],
    details: "The command waits for `cv start`. The options are those of `cv run`.",
    usage: &[
        "IMAGE COMMAND [ARG...]",
        choose("--rootfs DIR COMMAND [ARG...]", "--layer DIR... COMMAND [ARG...]"),
    ],
    most: ANY,
    options_first: true,
    completion: Completion::Roots,
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

pub(super) static START: Verb = Verb {
    aliases: &["container start"],
    usage: &["CONTAINER [CONTAINER...]"],
    least: 1,
    most: ANY,
    completion: Completion::Containers,
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

pub(super) static ATTACH: Verb = Verb {
    aliases: &["container attach"],
    details: "Output appears here, and keys go to the command, until it ends or the detach keys are typed.",
    usage: &["CONTAINER"],
    least: 1,
    most: 1,
    completion: Completion::Running,
    sections: &[&Section {
        title: "Attaching",
        flags: &[Flag::switch("no-stdin", "Do not attach standard input"), DETACH_KEYS, SIG_PROXY, QUIET],
    }],
    ..Verb::new("attach", "Attach to a container's command", run::attach)
};

pub(super) static EXEC: Verb = Verb {
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

pub(super) static PLAN: Verb = Verb {
    details: "Nothing is made or started. The words after `run` or `create` are theirs, as in `cv plan run IMAGE COMMAND`; \
`run` may be left away.\n\
With `--backend hcs` the plan is for Windows, on any system and the same on all: the options are then read as on \
Windows, and the machine is one with Windows Server 2022 unless `--machine` says otherwise.\n\nExamples:\n  \
cv plan run --name web IMAGE COMMAND\n  \
cv plan --backend hcs run --isolation hyperv --memory 2g -p 8080:80 'C:\\layers\\nanoserver' cmd /c ver\n  \
cv plan --backend hcs --machine build=26100,product=client run 'C:\\layers\\nanoserver' cmd",
    usage: &["[run|create] IMAGE [COMMAND...]"],
    least: 1,
    most: ANY,
    options_first: true,
    passes_on: true,
    completion: Completion::Words(&["run", "create"]),
    failure: 125,
    sections: &[&Section {
        title: "Output",
        flags: &[
            Flag::value("format", "text|json", "How it is printed")
                .completed(Completion::Words(&["text", "json"])),
            Flag::value("backend", "linux|hcs", "System that it is for (default: this machine itself)")
                .completed(Completion::Words(&["linux", "hcs"])),
            Flag::value(
                "machine",
                "FIELDS",
                "Windows machine that it is for, as `build=20348,product=server,processors=4,network=nat:NAT`; also \
                 containers=BOOL, hyperv=BOOL, rights=elevated|hyperv-administrator|none",
            )
            .completed(Completion::Words(&["build=", "product="])),
            Flag::value("id", "ID", "Identifier of the container (default: a new one each time)"),
        ],
    }],
    ..Verb::new("plan", "Print what `run` or `create` would do", plan::plan)
};
