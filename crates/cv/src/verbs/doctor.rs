//! `doctor`: what this machine lacks, why, and what to do about it.

use containerv::{Check, CheckStatus};
use serde_json::{Value, json};

use super::Session;
use super::system::wants_json;
use crate::failure::Failure;
use crate::output;
use crate::output::style::Style;
use crate::syntax::Parsed;

/// Checks the machine.
pub fn doctor(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let json = wants_json(parsed)?;
    let checks = session.host()?.diagnose();
    let failed = checks.iter().any(|check| check.status == CheckStatus::Failed);
    if json {
        let checks = serde_json::to_value(&checks).unwrap_or(Value::Null);
        output::print(format!("{:#}\n", json!({ "Healthy": !failed, "Checks": checks })))?;
    } else {
        output::print(text(&checks, Style::for_stdout()))?;
    }
    Ok(i32::from(failed))
}

fn text(checks: &[Check], style: Style) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let mark = match check.status {
            CheckStatus::Ok => style.good("ok  "),
            CheckStatus::Warning => style.warn("warn"),
            CheckStatus::Failed => style.bad("FAIL"),
        };
        text.push_str(&format!("{mark}  {:width$}  {}\n", check.name, check.found));
        if check.status != CheckStatus::Ok {
            for (lead, line) in [("cause", &check.cause), ("fix", &check.fix)] {
                if !line.is_empty() {
                    text.push_str(&format!("      {lead}: {line}\n"));
                }
            }
        }
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let (warnings, failures) = (count(CheckStatus::Warning), count(CheckStatus::Failed));
    text.push_str(&format!("{} checks, {warnings} warnings, {failures} failures\n", checks.len()));
    text
}
