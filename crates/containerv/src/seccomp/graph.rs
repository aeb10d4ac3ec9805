//! A program as a graph of instructions, and its layout in memory.
//!
//! Equal parts are one node, so that a check that several calls need is in the program once. Nodes
//! come after those that they lead to, and classic BPF jumps forward only, so the program is written
//! from its end.

use std::collections::HashMap;

use super::{Filter, Instruction};
use crate::{Error, ErrorKind, Result};

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_IF_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// How far a conditional jump reaches.
const NEAR: usize = u8::MAX as usize;

/// Nodes above which no program can become small enough, for a bound on memory.
const MAX_NODES: usize = 4 * Filter::MAX_INSTRUCTIONS;

/// Index of a node.
pub(super) type NodeId = usize;

/// A comparison of the accumulator with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Comparing {
    Equal,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Node {
    Return(u32),
    Load { offset: u32, next: NodeId },
    And { mask: u32, next: NodeId },
    Compare { how: Comparing, with: u32, yes: NodeId, no: NodeId },
}

/// The nodes of one program.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    known: HashMap<Node, NodeId>,
}

impl Graph {
    /// Ends the program with this value.
    pub(super) fn end(&mut self, value: u32) -> Result<NodeId> {
        self.add(Node::Return(value))
    }

    /// Loads the 32 bits at `offset` of `struct seccomp_data` into the accumulator.
    pub(super) fn load(&mut self, offset: u32, next: NodeId) -> Result<NodeId> {
        match self.nodes[next] {
            Node::Return(_) | Node::Load { .. } => Ok(next),
            _ => self.add(Node::Load { offset, next }),
        }
    }

    /// Keeps the bits of `mask` in the accumulator.
    pub(super) fn and(&mut self, mask: u32, next: NodeId) -> Result<NodeId> {
        match self.nodes[next] {
            Node::Return(_) | Node::Load { .. } => Ok(next),
            _ if mask == u32::MAX => Ok(next),
            _ => self.add(Node::And { mask, next }),
        }
    }

    /// Goes on at `yes` or `no`.
    pub(super) fn compare(&mut self, how: Comparing, with: u32, yes: NodeId, no: NodeId) -> Result<NodeId> {
        match yes == no {
            true => Ok(yes),
            false => self.add(Node::Compare { how, with, yes, no }),
        }
    }

    fn add(&mut self, node: Node) -> Result<NodeId> {
        if let Some(known) = self.known.get(&node) {
            return Ok(*known);
        }
        if self.nodes.len() == MAX_NODES {
            return Err(too_large());
        }
        self.nodes.push(node);
        self.known.insert(node, self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }

    /// Lays out what is reached from `root`.
    pub(super) fn layout(&self, root: NodeId) -> Result<Vec<Instruction>> {
        let mut layout =
            Layout { nodes: &self.nodes, backwards: Vec::new(), places: vec![None; self.nodes.len()] };
        for (id, reached) in self.reached(root).into_iter().enumerate() {
            if reached {
                layout.place(id);
            }
        }
        layout.be_next(root);
        match layout.backwards.len() > Filter::MAX_INSTRUCTIONS {
            true => Err(too_large()),
            false => Ok(layout.backwards.into_iter().rev().collect()),
        }
    }

    fn reached(&self, root: NodeId) -> Vec<bool> {
        let mut reached = vec![false; root + 1];
        reached[root] = true;
        for id in (0..=root).rev() {
            if !reached[id] {
                continue;
            }
            match self.nodes[id] {
                Node::Return(_) => {}
                Node::Load { next, .. } | Node::And { next, .. } => reached[next] = true,
                Node::Compare { yes, no, .. } => {
                    reached[yes] = true;
                    reached[no] = true;
                }
            }
        }
        reached
    }
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!(
            "the seccomp profile needs more than {} instructions, the kernel's limit",
            Filter::MAX_INSTRUCTIONS
        ),
    )
    .with_hint("use fewer rules with conditions on arguments")
}

struct Layout<'a> {
    nodes: &'a [Node],
    /// Instructions, the last one first.
    backwards: Vec<Instruction>,
    /// Where a node lies in `backwards`, or a jump to it.
    places: Vec<Option<usize>>,
}

impl Layout<'_> {
    /// Writes a node in front of everything written; what it leads to is written already.
    fn place(&mut self, id: NodeId) {
        let instruction = match self.nodes[id] {
            Node::Return(value) => plain(RETURN, value),
            Node::Load { offset, next } => {
                self.be_next(next);
                plain(LOAD, offset)
            }
            Node::And { mask, next } => {
                self.be_next(next);
                plain(AND, mask)
            }
            Node::Compare { how, with, yes, no } => {
                // Bringing one near may push the other one away.
                while let Some(far) = [yes, no].into_iter().find(|target| self.distance(*target) > NEAR) {
                    self.bring(far);
                }
                let code = match how {
                    Comparing::Equal => JUMP_IF_EQUAL,
                    Comparing::Greater => JUMP_IF_GREATER,
                    Comparing::GreaterOrEqual => JUMP_IF_GREATER_OR_EQUAL,
                };
                let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
                Instruction { code, jt, jf, k: with }
            }
        };
        self.write(id, instruction);
    }

    fn write(&mut self, id: NodeId, instruction: Instruction) {
        self.places[id] = Some(self.backwards.len());
        self.backwards.push(instruction);
    }

    /// Returns how many instructions lie between the next one to be written and a written node.
    fn distance(&self, id: NodeId) -> usize {
        match self.places[id] {
            Some(place) => self.backwards.len() - 1 - place,
            None => unreachable!("node {id} is laid out before those that lead to it"),
        }
    }

    /// Makes a written node the one that comes next.
    fn be_next(&mut self, id: NodeId) {
        if self.distance(id) != 0 {
            self.bring(id);
        }
    }

    /// Writes a copy of a node, or a jump to it, that later ones reach.
    fn bring(&mut self, id: NodeId) {
        let instruction = match self.nodes[id] {
            Node::Return(value) => plain(RETURN, value),
            _ => plain(JUMP, self.distance(id) as u32),
        };
        self.write(id, instruction);
    }
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}
