//! The options of `containerv_spawn` as a process.

use containerv_spec::hcs::command_line::{self, CommandLineProblem};
use containerv_spec::request::Process;

use super::{path_inside, unicode};
use crate::border::{Failure, Result, invalid};
use crate::container::SpawnTexts;

/// Returns the process of a call. Arguments follow the program as they are.
pub(crate) fn process(texts: SpawnTexts) -> Result<Process> {
    let program = path_inside(&texts.path)?;
    let arguments = texts.arguments.as_ref().map(unicode).transpose()?;
    let line =
        command_line::join_verbatim(unicode(&program)?, arguments).map_err(|problem| match problem {
            CommandLineProblem::TooLong => Failure::new(libc::E2BIG, problem.to_string()),
            problem => invalid(problem.to_string()),
        })?;
    Ok(Process {
        command_line: Some(line),
        search_path: false,
        env: texts.environment,
        set_home: false,
        ..Process::new(vec![program])
    })
}

#[cfg(test)]
mod tests {
    use containerv_spec::OsText;

    use super::*;

    fn line(path: &str, arguments: Option<&str>) -> Result<String> {
        let arguments = arguments.map(OsText::from);
        let texts = SpawnTexts { path: path.into(), arguments, environment: Vec::new(), user: None };
        Ok(process(texts)?.command_line.unwrap())
    }

    #[test]
    fn arguments_follow_the_program_as_they_are() {
        let path = r"C:\Windows\System32\cmd.exe";
        assert_eq!(line(path, Some("arg1 arg2")).unwrap(), format!("{path} arg1 arg2"));
        assert_eq!(line(path, None).unwrap(), path);
        assert_eq!(line("/a b/c.exe", Some(r#"/c "x y""#)).unwrap(), r#""C:\a b\c.exe" /c "x y""#);
        assert_eq!(line("a\"b", None).unwrap_err().number(), libc::EINVAL);
        assert_eq!(line("a", Some(&"x".repeat(40_000))).unwrap_err().number(), libc::E2BIG);
    }
}
