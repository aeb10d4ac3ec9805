//! Fills nodes with values.

use serde_json::Value;

use super::functions;
use super::parse::{Command, Node, Operand, Pipe};
use super::plain;

/// Most nodes that are visited, rounds of `range` included.
const MOST_STEPS: usize = 1_000_000;
/// Longest result in bytes; also how much values may take that are handed around.
const MOST_BYTES: usize = 16 << 20;
/// What a value takes besides its text.
const VALUE_BYTES: usize = 64;

const TOO_MUCH: &str = "too much to print";

/// Fills in an object.
pub(super) fn render(nodes: &[Node], root: &Value) -> Result<String, String> {
    let mut evaluation = Evaluation { root, text: String::new(), steps: 0, moved: 0 };
    evaluation.nodes(nodes, root)?;
    Ok(evaluation.text)
}

struct Evaluation<'a> {
    root: &'a Value,
    text: String,
    steps: usize,
    /// Size of all values that were handed to functions and blocks so far: a block's value can be
    /// made of the one around it several times over.
    moved: usize,
}

impl Evaluation<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), String> {
        for node in nodes {
            self.steps += 1;
            if self.steps > MOST_STEPS || self.text.len() > MOST_BYTES {
                return Err(TOO_MUCH.to_owned());
            }
            self.node(node, dot)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<(), String> {
        match node {
            Node::Text(text) => self.text.push_str(text),
            Node::Print(pipe) => {
                let value = self.pipe(pipe, dot)?;
                self.text.push_str(&plain(&value));
            }
            Node::Choice { condition, moves_dot, then, otherwise } => {
                let value = self.pipe(condition, dot)?;
                match (truth(&value), moves_dot) {
                    (true, true) => self.nodes(then, &value)?,
                    (true, false) => self.nodes(then, dot)?,
                    (false, _) => self.nodes(otherwise, dot)?,
                }
            }
            Node::Range { items, body, otherwise } => self.range(items, body, otherwise, dot)?,
        }
        Ok(())
    }

    fn range(&mut self, items: &Pipe, body: &[Node], otherwise: &[Node], dot: &Value) -> Result<(), String> {
        let items = match self.pipe(items, dot)? {
            Value::Array(items) => items,
            Value::Object(fields) => fields.into_iter().map(|(_, value)| value).collect(),
            Value::Null => Vec::new(),
            Value::String(text) if text.is_empty() => Vec::new(),
            other => return Err(format!("range needs a list or a map, not {}", kind(&other))),
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        items.iter().try_for_each(|item| self.nodes(body, item))
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let mut previous = None;
        for command in &pipe.0 {
            previous = Some(self.command(command, dot, previous)?);
        }
        Ok(previous.unwrap_or(Value::Null))
    }

    fn command(&mut self, command: &Command, dot: &Value, previous: Option<Value>) -> Result<Value, String> {
        match command {
            Command::Value(_) if previous.is_some() => {
                Err("only a function can take the value of a pipe".to_owned())
            }
            Command::Value(operand) => self.operand(operand, dot),
            Command::Call(name, operands) => {
                let mut arguments = Vec::with_capacity(operands.len() + 1);
                for operand in operands {
                    arguments.push(self.operand(operand, dot)?);
                }
                arguments.extend(previous);
                functions::call(name, &arguments)
            }
        }
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        match operand {
            Operand::Field(names) => self.copy(field(dot, names)?),
            Operand::Root(names) => self.copy(field(self.root, names)?),
            Operand::Text(text) => Ok(Value::from(text.as_str())),
            Operand::Number(number) => Ok(Value::from(*number)),
            Operand::Bool(on) => Ok(Value::from(*on)),
            Operand::Pipe(pipe, names) => {
                let value = self.pipe(pipe, dot)?;
                self.copy(field(&value, names)?)
            }
        }
    }

    fn copy(&mut self, value: &Value) -> Result<Value, String> {
        self.moved += size(value);
        if self.moved > MOST_BYTES { Err(TOO_MUCH.to_owned()) } else { Ok(value.clone()) }
    }
}

fn size(value: &Value) -> usize {
    let content = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    VALUE_BYTES + content
}

fn field<'a>(value: &'a Value, names: &[String]) -> Result<&'a Value, String> {
    let mut value = value;
    for name in names {
        value = match value {
            Value::Object(fields) => fields.get(name).ok_or_else(|| format!("no field `{name}`"))?,
            // A part that is not there now, such as the exit of a running container.
            Value::Null => return Ok(&Value::Null),
            other => return Err(format!("no field `{name}` in {}", kind(other))),
        };
    }
    Ok(value)
}

/// Go's rule: empty and zero are false.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
