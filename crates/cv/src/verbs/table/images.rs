//! Verbs about images.

use super::{ANY, FORCE_YES, FORMAT, NO_TRUNC, QUIET};
use crate::platform::choose;
use crate::syntax::{Completion, Flag, Section, Verb};
use crate::verbs::images;

const PLATFORM: Flag =
    Flag::value("platform", "OS/ARCH", "Platform of the image, as `windows/amd64` (default: this machine's)");
const ONE_FORMAT: Flag = Flag::value("format", "FORMAT", "`json`, or a template such as `{{.Os}}`")
    .short('f')
    .completed(Completion::Words(&["json"]));

pub(super) static PULL: Verb = Verb {
    aliases: &["image pull"],
    details: "What is here already is not downloaded. A pull that was interrupted goes on where it stopped when it is \
started again. Two at the same time do the work once.\n\nExamples:\n  cv pull debian:bookworm\n  \
cv pull --platform windows/amd64 mcr.microsoft.com/windows/nanoserver:ltsc2022",
    usage: &["IMAGE"],
    least: 1,
    most: 1,
    completion: Completion::Images,
    sections: &[&Section {
        title: "Pulling",
        flags: &[PLATFORM, QUIET, Flag::switch("all-tags", "Pull every tag of the repository").short('a')],
    }],
    ..Verb::new("pull", "Get an image from its registry", images::pull)
};

pub(super) static PUSH: Verb = Verb {
    aliases: &["image push"],
    details: "What the registry has already is not sent.",
    usage: &["IMAGE"],
    least: 1,
    most: 1,
    completion: Completion::Images,
    sections: &[&Section {
        title: "Pushing",
        flags: &[QUIET, Flag::switch("all-tags", "Push every tag of the repository that is here").short('a')],
    }],
    ..Verb::new("push", "Send an image to its registry", images::push)
};

pub(super) static IMAGES: Verb = Verb {
    aliases: &["image ls", "image list"],
    usage: &["[REPOSITORY[:TAG]]"],
    most: 1,
    completion: Completion::Images,
    sections: &[&Section {
        title: "Listing",
        flags: &[
            Flag::switch("all", "Show the names without a tag of images that have others too").short('a'),
            Flag::switch("digests", "Show what the registry has under each name"),
            Flag::switch("quiet", "Print ids only").short('q'),
            NO_TRUNC,
            Flag::value(
                "filter",
                "KEY=VALUE",
                "Show only what matches: dangling, reference, label, before, since, until; may be repeated",
            )
            .short('f')
            .completed(Completion::Words(&[
                "dangling=",
                "reference=",
                "label=",
                "before=",
                "since=",
                "until=",
            ])),
            FORMAT,
        ],
    }],
    ..Verb::new("images", "List images", images::images)
};

pub(super) static IMAGE_INSPECT: Verb = Verb {
    usage: &["IMAGE [IMAGE...]"],
    least: 1,
    most: ANY,
    completion: Completion::Images,
    sections: &[&Section {
        title: "Output",
        flags: &[
            ONE_FORMAT,
            Flag::switch("layers", "Add what each layer of a Windows image holds, its hives among it"),
        ],
    }],
    ..Verb::new("image inspect", "Print everything about images as JSON", images::inspect)
};

pub(super) static IMAGE_CHECK: Verb = Verb {
    details: "One request for the manifest and one for the configuration tell it; no layer is downloaded. Ends with exit \
code 1 if the image does not run here, and names which of the offered ones would.",
    usage: &["IMAGE"],
    least: 1,
    most: 1,
    completion: Completion::Images,
    sections: &[&Section { title: "Checking", flags: &[PLATFORM, ONE_FORMAT] }],
    ..Verb::new("image check", "Tell whether an image runs here, before it is downloaded", images::check)
};

pub(super) static HISTORY: Verb = Verb {
    aliases: &["image history"],
    usage: &["IMAGE"],
    least: 1,
    most: 1,
    completion: Completion::Images,
    sections: &[&Section {
        title: "Output",
        flags: &[
            FORMAT,
            Flag::switch("human", "Print sizes and dates for people (default: true)").short('H'),
            Flag::switch("quiet", "Print ids only").short('q'),
            NO_TRUNC,
        ],
    }],
    ..Verb::new("history", "Show how an image was made", images::history)
};

pub(super) static TAG: Verb = Verb {
    aliases: &["image tag"],
    usage: &["IMAGE NAME[:TAG]"],
    least: 2,
    most: 2,
    completion: Completion::Images,
    ..Verb::new("tag", "Give an image one more name", images::tag)
};

pub(super) static RMI: Verb = Verb {
    aliases: &["image rm", "image remove"],
    details: "An image goes with its last name. What containers, other images and running pulls use stays.",
    usage: &["IMAGE [IMAGE...]"],
    least: 1,
    most: ANY,
    completion: Completion::Images,
    sections: &[&Section {
        title: "Removing",
        flags: &[
            Flag::switch("force", "Also names of images that containers use, and all names of an ID")
                .short('f'),
            Flag::switch("no-prune", "Keep parent images (there are none)"),
        ],
    }],
    ..Verb::new("rmi", "Remove images", images::rmi)
};

pub(super) static IMAGE_PRUNE: Verb = Verb {
    details: "What pulls that were interrupted have left is removed, too.",
    sections: &[&Section {
        title: "Removing",
        flags: &[
            Flag::switch("all", "All that no container uses, not only those without a tag").short('a'),
            FORCE_YES,
            Flag::switch("dry-run", "Only print what would be removed"),
            Flag::value(
                "filter",
                "KEY=VALUE",
                "Remove only what matches: label, label!, until, dangling; may be repeated",
            )
            .completed(Completion::Words(&["label=", "label!=", "until=", "dangling="])),
        ],
    }],
    ..Verb::new("image prune", "Remove images that nobody uses", images::prune)
};

pub(super) static IMAGE_DIFF: Verb = Verb {
    details: "Added (A), deleted (D) and changed (C) files, with what differs of each: content, attributes, security, times. \
Letter case tells no names apart.",
    usage: &["IMAGE OTHER"],
    least: 2,
    most: 2,
    completion: Completion::Images,
    sections: &[&Section { title: "Output", flags: &[ONE_FORMAT] }],
    ..Verb::new("image diff", "List what differs between two Windows images", images::diff)
};

pub(super) static IMAGE_EDIT: Verb = Verb {
    details: "The image stays as it is. Files and values of the registry go into one new layer on top; Windows is not \
needed. What is made has the time of now, or of SOURCE_DATE_EPOCH.\n\nExamples:\n  \
cv image edit --add 'C:\\app=./build' --entrypoint 'C:\\app\\app.exe' nanoserver:ltsc2022 app:1\n  \
cv image edit --registry 'HKLM\\SOFTWARE\\Vendor\\Mode=dword:1' app:1 app:2",
    usage: &["IMAGE NEW_NAME[:TAG]"],
    least: 2,
    most: 2,
    completion: Completion::Images,
    sections: &[
        &Section {
            title: "Files",
            flags: &[
                Flag::value(
                    "add",
                    "PATH=HERE",
                    "Add a file, or a directory with all that is in it; may be repeated",
                ),
                Flag::value("mkdir", "PATH", "Add a directory; may be repeated"),
                Flag::value("remove", "PATH", "Remove a file or a directory; may be repeated"),
                Flag::value(
                    "registry",
                    "KEY\\NAME=TYPE:DATA",
                    "Set a value of the registry: sz, expand_sz, multi_sz, dword, qword, binary; may be repeated",
                ),
            ],
        },
        &Section {
            title: "Running",
            flags: &[
                Flag::value("env", "NAME=VALUE", "Set a variable of the environment; may be repeated")
                    .short('e'),
                Flag::value("unset-env", "NAME", "Remove a variable of the environment; may be repeated"),
                Flag::value(
                    "entrypoint",
                    "WORDS",
                    "First words of the command: one, or a JSON array; empty for none",
                ),
                Flag::value(
                    "cmd",
                    "WORDS",
                    "Later words of the command: one, or a JSON array; empty for none",
                ),
                Flag::value("user", "NAME", "Whose the command is").short('u'),
                Flag::value("workdir", "PATH", "Working directory").short('w'),
                Flag::value("label", "NAME=VALUE", "Set a label; may be repeated").short('l'),
            ],
        },
    ],
    ..Verb::new("image edit", "Make a Windows image of another one, with changes", images::edit)
};

pub(super) static IMAGE_REBASE: Verb = Verb {
    details: "Layers stay as they are, byte for byte; the version of Windows is the new base's, and so is what the image \
has from its old base. Files of the image that hide what the new base has changed are named.\n\nExample:\n  \
cv image rebase --from nanoserver:old --onto nanoserver:ltsc2022 app:1 app:1-rebased",
    usage: &["IMAGE NEW_NAME[:TAG]"],
    least: 2,
    most: 2,
    completion: Completion::Images,
    sections: &[&Section {
        title: "Bases",
        flags: &[
            Flag::value("from", "IMAGE", "The base that it was made on").completed(Completion::Images),
            Flag::value("onto", "IMAGE", "The new base").completed(Completion::Images),
        ],
    }],
    ..Verb::new("image rebase", "Put a Windows image on another base", images::rebase)
};

const OUTPUT: Flag = Flag::value("output", "FILE", "Write to this file instead of standard output")
    .short('o')
    .completed(Completion::Files);
const CHANGE: Flag = Flag::value(
    "change",
    "INSTRUCTION",
    "Change the configuration by an instruction of Dockerfiles, as `CMD [\"sh\"]`; may be repeated",
)
.short('c');
const MESSAGE: Flag = Flag::value("message", "TEXT", "A remark that the history keeps").short('m');

pub(super) static SAVE: Verb = Verb {
    aliases: &["image save"],
    details: "Without another format it is an archive that Docker, podman and others read, and an OCI image layout at \
the same time.\n\nExamples:\n  cv save -o app.tar app:1.2 debian\n  cv save app:1.2 | ssh server cv load",
    usage: &["IMAGE [IMAGE...]"],
    least: 1,
    most: ANY,
    completion: Completion::Images,
    sections: &[&Section {
        title: "Writing",
        flags: &[
            OUTPUT,
            Flag::value("format", "FORMAT", "docker-archive, oci-archive, or oci-dir for a directory")
                .completed(Completion::Words(images::FORMATS)),
            Flag::value("platform", "OS/ARCH", "Refuse images of other platforms than this"),
        ],
    }],
    ..Verb::new("save", "Write images to a file", images::save)
};

pub(super) static LOAD: Verb = Verb {
    aliases: &["image load"],
    details: "Reads what `cv save`, `docker save`, `podman save` and `skopeo copy` write: archives, plain or compressed \
with gzip or zstd, and OCI image layouts, also as directories.",
    sections: &[&Section {
        title: "Reading",
        flags: &[
            Flag::value("input", "FILE", "Read this file or directory instead of standard input")
                .short('i')
                .completed(Completion::Files),
            PLATFORM,
            QUIET,
        ],
    }],
    ..Verb::new("load", "Read images from a file", images::load)
};

pub(super) static IMAGE_DEBOOTSTRAP: Verb = Verb {
    details: "debootstrap fetches and verifies the packages; their scripts run in a container without network. Needs root, and \
the package debootstrap.\n\nExamples:\n  cv image debootstrap bookworm\n  \
cv image debootstrap --include python3-minimal --mirror https://deb.debian.org/debian trixie debian-python:13",
    usage: &["SUITE [NAME[:TAG]]"],
    least: 1,
    most: 2,
    sections: &[&Section {
        title: "Making",
        flags: &[
            Flag::value("mirror", "URL", "Archive that the packages come from"),
            Flag::value("variant", "NAME", "minbase (default), buildd or standard")
                .completed(Completion::Words(&["minbase", "buildd", "standard"])),
            Flag::value("include", "PACKAGES", "Further packages, with commas between; may be repeated"),
            Flag::value("keyring", "FILE", "Keys that the archive is signed with")
                .completed(Completion::Files),
            Flag::switch("dry-run", "Only print what would be done"),
            Flag::value("format", "text|json", "How that is printed")
                .completed(Completion::Words(&["text", "json"])),
            QUIET,
        ],
    }],
    ..Verb::new("image debootstrap", "Make an image of the packages of Debian or Ubuntu", images::debootstrap)
};

pub(super) static IMPORT: Verb = Verb {
    aliases: &["image import"],
    details: "The archive is that of a whole root, as `cv export` writes it, plain or compressed with gzip or zstd; `-` \
is standard input.",
    usage: &["FILE|- [NAME[:TAG]]"],
    least: 1,
    most: 2,
    completion: Completion::Files,
    sections: &[&Section { title: "Making", flags: &[CHANGE, MESSAGE, PLATFORM] }],
    ..Verb::new("import", "Make an image of the archive of a root", images::import)
};

pub(super) static EXPORT: Verb = Verb {
    aliases: &["container export"],
    details: choose(
        "Of what is mounted in the container, only the mount points are written. It may be stopped.",
        "The container has to be stopped. Attributes, security descriptors, times of creation and junctions are in \
records as layers of images have them; alternate streams and extended attributes are left out, and nothing mapped is there. \
It is an archive of files: `cv import` makes no image of it, `cv commit` makes one of the container.",
    ),
    usage: &["CONTAINER"],
    least: 1,
    most: 1,
    completion: Completion::Containers,
    sections: &[&Section { title: "Writing", flags: &[OUTPUT] }],
    ..Verb::new("export", "Write all files of a container as a tar archive", images::export)
};

pub(super) static COMMIT: Verb = Verb {
    aliases: &["container commit"],
    details: choose(
        "What the container has changed becomes a layer on those of its image. The configuration is that of the image, \
with what the container was asked for: command, environment, user, working directory, labels, stop signal; `--change` comes \
after that. Of a container that was made of no image, all files become one layer.",
        "What the container has changed becomes a layer on those of its image. The configuration is that of the image, \
with what the container was asked for: command, environment, user, working directory, labels, published ports; `--change` \
comes after that. The container has to be stopped, and made of an image.",
    ),
    usage: &["CONTAINER [NAME[:TAG]]"],
    least: 1,
    most: 2,
    completion: Completion::Containers,
    sections: &[&Section {
        title: "Making",
        flags: &[
            Flag::value("author", "NAME", "Who makes it").short('a'),
            CHANGE,
            MESSAGE,
            Flag::switch("pause", "Pause the container meanwhile (default: true)").short('p'),
            Flag::switch("no-pause", "Do not pause the container"),
        ],
    }],
    ..Verb::new("commit", "Make an image of a container", images::commit)
};
