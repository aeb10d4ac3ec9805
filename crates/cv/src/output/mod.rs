//! What verbs print: tables, JSON, templates, and errors.

pub mod filter;
pub mod list;
pub mod report;
pub mod style;
pub mod table;
pub mod template;
