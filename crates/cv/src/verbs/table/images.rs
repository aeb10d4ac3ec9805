//! Verbs about images.

use super::{ANY, FORCE_YES, FORMAT, NO_TRUNC, QUIET};
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
    sections: &[&Section { title: "Output", flags: &[ONE_FORMAT] }],
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
