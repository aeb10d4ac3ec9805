//! Changing containers that may run, or leaving everything as it was.

use crate::backend::hcs::execute::with_leftovers;
use crate::backend::hcs::explain::Failure;
use crate::lower::hcs::{LiveChange, Modification};
use crate::{Error, Result};

/// Which request is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// As it was.
    Old,
    /// With the change.
    New,
}

/// Stores the changed request and tells the change to the running system, in this order: what is stored can always
/// be taken back, and the last thing that the system is told need not be.
pub(super) fn apply(
    changes: &[LiveChange],
    store: impl Fn(Request) -> Result<()>,
    mut tell: impl FnMut(&Modification) -> Result<(), Failure>,
) -> Result<()> {
    store(Request::New)?;
    for (number, change) in changes.iter().enumerate() {
        let Err(failure) = tell(&change.set) else { continue };
        let error = failure.explain(&format!("`{}`", change.option));
        // The one that failed may have had an effect all the same.
        let _ = change.undo.as_ref().map(&mut tell);
        let mut left: Vec<Error> = Vec::new();
        for done in changes[..number].iter().rev() {
            let undone = done.undo.as_ref().map_or(Ok(()), &mut tell);
            left.extend(undone.err().map(|failure| failure.explain(&format!("`{}`", done.option))));
        }
        left.extend(store(Request::Old).err());
        return Err(with_leftovers(error, &left));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use containerv_spec::hcs::request::ModifyContainer;
    use containerv_spec::hcs::system::Processor;

    use super::*;

    fn processor(count: u32) -> Modification {
        let processor = Processor { count: Some(count), ..Processor::default() };
        Modification::Current(ModifyContainer::Processor(processor))
    }

    fn changes() -> [LiveChange; 2] {
        [
            LiveChange { option: "--cpus", set: processor(2), undo: Some(processor(1)) },
            LiveChange {
                option: "--memory",
                set: Modification::Current(ModifyContainer::Memory(64)),
                undo: None,
            },
        ]
    }

    /// What is done, and what comes of it if these fail.
    fn run(fails: &[&str]) -> (Vec<String>, Result<()>) {
        let log = RefCell::new(Vec::new());
        let note = |what: String| -> bool {
            let failed = fails.contains(&what.as_str());
            log.borrow_mut().push(what);
            failed
        };
        let store = |request| match note(format!("store {request:?}")) {
            true => Err(Error::new(crate::ErrorKind::ResourceExhausted, "cannot write")),
            false => Ok(()),
        };
        let tell = |change: &Modification| {
            let Modification::Current(change) = change else { unreachable!() };
            let what = match change {
                ModifyContainer::Processor(processor) => format!("processors {}", processor.count.unwrap()),
                ModifyContainer::Memory(mebibytes) => format!("memory {mebibytes}"),
                _ => unreachable!(),
            };
            let failure = || Failure::code("HcsModifyComputeSystem", 0x8037_0105, None);
            if note(what) { Err(failure()) } else { Ok(()) }
        };
        let outcome = apply(&changes(), store, tell);
        (log.into_inner(), outcome)
    }

    #[test]
    fn a_change_that_works_is_told_once() {
        let (done, outcome) = run(&[]);
        outcome.unwrap();
        assert_eq!(done, ["store New", "processors 2", "memory 64"]);
    }

    #[test]
    fn what_was_changed_is_taken_back_if_the_rest_fails() {
        let (done, outcome) = run(&["memory 64"]);
        assert_eq!(done, ["store New", "processors 2", "memory 64", "processors 1", "store Old"]);
        let text = outcome.unwrap_err().to_string();
        assert!(text.starts_with("`--memory`: HcsModifyComputeSystem: HCS_E_INVALID_STATE"), "{text}");
        let (done, outcome) = run(&["processors 2"]);
        assert_eq!(done, ["store New", "processors 2", "processors 1", "store Old"]);
        assert!(outcome.unwrap_err().to_string().contains("`--cpus`"));
        let (done, outcome) = run(&["store New"]);
        assert_eq!((done.len(), outcome.is_err()), (1, true));
    }

    #[test]
    fn what_cannot_be_taken_back_is_told() {
        let (_, outcome) = run(&["memory 64", "processors 1", "store Old"]);
        let error = outcome.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("could not be undone (`--cpus`: HcsModify"), "{text}");
        assert!(text.contains("; cannot write)") && text.contains("`--memory`"), "{text}");
    }
}
