//! Checking a profile, and choosing the rules that apply to one container on one machine.

use std::collections::BTreeSet;

use containerv_spec::Capability;
use containerv_spec::seccomp::{Applicability, Condition, Profile, Rule};

use super::abi::{ARCHITECTURES, Abi, GO_ARCH, GO_ARCHES, is_call};
use super::verdict::Verdict;
use super::{Context, multiplex};
use crate::{Error, ErrorKind, Result};

/// Arguments of a system call.
const ARGUMENTS: u32 = 6;
/// Rules of one profile; Docker's has 40.
const MAX_RULES: usize = 4096;
/// Names in all rules of one profile together; Docker's has 500.
const MAX_NAMES: usize = 16_384;
/// What an error begins with.
const UNUSABLE: &str = "the seccomp profile cannot be used";
/// Problems that one error tells of.
const MAX_PROBLEMS: usize = 20;

/// A profile without its conditions on machine and container.
pub(super) struct Rules<'a> {
    /// What happens to a call that no rule matches.
    pub(super) default: Verdict,
    /// Flags of seccomp(2).
    pub(super) flags: u32,
    /// The rules that apply, in order.
    pub(super) applied: Vec<Applied<'a>>,
    /// Names of architectures that the profile is for.
    architectures: Vec<&'a str>,
    /// Every name in a rule, whether or not the rule applies.
    pub(super) mentioned: Vec<&'a str>,
}

/// A rule that applies.
pub(super) struct Applied<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) verdict: Verdict,
    /// All must hold; each is on another argument.
    pub(super) conditions: &'a [Condition],
}

impl<'a> Rules<'a> {
    /// Chooses the rules of `profile` for `context`; fails with everything that is wrong with it.
    pub(super) fn choose(profile: &'a Profile, context: &Context) -> Result<Self> {
        check_size(profile)?;
        let mut problems = Vec::new();
        let mut keep = |result: Result<()>| problems.extend(result.err());
        let architectures = architectures(profile).map_err(|error| keep(Err(error))).unwrap_or_default();
        let flags = flags(&profile.flags).map_err(|error| keep(Err(error))).unwrap_or_default();
        let default = Verdict::new(profile.default_action, profile.default_errno_ret)
            .map_err(|error| keep(Err(error.context("`defaultErrnoRet`"))))
            .unwrap_or(Verdict::KILL_PROCESS);
        let mut rules = Self { default, flags, applied: Vec::new(), architectures, mentioned: Vec::new() };
        for (index, rule) in profile.syscalls.iter().enumerate() {
            keep(rules.add(rule, context).map_err(|error| error.context(place(index, rule))));
        }
        problems.truncate(MAX_PROBLEMS);
        match problems.len() {
            0 => Ok(rules),
            1 => Err(problems.remove(0).context(UNUSABLE)),
            _ => Err(Error::problems(UNUSABLE, problems)),
        }
    }

    fn add(&mut self, rule: &'a Rule, context: &Context) -> Result<()> {
        let names = names(rule)?;
        let verdict = Verdict::new(rule.action, rule.errno_ret)?;
        let conditions = rule.args.as_deref().unwrap_or_default();
        check_arguments(conditions)?;
        let applies = applies(rule, context)?;
        self.mentioned.extend(&names);
        if applies {
            self.applied.push(Applied { names, verdict, conditions });
        }
        Ok(())
    }

    /// Says whether the profile is for this table. The native one is always meant.
    pub(super) fn covers(&self, abi: Abi) -> bool {
        abi == Abi::X86_64 || self.architectures.contains(&abi.name())
    }

    /// Returns the names in rules that apply which are no calls of this machine, sorted.
    pub(super) fn unknown(&self) -> Vec<String> {
        let names = self.applied.iter().flat_map(|rule| &rule.names);
        let unknown: BTreeSet<_> =
            names.filter(|name| !is_call(name) && !multiplex::is_member(name)).collect();
        unknown.into_iter().map(|name| (*name).to_owned()).collect()
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// Names a rule as people find it in the document.
fn place(index: usize, rule: &Rule) -> String {
    match rule.name.as_ref().or(rule.names.first()) {
        Some(name) => format!("`syscalls[{index}]` (`{name}`)"),
        None => format!("`syscalls[{index}]`"),
    }
}

fn check_size(profile: &Profile) -> Result<()> {
    let rules = profile.syscalls.len();
    if rules > MAX_RULES {
        return Err(wrong(format!("the seccomp profile has {rules} rules; at most {MAX_RULES} are read")));
    }
    let names: usize = profile.syscalls.iter().map(|rule| rule.names.len()).sum();
    if names > MAX_NAMES {
        return Err(wrong(format!("the seccomp profile names {names} calls; at most {MAX_NAMES} are read")));
    }
    Ok(())
}

/// Returns the architectures of a profile, from whichever of its two forms it uses.
fn architectures(profile: &Profile) -> Result<Vec<&str>> {
    if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
        return Err(wrong("`architectures` and `archMap` are both given").with_hint("leave one of them out"));
    }
    for map in &profile.arch_map {
        known_architecture(&map.architecture)?;
        map.sub_architectures.iter().flatten().try_for_each(|name| known_architecture(name))?;
    }
    profile.architectures.iter().try_for_each(|name| known_architecture(name))?;
    let native = profile.arch_map.iter().find(|map| map.architecture == Abi::X86_64.name());
    let beside = native.and_then(|map| map.sub_architectures.as_deref()).unwrap_or_default();
    Ok(profile.architectures.iter().chain(beside).map(String::as_str).collect())
}

fn known_architecture(name: &str) -> Result<()> {
    match ARCHITECTURES.contains(&name) {
        true => Ok(()),
        false => Err(wrong(format!("`{name}` is no architecture"))
            .with_hint("architectures have libseccomp's names, such as `SCMP_ARCH_X86_64`")),
    }
}

/// Reads flags of seccomp(2). Those that concern a listener for notifications are refused, as there
/// is none.
fn flags(names: &[String]) -> Result<u32> {
    names.iter().try_fold(0, |flags, name| match name.as_str() {
        "SECCOMP_FILTER_FLAG_TSYNC" => Ok(flags | 1),
        "SECCOMP_FILTER_FLAG_LOG" => Ok(flags | 1 << 1),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(flags | 1 << 2),
        _ => Err(wrong(format!("flag `{name}` is not supported")).with_hint(
            "supported are `SECCOMP_FILTER_FLAG_TSYNC`, `SECCOMP_FILTER_FLAG_LOG` and \
             `SECCOMP_FILTER_FLAG_SPEC_ALLOW`",
        )),
    })
}

fn names(rule: &Rule) -> Result<Vec<&str>> {
    match (&rule.name, rule.names.is_empty()) {
        (Some(_), false) => Err(wrong("`name` and `names` are both given").with_hint("leave `name` out")),
        (Some(name), true) => Ok(vec![name]),
        (None, false) => Ok(rule.names.iter().map(String::as_str).collect()),
        (None, true) => Err(wrong("the rule names no call").with_hint("give `names`, or remove the rule")),
    }
}

/// Refuses two conditions on one argument, because runtimes disagree on what they mean: runc lets
/// either suffice, while conditions on different arguments must all hold.
fn check_arguments(conditions: &[Condition]) -> Result<()> {
    let mut seen = 0_u32;
    for condition in conditions {
        let index = condition.index;
        if index >= ARGUMENTS {
            return Err(wrong(format!("argument {index} does not exist; a call has arguments 0 to 5")));
        }
        if seen & 1 << index != 0 {
            return Err(wrong(format!("there are two conditions on argument {index}"))
                .with_hint("write a rule for each alternative; conditions of one rule must all hold"));
        }
        seen |= 1 << index;
    }
    Ok(())
}

/// Evaluates `includes` and `excludes` as Docker does: an include needs every capability, an exclude any.
fn applies(rule: &Rule, context: &Context) -> Result<bool> {
    let included = match &rule.includes {
        Some(includes) => {
            let facts = Facts::read(includes, context)?;
            facts.arch != Some(false) && facts.kernel != Some(false) && !facts.capabilities.contains(&false)
        }
        None => true,
    };
    let excluded = match &rule.excludes {
        Some(excludes) => {
            let facts = Facts::read(excludes, context)?;
            facts.arch == Some(true) || facts.kernel == Some(true) || facts.capabilities.contains(&true)
        }
        None => false,
    };
    Ok(included && !excluded)
}

/// What holds of an applicability; `None` where it does not ask.
struct Facts {
    arch: Option<bool>,
    kernel: Option<bool>,
    capabilities: Vec<bool>,
}

impl Facts {
    fn read(asked: &Applicability, context: &Context) -> Result<Self> {
        if let Some(unknown) = asked.arches.iter().find(|arch| !GO_ARCHES.contains(&arch.as_str())) {
            return Err(wrong(format!("`{unknown}` in `arches` is no architecture"))
                .with_hint("here architectures have Go's names; this machine is `amd64`"));
        }
        let arch = (!asked.arches.is_empty()).then(|| asked.arches.iter().any(|arch| arch == GO_ARCH));
        let kernel = asked.min_kernel.as_deref().map(kernel_version).transpose()?;
        let held = |name: &String| match name.parse::<Capability>() {
            Ok(capability) => Ok(context.capabilities.contains(capability)),
            Err(unknown) => Err(wrong(format!("`caps`: {unknown}"))),
        };
        Ok(Self {
            arch,
            kernel: kernel.map(|least| context.kernel >= least),
            capabilities: asked.caps.iter().map(held).collect::<Result<_>>()?,
        })
    }
}

fn kernel_version(text: &str) -> Result<(u32, u32)> {
    let parts =
        text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parts.ok_or_else(|| {
        wrong(format!("`minKernel`: `{text}` is no kernel version"))
            .with_hint("write major and minor, as `4.8`")
    })
}
