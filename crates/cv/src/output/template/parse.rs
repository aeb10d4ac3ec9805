//! From tokens to nodes.

use super::lex::{Kind, Part, Token};
use super::{Problem, functions};

/// Deepest nesting of blocks and of parentheses.
const DEEPEST: usize = 64;

/// A piece of a template.
pub(super) enum Node {
    /// Printed as it is.
    Text(String),
    /// The value of a pipe, printed.
    Print(Pipe),
    /// `if` and `with`, `else if` being nested in `otherwise`.
    Choice { condition: Pipe, moves_dot: bool, then: Vec<Node>, otherwise: Vec<Node> },
    /// `range`.
    Range { items: Pipe, body: Vec<Node>, otherwise: Vec<Node> },
}

/// Commands, each of which takes the value of the one before as its last argument.
pub(super) struct Pipe(pub(super) Vec<Command>);

/// A function with arguments, or a value.
pub(super) enum Command {
    Call(&'static str, Vec<Operand>),
    Value(Operand),
}

/// A value.
pub(super) enum Operand {
    Field(Vec<String>),
    Root(Vec<String>),
    Text(String),
    Number(i64),
    Bool(bool),
    /// `(pipe).A.B`
    Pipe(Box<Pipe>, Vec<String>),
}

impl Pipe {
    /// The last name of the first field that is mentioned.
    pub(super) fn last_field(&self) -> Option<&str> {
        self.0.iter().find_map(|command| match command {
            Command::Value(operand) => operand.last_field(),
            Command::Call(_, operands) => operands.iter().find_map(Operand::last_field),
        })
    }
}

impl Operand {
    fn last_field(&self) -> Option<&str> {
        match self {
            Self::Field(names) | Self::Root(names) => names.last().map(String::as_str),
            Self::Pipe(pipe, names) => names.last().map(String::as_str).or_else(|| pipe.last_field()),
            _ => None,
        }
    }
}

/// Visits nodes in order, blocks included.
pub(super) fn walk<'a>(nodes: &'a [Node], visit: &mut impl FnMut(&'a Node)) {
    for node in nodes {
        visit(node);
        if let Node::Choice { then: body, otherwise, .. } | Node::Range { body, otherwise, .. } = node {
            walk(body, visit);
            walk(otherwise, visit);
        }
    }
}

pub(super) fn parse(parts: Vec<Part>) -> Result<Vec<Node>, Problem> {
    let mut parser = Parser { parts: parts.into_iter(), depth: 0 };
    match parser.block()? {
        (nodes, End::Template) => Ok(nodes),
        (_, End::Else(at, _)) => Err(Problem::new(at, "`else` without `if`, `range` or `with`")),
        (_, End::Close(at)) => Err(Problem::new(at, "`end` without `if`, `range` or `with`")),
    }
}

struct Parser {
    parts: std::vec::IntoIter<Part>,
    depth: usize,
}

/// What ended a block.
enum End {
    Template,
    Close(usize),
    /// The tokens after `else`.
    Else(usize, Vec<Token>),
}

impl Parser {
    fn block(&mut self) -> Result<(Vec<Node>, End), Problem> {
        let mut nodes = Vec::new();
        while let Some(part) = self.parts.next() {
            let (start, tokens) = match part {
                Part::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Part::Action(start, tokens) => (start, tokens),
            };
            let Some(first) = tokens.first() else {
                return Err(Problem::new(start, "nothing between `{{` and `}}`"));
            };
            let at = first.at;
            match &first.kind {
                Kind::Word(word) if word == "end" => return Ok((nodes, End::Close(at))),
                Kind::Word(word) if word == "else" => {
                    return Ok((nodes, End::Else(at, tokens[1..].to_vec())));
                }
                Kind::Word(word) if matches!(word.as_str(), "if" | "with" | "range") => {
                    nodes.push(self.structure(word, at, &tokens[1..])?);
                }
                Kind::Word(word)
                    if matches!(word.as_str(), "template" | "define" | "block" | "break" | "continue") =>
                {
                    return Err(Problem::new(at, format!("`{word}` is not offered")));
                }
                _ => nodes.push(Node::Print(pipe_of(&tokens, at)?)),
            }
        }
        Ok((nodes, End::Template))
    }

    fn structure(&mut self, word: &str, at: usize, tokens: &[Token]) -> Result<Node, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::new(at, format!("nested more than {DEEPEST} deep")));
        }
        let pipe = pipe_of(tokens, at)?;
        let (body, end) = self.block()?;
        let otherwise = match end {
            End::Template => return Err(Problem::new(at, format!("`{word}` without `end`"))),
            End::Close(_) => Vec::new(),
            End::Else(at, rest) => self.otherwise(word, at, &rest)?,
        };
        self.depth -= 1;
        Ok(match word {
            "range" => Node::Range { items: pipe, body, otherwise },
            _ => Node::Choice { condition: pipe, moves_dot: word == "with", then: body, otherwise },
        })
    }

    fn otherwise(&mut self, word: &str, at: usize, rest: &[Token]) -> Result<Vec<Node>, Problem> {
        if let Some(Token { kind: Kind::Word(next), at }) = rest.first()
            && next == word
            && word != "range"
        {
            // `else if` shares the `end` of its `if`.
            return Ok(vec![self.structure(word, *at, &rest[1..])?]);
        }
        if let Some(token) = rest.first() {
            return Err(Problem::new(token.at, "nothing is expected after `else` here"));
        }
        match self.block()? {
            (nodes, End::Close(_)) => Ok(nodes),
            (_, End::Else(at, _)) => Err(Problem::new(at, "a second `else`")),
            (_, End::Template) => Err(Problem::new(at, format!("`{word}` without `end`"))),
        }
    }
}

fn pipe_of(tokens: &[Token], at: usize) -> Result<Pipe, Problem> {
    let mut reader = Reader { tokens, next: 0, depth: 0 };
    let pipe = reader.pipe(at)?;
    match tokens.get(reader.next) {
        None => Ok(pipe),
        Some(token) => Err(Problem::new(token.at, "`)` without `(`")),
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    next: usize,
    depth: usize,
}

impl Reader<'_> {
    fn pipe(&mut self, at: usize) -> Result<Pipe, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::new(at, format!("nested more than {DEEPEST} deep")));
        }
        let mut commands = Vec::new();
        let mut missing = Problem::new(at, "a value is missing");
        loop {
            commands.push(self.command(missing)?);
            match self.tokens.get(self.next) {
                Some(Token { kind: Kind::Pipe, at }) => {
                    self.next += 1;
                    missing = Problem::new(*at, "nothing after `|`");
                }
                _ => {
                    self.depth -= 1;
                    return Ok(Pipe(commands));
                }
            }
        }
    }

    fn command(&mut self, missing: Problem) -> Result<Command, Problem> {
        let Some(first) = self.tokens.get(self.next) else { return Err(missing) };
        if let Kind::Word(word) = &first.kind
            && !matches!(word.as_str(), "true" | "false" | "nil")
        {
            self.next += 1;
            let name = functions::known(word).ok_or_else(|| unknown_function(first.at, word))?;
            let mut operands = Vec::new();
            while let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            return Ok(Command::Call(name, operands));
        }
        let Some(operand) = self.operand()? else { return Err(missing) };
        match self.operand()? {
            None => Ok(Command::Value(operand)),
            Some(_) => Err(Problem::new(first.at, "only a function takes arguments")),
        }
    }

    fn operand(&mut self) -> Result<Option<Operand>, Problem> {
        let Some(token) = self.tokens.get(self.next) else { return Ok(None) };
        let operand = match &token.kind {
            Kind::Pipe | Kind::Close => return Ok(None),
            Kind::Field(names) => Operand::Field(names.clone()),
            Kind::Root(names) => Operand::Root(names.clone()),
            Kind::Text(text) => Operand::Text(text.clone()),
            Kind::Number(number) => Operand::Number(*number),
            Kind::Word(word) if word == "true" || word == "false" => Operand::Bool(word == "true"),
            Kind::Word(word) => {
                return Err(Problem::new(token.at, format!("put `{word}` and its arguments in parentheses")));
            }
            Kind::Open => return self.parenthesis(token.at).map(Some),
        };
        self.next += 1;
        Ok(Some(operand))
    }

    fn parenthesis(&mut self, at: usize) -> Result<Operand, Problem> {
        self.next += 1;
        let pipe = self.pipe(at)?;
        match self.tokens.get(self.next) {
            Some(Token { kind: Kind::Close, .. }) => self.next += 1,
            _ => return Err(Problem::new(at, "`(` is not closed")),
        }
        let close = self.tokens[self.next - 1].at;
        let names = match self.tokens.get(self.next) {
            Some(Token { kind: Kind::Field(names), at }) if *at == close + 1 && !names.is_empty() => {
                self.next += 1;
                names.clone()
            }
            _ => Vec::new(),
        };
        Ok(Operand::Pipe(Box::new(pipe), names))
    }
}

fn unknown_function(at: usize, word: &str) -> Problem {
    Problem::new(at, format!("unknown function `{word}`; known are {}", functions::NAMES.join(", ")))
}
