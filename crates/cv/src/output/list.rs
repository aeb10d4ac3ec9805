//! Lists in the form that `--format` asks for.

use containerv::Error;
use serde_json::Value;

use super::table::{Table, cell};
use super::template::Template;

/// How a list is printed.
pub enum Format {
    /// Columns of one's own choice.
    Table,
    /// One JSON object a line.
    Json,
    /// A template for each object; after `table`, in columns with a heading.
    Template {
        /// What is filled in for each object.
        template: Template,
        /// In columns, with the names of the fields above.
        columns: bool,
    },
}

impl Format {
    /// Reads `table`, `json`, `table TEMPLATE` or `TEMPLATE`.
    ///
    /// # Errors
    ///
    /// The template is wrong; the message names the place.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // Shells keep `\t` and `\n` as two characters; Docker reads them as one.
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        match text.as_str() {
            "" | "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ => {
                let (columns, template) = match text.strip_prefix("table ") {
                    Some(rest) => (true, rest),
                    None => (false, text.as_str()),
                };
                Ok(Self::Template { template: Template::parse(template)?, columns })
            }
        }
    }
}

/// A column of a list: its heading, and the field of each object that it shows.
pub struct Column {
    /// Heading.
    pub heading: &'static str,
    /// Field.
    pub field: &'static str,
    /// Most characters, unless asked not to cut.
    pub most: usize,
}

/// Returns the text of a list of objects.
///
/// # Errors
///
/// The template asks for what an object does not have.
pub fn render(
    format: &Format,
    columns: &[Column],
    objects: &[Value],
    truncate: bool,
) -> Result<String, Error> {
    match format {
        Format::Table => Ok(table(columns, objects, truncate)),
        Format::Json => Ok(objects.iter().map(|object| format!("{object}\n")).collect()),
        Format::Template { template, columns: false } => {
            let lines: Result<Vec<String>, Error> =
                objects.iter().map(|object| template.render(object)).collect();
            Ok(lines?.into_iter().map(|line| line + "\n").collect())
        }
        Format::Template { template, columns: true } => {
            let heading = heading_of(template, columns);
            let mut table = Table::new(&heading.iter().map(String::as_str).collect::<Vec<_>>());
            for object in objects {
                table.row(template.render(object)?.split('\t').map(str::to_owned).collect());
            }
            Ok(table.render())
        }
    }
}

fn table(columns: &[Column], objects: &[Value], truncate: bool) -> String {
    let mut table = Table::new(&columns.iter().map(|column| column.heading).collect::<Vec<_>>());
    for object in objects {
        let text = |column: &Column| {
            let text = object.get(column.field).map(super::template::plain).unwrap_or_default();
            cell(&text, if truncate { column.most } else { usize::MAX })
        };
        table.row(columns.iter().map(text).collect());
    }
    table.render()
}

/// The headings of a template's columns: known ones, else the field's name in capitals.
fn heading_of(template: &Template, columns: &[Column]) -> Vec<String> {
    let heading = |field: &str| match columns.iter().find(|column| column.field == field) {
        Some(column) => column.heading.to_owned(),
        None => field.to_uppercase(),
    };
    let cells = template.fields_by_cell();
    cells
        .iter()
        .map(|fields| fields.iter().map(|field| heading(field)).collect::<Vec<_>>().join(" "))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        Column { heading: "CONTAINER ID", field: "ID", most: 12 },
        Column { heading: "NAMES", field: "Names", most: 20 },
    ];

    fn rendered(format: &str) -> String {
        let objects = [json!({"ID": "0123456789ab", "Names": "web", "State": "running"})];
        render(&Format::parse(format).unwrap(), COLUMNS, &objects, true).unwrap()
    }

    #[test]
    fn every_form_prints() {
        assert_eq!(rendered(""), "CONTAINER ID   NAMES\n0123456789ab   web\n");
        assert_eq!(rendered("json"), "{\"ID\":\"0123456789ab\",\"Names\":\"web\",\"State\":\"running\"}\n");
        assert_eq!(rendered("{{.ID}} {{.Names}}"), "0123456789ab web\n");
        assert_eq!(rendered(r"table {{.Names}}\t{{.State}}"), "NAMES   STATE\nweb     running\n");
    }
}
