//! The part of Go's `text/template` that people use with `--format`.
//!
//! `{{.Field.Sub}}`, `{{.}}`, `{{$}}`, literals, pipes, parentheses, `if`/`else if`/`else`,
//! `range`/`else`, `with`/`else`, `{{-`/`-}}`, comments and the functions of `functions`.
//! Text, nesting and steps are bounded. Variables, `define`, `template` and `block` are refused.

mod evaluate;
mod functions;
mod lex;
mod parse;

use containerv::Error;
use serde_json::Value;

use crate::value::wrong;
use parse::Node;

/// Longest template in bytes.
const MOST_BYTES: usize = 64 << 10;

/// A template that was read.
pub struct Template {
    nodes: Vec<Node>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// It is wrong; the message names the place in characters, from 1.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MOST_BYTES {
            return Err(wrong(format!("template longer than {MOST_BYTES} bytes")));
        }
        let nodes = lex::split(text).and_then(parse::parse).map_err(|problem| problem.into_error(text))?;
        Ok(Self { nodes })
    }

    /// Fills in an object.
    ///
    /// # Errors
    ///
    /// It asks for what the object does not have, or what a function cannot take.
    pub fn render(&self, object: &Value) -> Result<String, Error> {
        evaluate::render(&self.nodes, object).map_err(|message| {
            let error = wrong(format!("template: {message}"));
            match object.as_object() {
                Some(fields) if message.contains("no field") => {
                    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                    error.with_hint(format!("fields: {}", names.join(", ")))
                }
                _ => error,
            }
        })
    }

    /// Returns the fields that each tab-separated part mentions, for headings.
    pub fn fields_by_cell(&self) -> Vec<Vec<String>> {
        let mut cells = vec![Vec::new()];
        parse::walk(&self.nodes, &mut |node| match node {
            Node::Text(text) => cells.extend(text.matches('\t').map(|_| Vec::new())),
            Node::Print(pipe) => {
                let field = pipe.last_field();
                if let (Some(field), Some(cell)) = (field, cells.last_mut()) {
                    cell.push(field.to_owned());
                }
            }
            _ => {}
        });
        cells
    }
}

/// Something wrong at a byte of the template.
struct Problem {
    at: usize,
    message: String,
}

impl Problem {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    fn into_error(self, text: &str) -> Error {
        let character = text.char_indices().take_while(|(at, _)| *at < self.at).count() + 1;
        wrong(format!("template, character {character}: {}", self.message))
    }
}

/// Returns a value as a template prints it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<no value>".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}:{}", plain(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> String {
        let object = json!({
            "ID": "abc", "Name": "Web", "N": 3, "On": true, "Off": false, "Empty": "", "None": null,
            "List": ["a", "b"], "Map": {"k": "v", "x": "y"}, "Deep": {"Inner": {"Leaf": 7}},
            "Mounts": [{"Source": "/a"}, {"Source": "/b"}],
        });
        match Template::parse(template).and_then(|template| template.render(&object)) {
            Ok(text) => text,
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn templates_fill_in() {
        for (template, expected) in [
            ("plain", "plain"),
            ("{{.ID}}", "abc"),
            ("a{{ .ID }}b{{.Name}}c", "aabcbWebc"),
            ("{{.Deep.Inner.Leaf}}", "7"),
            ("{{json .Map}}", r#"{"k":"v","x":"y"}"#),
            ("{{.Name | lower}} {{upper .Name}}", "web WEB"),
            ("{{.Name | lower | printf \"%s-%d\" .ID | upper}}", "! template: printf: `%d` needs a number"),
            ("{{printf \"%s=%v %d%%\" .ID .On .N}}", "abc=true 3%"),
            ("{{printf \"%-5s|%5s|%03d\" .ID .ID .N}}", "abc  |  abc|003"),
            ("{{join .List \",\"}}", "a,b"),
            ("{{len .List}} {{len .Name}} {{len .Map}}", "2 3 2"),
            ("{{index .List 1}} {{index .Map \"k\"}}", "b v"),
            ("{{truncate .Name 2}}", "We"),
            ("{{title \"abc\"}} {{pad .ID 1 2}}|", "Abc  abc  |"),
            ("{{if .On}}yes{{else}}no{{end}}", "yes"),
            ("{{if .Off}}yes{{else if .Name}}other{{else}}no{{end}}", "other"),
            ("{{if and .On (eq .N 3)}}x{{end}}{{if or .Off .Empty}}y{{end}}", "x"),
            ("{{if not .Off}}x{{end}}{{if ne .ID \"abc\"}}y{{end}}{{if gt .N 2}}z{{end}}", "xz"),
            ("{{range .Mounts}}{{.Source}};{{end}}", "/a;/b;"),
            ("{{range $.List}}{{.}}{{$.ID}} {{else}}none{{end}}", "aabc babc "),
            ("{{range .Map}}{{.}}{{end}}", "vy"),
            ("{{range .Empty}}x{{else}}none{{end}}", "none"),
            ("{{with .Deep.Inner}}{{.Leaf}}{{end}}{{with .Empty}}x{{else}}-{{end}}", "7-"),
            ("a {{- .ID -}} b", "aabcb"),
            ("{{/* comment */}}x", "x"),
            ("{{.List}} {{.Map}} {{.None}}", "[a b] map[k:v x:y] <no value>"),
            ("{{\"{{\"}}{{`raw\\n`}}{{\"tab\\t\"}}", "{{raw\\ntab\t"),
            ("{{split \"a,b\" \",\"}}", "[a b]"),
            ("{{println .ID}}", "abc\n"),
            ("{{(index .Mounts 0).Source}}", "/a"),
        ] {
            assert_eq!(filled(template), expected, "{template}");
        }
    }

    #[test]
    fn mistakes_name_their_place() {
        for (template, expected) in [
            ("{{.Nope}}", "! template: no field `Nope`"),
            ("{{.ID.Sub}}", "! template: no field `Sub` in a text"),
            ("ab {{.ID", "! template, character 4: `{{` is not closed"),
            (
                "{{frob .ID}}",
                "! template, character 3: unknown function `frob`; known are and, eq, ge, gt, index, join, json, le, len, lower, lt, ne, not, or, pad, print, printf, println, split, title, truncate, upper",
            ),
            ("{{if .ID}}x", "! template, character 3: `if` without `end`"),
            ("x{{end}}", "! template, character 4: `end` without `if`, `range` or `with`"),
            ("{{else}}", "! template, character 3: `else` without `if`, `range` or `with`"),
            ("{{}}", "! template, character 3: nothing between `{{` and `}}`"),
            ("{{.ID | }}", "! template, character 7: nothing after `|`"),
            ("{{\"abc}}", "! template, character 3: the text is not closed"),
            ("{{$x := .ID}}", "! template, character 3: variables are not offered"),
            ("{{template \"x\"}}", "! template, character 3: `template` is not offered"),
            ("{{ü}}", "! template, character 3: `ü` is not expected here"),
            ("{{.ID 5}}", "! template, character 3: only a function takes arguments"),
            ("{{index .List 5}}", "! template: index: 5 is out of range, there are 2"),
            ("{{range .N}}{{end}}", "! template: range needs a list or a map, not a number"),
            ("{{(.ID}}", "! template, character 3: `(` is not closed"),
        ] {
            assert_eq!(filled(template), expected, "{template}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        assert!(filled(&"x".repeat(70_000)).starts_with("! template longer than"));
        assert!(filled(&"{{if .On}}".repeat(500)).contains("nested"));
        assert!(filled(&format!("{{{{{}.ID", "(".repeat(500))).starts_with('!'));
        let bomb = "{{range .List}}".repeat(40) + "x" + &"{{end}}".repeat(40);
        assert!(filled(&bomb).starts_with('!'), "2^40 rounds end early");
        let bomb = "{{with print . .}}".repeat(40) + "{{len .}}" + &"{{end}}".repeat(40);
        assert_eq!(filled(&bomb), "! template: too much to print");
    }

    #[test]
    fn headings_come_from_the_fields() {
        let template = Template::parse("{{.ID}} {{upper .Names}}\t{{json .State}}").unwrap();
        assert_eq!(template.fields_by_cell(), [vec!["ID", "Names"], vec!["State"]]);
    }
}
