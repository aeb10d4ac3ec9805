//! Jumps at the limit of their reach.

use super::super::abi::AUDIT_ARCH_X86_64;
use super::super::graph::{Comparing, Graph};
use super::{Call, interpreter};

/// A chain of `length` comparisons of the number, each of which leads to one and the same check of
/// the first argument, or to the next comparison.
fn chain(length: u32, twisted: bool) -> Vec<super::super::Instruction> {
    let mut graph = Graph::default();
    let (good, bad, none) = (graph.end(1).unwrap(), graph.end(2).unwrap(), graph.end(3).unwrap());
    let check = graph.compare(Comparing::Equal, 7, good, bad).unwrap();
    let check = graph.load(16, check).unwrap();
    let mut node = graph.compare(Comparing::Equal, 0, check, none).unwrap();
    for number in 1..length {
        // Both targets are far at once if the next comparison is not the neighbour.
        let far = if twisted {
            graph.compare(Comparing::Equal, 5000 + number, none, check).unwrap()
        } else {
            check
        };
        node = graph.compare(Comparing::Equal, number, far, node).unwrap();
    }
    let root = graph.load(0, node).unwrap();
    graph.layout(root).unwrap()
}

#[test]
fn targets_are_reached_from_any_distance() {
    for length in (1..=10).chain(120..=135).chain(248..=262).chain(505..=520) {
        for twisted in [false, true] {
            let program = chain(length, twisted);
            interpreter::check(&program);
            for number in 0..=length {
                for (argument, expected) in [(7, 1), (8, 2)] {
                    let call = Call { number, architecture: AUDIT_ARCH_X86_64, arguments: [argument; 6] };
                    let expected = if number == length { 3 } else { expected };
                    assert_eq!(interpreter::run(&program, &call), expected, "{number} of {length} {twisted}");
                }
            }
        }
    }
}
