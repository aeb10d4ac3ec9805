//! From a profile to a program.

use std::collections::BTreeMap;

use containerv_spec::seccomp::{Comparison, Profile};

use super::abi::{AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, Abi, X32_BIT};
use super::graph::{Comparing, Graph, NodeId};
use super::policy::{self, Decision, Outcome, Segments, Test};
use super::rules::Rules;
use super::verdict::Verdict;
use super::{Context, Filter};
use crate::Result;

// Offsets in `struct seccomp_data` of `linux/seccomp.h`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Compiles `profile` for a container of `context` on an x86_64 kernel.
///
/// # Errors
///
/// `InvalidArgument` with everything that is wrong with the profile, or if the program would be
/// longer than the kernel takes.
pub fn compile(profile: &Profile, context: &Context) -> Result<Filter> {
    let rules = Rules::choose(profile, context)?;
    let mut graph = Graph::default();
    let i386 = table(&mut graph, &policy::segments_32(&rules))?;
    let i386 = graph.load(NUMBER, i386)?;
    let x86_64 = native(&mut graph, &rules)?;
    let x86_64 = graph.load(NUMBER, x86_64)?;
    let foreign = graph.end(Verdict::KILL_PROCESS.0)?;
    let other = graph.compare(Comparing::Equal, AUDIT_ARCH_I386, i386, foreign)?;
    let root = graph.compare(Comparing::Equal, AUDIT_ARCH_X86_64, x86_64, other)?;
    let root = graph.load(ARCHITECTURE, root)?;
    Ok(Filter { program: graph.layout(root)?, flags: rules.flags, unknown: rules.unknown() })
}

/// Clears the bit of x32, or closes that table. -1 has the bit too, and is no call of any table.
fn native(graph: &mut Graph, rules: &Rules<'_>) -> Result<NodeId> {
    let table = table(graph, &policy::segments_64(rules))?;
    if rules.covers(Abi::X32) {
        return graph.and(!X32_BIT, table);
    }
    let closed = graph.end(Verdict::KILL_PROCESS.0)?;
    let x32 = graph.compare(Comparing::Equal, u32::MAX, table, closed)?;
    graph.compare(Comparing::GreaterOrEqual, X32_BIT, x32, table)
}

fn table(graph: &mut Graph, segments: &Segments) -> Result<NodeId> {
    let mut nodes = Vec::new();
    for (start, outcome) in segments {
        nodes.push((*start, outcome_node(graph, outcome)?));
    }
    nodes.dedup_by_key(|segment| segment.1);
    search(graph, &nodes, u32::MAX)
}

/// Numbers from here on count as one for the search.
const CROWDED: u32 = 600;

/// Finds the segment of the accumulator, below `end`, by halving the numbers that are left.
///
/// Numbers, not segments: the kernel walks through the program once for each number when it is
/// installed, to find out which are allowed whatever their arguments.
fn search(graph: &mut Graph, segments: &[(u32, NodeId)], end: u32) -> Result<NodeId> {
    let [(first, node), others @ ..] = segments else { unreachable!("a table has segments") };
    if others.is_empty() {
        return Ok(*node);
    }
    let middle = u32::midpoint((*first).min(CROWDED), end.min(CROWDED));
    let split = others.iter().min_by_key(|segment| segment.0.min(CROWDED).abs_diff(middle));
    let start = split.map_or(end, |segment| segment.0);
    let (below, above) = segments.split_at(segments.partition_point(|segment| segment.0 < start));
    let below = search(graph, below, start)?;
    let above = search(graph, above, end)?;
    graph.compare(Comparing::GreaterOrEqual, start, above, below)
}

fn outcome_node(graph: &mut Graph, outcome: &Outcome) -> Result<NodeId> {
    match outcome {
        Outcome::Call(decision) => decision_node(graph, decision),
        Outcome::Multiplexer { mask, members, otherwise } => {
            let selected = members_node(graph, members, otherwise)?;
            let selected = graph.and(*mask, selected)?;
            graph.load(ARGUMENTS, selected)
        }
    }
}

fn members_node(
    graph: &mut Graph,
    members: &BTreeMap<u32, Decision>,
    otherwise: &Decision,
) -> Result<NodeId> {
    let none = decision_node(graph, otherwise)?;
    let mut segments = vec![(0, none)];
    for (number, decision) in members {
        let node = decision_node(graph, decision)?;
        if segments.last().is_some_and(|last| last.0 == *number) {
            segments.pop();
        }
        segments.extend([(*number, node), (number + 1, none)]);
    }
    segments.dedup_by_key(|segment| segment.1);
    search(graph, &segments, u32::MAX)
}

fn decision_node(graph: &mut Graph, decision: &Decision) -> Result<NodeId> {
    let mut node = graph.end(decision.otherwise.0)?;
    for clause in decision.clauses.iter().rev() {
        let no = node;
        node = graph.end(clause.verdict.0)?;
        for test in clause.tests.iter().rev() {
            node = test_node(graph, test, node, no)?;
        }
    }
    Ok(node)
}

/// Compares one argument in both of its halves.
fn test_node(graph: &mut Graph, test: &Test, yes: NodeId, no: NodeId) -> Result<NodeId> {
    let (high, low) = ((test.value >> 32) as u32, test.value as u32);
    match test.comparison {
        Comparison::NotEqual => test_node(graph, &Test { comparison: Comparison::Equal, ..*test }, no, yes),
        Comparison::Less => {
            test_node(graph, &Test { comparison: Comparison::GreaterOrEqual, ..*test }, no, yes)
        }
        Comparison::LessOrEqual => {
            test_node(graph, &Test { comparison: Comparison::Greater, ..*test }, no, yes)
        }
        Comparison::Equal => {
            let lower = graph.compare(Comparing::Equal, low, yes, no)?;
            let lower = graph.load(lower_half(test), lower)?;
            high_equal(graph, test, high, lower, no)
        }
        Comparison::Greater => ordered(graph, test, Comparing::Greater, yes, no),
        Comparison::GreaterOrEqual => ordered(graph, test, Comparing::GreaterOrEqual, yes, no),
        Comparison::MaskedEqual => {
            let lower = graph.compare(Comparing::Equal, test.value_two as u32, yes, no)?;
            let lower = graph.and(low, lower)?;
            let lower = graph.load(lower_half(test), lower)?;
            let wanted = (test.value_two >> 32) as u32;
            if test.narrow || high == 0 {
                return Ok(if wanted == 0 { lower } else { no });
            }
            let upper = graph.compare(Comparing::Equal, wanted, lower, no)?;
            let upper = graph.and(high, upper)?;
            graph.load(lower_half(test) + 4, upper)
        }
    }
}

fn ordered(graph: &mut Graph, test: &Test, how: Comparing, yes: NodeId, no: NodeId) -> Result<NodeId> {
    let (high, low) = ((test.value >> 32) as u32, test.value as u32);
    let lower = graph.compare(how, low, yes, no)?;
    let lower = graph.load(lower_half(test), lower)?;
    if test.narrow {
        return Ok(if high == 0 { lower } else { no });
    }
    let equal = graph.compare(Comparing::Equal, high, lower, no)?;
    let upper = graph.compare(Comparing::Greater, high, yes, equal)?;
    graph.load(lower_half(test) + 4, upper)
}

fn high_equal(graph: &mut Graph, test: &Test, high: u32, lower: NodeId, no: NodeId) -> Result<NodeId> {
    if test.narrow {
        return Ok(if high == 0 { lower } else { no });
    }
    let upper = graph.compare(Comparing::Equal, high, lower, no)?;
    graph.load(lower_half(test) + 4, upper)
}

fn lower_half(test: &Test) -> u32 {
    ARGUMENTS + 8 * u32::from(test.argument)
}
