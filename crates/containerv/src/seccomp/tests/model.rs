//! What a profile means, read rule by rule for one call.

use containerv_spec::Capability;
use containerv_spec::seccomp::{Action, Applicability, Comparison, Condition, Profile, Rule};

use super::super::Context;
use super::super::abi::{AUDIT_ARCH_I386, AUDIT_ARCH_X86_64};
use super::super::calls::{CALLS, Row};
use super::super::multiplex::MULTIPLEXERS;
use super::super::narrow;
use super::{Call, ENOSYS, KILL_PROCESS};

/// Returns the value that the filter of `profile` must return for `call`.
pub(super) fn expected(profile: &Profile, context: &Context, call: &Call) -> u32 {
    let (architecture, column, number) = match (call.architecture, call.number) {
        (AUDIT_ARCH_X86_64, number) if number < 0x4000_0000 || number == u32::MAX => {
            ("SCMP_ARCH_X86_64", 0, number)
        }
        (AUDIT_ARCH_X86_64, number) => ("SCMP_ARCH_X32", 2, number & !0x4000_0000),
        (AUDIT_ARCH_I386, number) => ("SCMP_ARCH_X86", 1, number),
        _ => return KILL_PROCESS,
    };
    if architecture != "SCMP_ARCH_X86_64" && !covers(profile, architecture) {
        return KILL_PROCESS;
    }
    let reading = Reading { profile, context, column };
    let name = CALLS.iter().find(|row| is_number(row, number, column, profile));
    match name {
        Some(row) if column == 1 && MULTIPLEXERS.iter().any(|multiplexer| multiplexer.name == row.0) => {
            reading.multiplexer(row.0, &call.arguments)
        }
        Some(row) => reading.call(row.0, &call.arguments).unwrap_or_else(|| reading.unlisted(number)),
        None => reading.unlisted(number),
    }
}

/// In 64-bit mode a number means the same with and without the bit of x32.
fn is_number(row: &Row, number: u32, column: usize, profile: &Profile) -> bool {
    let number = i64::from(number);
    match column {
        1 => i64::from(row.2) == number,
        _ if (512..548).contains(&number) => i64::from(row.3) == number && covers(profile, "SCMP_ARCH_X32"),
        _ => i64::from(row.1) == number,
    }
}

fn covers(profile: &Profile, architecture: &str) -> bool {
    let map = profile.arch_map.iter().find(|map| map.architecture == "SCMP_ARCH_X86_64");
    let beside = map.and_then(|map| map.sub_architectures.clone()).unwrap_or_default();
    profile.architectures.iter().chain(&beside).any(|name| name == architecture)
}

struct Reading<'a> {
    profile: &'a Profile,
    context: &'a Context,
    column: usize,
}

impl Reading<'_> {
    /// The strictest rule that matches; the first of equally strict ones.
    fn call(&self, name: &str, arguments: &[u64; 6]) -> Option<u32> {
        let matching = self.rules(name).filter(|rule| {
            let mut conditions = rule.args.iter().flatten();
            conditions.all(|condition| holds(name, condition, arguments))
        });
        matching.map(value).min_by_key(|value| strictness(*value))
    }

    fn rules(&self, name: &str) -> impl Iterator<Item = &Rule> {
        let named = move |rule: &&Rule| rule.names.iter().chain(&rule.name).any(|other| other == name);
        self.profile.syscalls.iter().filter(named).filter(|rule| applies(rule, self.context))
    }

    fn default(&self) -> u32 {
        number(self.profile.default_action, self.profile.default_errno_ret)
    }

    fn unlisted(&self, number: u32) -> u32 {
        let names = self.profile.syscalls.iter().flat_map(|rule| rule.names.iter().chain(&rule.name));
        let numbers = names.filter_map(|name| {
            let row = &CALLS[CALLS.binary_search_by_key(&name.as_str(), |row| row.0).ok()?];
            u32::try_from(if self.column == 1 { row.2 } else { row.1 }).ok()
        });
        let x32_own = self.column != 1 && (512..548).contains(&number);
        let newer = numbers.max().is_some_and(|last| number > last) && !x32_own;
        let denies = strictness(self.default()) < 0x7ff0_0000;
        if denies && newer { ENOSYS } else { self.default() }
    }

    fn multiplexer(&self, name: &str, arguments: &[u64; 6]) -> u32 {
        let own = self.call(name, arguments);
        let multiplexer = MULTIPLEXERS.iter().find(|multiplexer| multiplexer.name == name).unwrap();
        let selected = arguments[0] as u32 & multiplexer.mask;
        let Some((_, member)) = multiplexer.members.iter().find(|member| member.0 == selected) else {
            return own.unwrap_or_else(|| self.default());
        };
        let has_own = self.rules(name).next().is_some();
        let mut possible: Vec<u32> = Vec::new();
        if has_own {
            possible.push(own.unwrap_or_else(|| self.default()));
        }
        possible.extend(self.rules(member).map(value));
        if self.rules(member).all(|rule| rule.args.as_deref().is_some_and(|args| !args.is_empty())) {
            possible.push(self.default());
        }
        possible.into_iter().min_by_key(|value| strictness(*value)).unwrap()
    }
}

fn strictness(value: u32) -> i32 {
    (value & 0xffff_0000) as i32
}

fn value(rule: &Rule) -> u32 {
    number(rule.action, rule.errno_ret)
}

fn number(action: Action, number: Option<u32>) -> u32 {
    match action {
        Action::KillThread => 0,
        Action::KillProcess => 0x8000_0000,
        Action::Trap => 0x0003_0000,
        Action::Errno => 0x0005_0000 + number.unwrap_or(1),
        Action::Trace => 0x7ff0_0000 + number.unwrap_or(1),
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

fn holds(name: &str, condition: &Condition, arguments: &[u64; 6]) -> bool {
    let mut argument = arguments[condition.index as usize];
    let (mut value, mut value_two) = (condition.value, condition.value_two);
    if narrow::is_narrow(name, condition.index as u8) {
        argument = u64::from(argument as u32);
        value = narrow::operand(value);
        value_two = narrow::operand(value_two);
    }
    match condition.op {
        Comparison::NotEqual => argument != value,
        Comparison::Less => argument < value,
        Comparison::LessOrEqual => argument <= value,
        Comparison::Equal => argument == value,
        Comparison::GreaterOrEqual => argument >= value,
        Comparison::Greater => argument > value,
        Comparison::MaskedEqual => argument & value == value_two,
    }
}

fn applies(rule: &Rule, context: &Context) -> bool {
    let empty = Applicability::default();
    let includes = rule.includes.as_ref().unwrap_or(&empty);
    let excludes = rule.excludes.as_ref().unwrap_or(&empty);
    let has = |name: &String| context.capabilities.contains(name.parse::<Capability>().unwrap());
    let native = |arch: &String| arch == "amd64";
    let kernel = |least: &String| {
        let (major, minor) = least.split_once('.').unwrap();
        context.kernel >= (major.parse().unwrap(), minor.parse().unwrap())
    };
    (includes.arches.is_empty() || includes.arches.iter().any(native))
        && includes.caps.iter().all(has)
        && includes.min_kernel.as_ref().is_none_or(kernel)
        && !excludes.arches.iter().any(native)
        && !excludes.caps.iter().any(has)
        && !excludes.min_kernel.as_ref().is_some_and(kernel)
}
