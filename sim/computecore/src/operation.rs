//! Operations and their rules.

use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use sim_library::connection::Connection;
use sim_library::serial::Serial;
use sim_library::{Manner, Outcome, Value, codes};

use crate::{
    ENABLE_OPERATION_CALLBACKS, EventCallback, Handle, LINK, OBJECTS, OPERATION_CALLBACK, OPERATIONS, Object,
    text,
};

pub type Completion = unsafe extern "system" fn(Handle, *const c_void);

/// `HCS_OPERATION_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Type {
    None = -1,
    Enumerate = 0,
    Create = 1,
    Start = 2,
    Shutdown = 3,
    Pause = 4,
    Resume = 5,
    Save = 6,
    Terminate = 7,
    Modify = 8,
    GetProperties = 9,
    CreateProcess = 10,
    SignalProcess = 11,
    GetProcessInfo = 12,
    GetProcessProperties = 13,
    ModifyProcess = 14,
    Crash = 15,
    LiveMigration = 19,
}

pub struct Operation {
    pub handle: Handle,
    state: Mutex<State>,
    ended: Condvar,
    serial: Arc<Serial>,
}

pub struct State {
    pub kind: Type,
    pub callback: Option<Callback>,
    pub context: usize,
    pub system: Handle,
    pub process: Handle,
    phase: Phase,
    closed: bool,
}

#[derive(Clone, Copy)]
pub enum Callback {
    Completion(Completion),
    Event(EventCallback),
}

enum Phase {
    Idle,
    Pending,
    Done(Outcome),
}

/// What an asynchronous call is about.
pub struct About {
    pub kind: Type,
    pub system: Handle,
    pub process: Handle,
    pub object: Option<Arc<Object>>,
}

impl Operation {
    pub fn new(handle: Handle, context: usize, callback: Option<Callback>) -> Arc<Operation> {
        let state = State {
            kind: Type::None,
            callback,
            context,
            system: 0,
            process: 0,
            phase: Phase::Idle,
            closed: false,
        };
        Arc::new(Operation {
            handle,
            state: Mutex::new(state),
            ended: Condvar::new(),
            serial: Arc::default(),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.state().phase, Phase::Idle)
    }

    pub fn is_pending(&self) -> bool {
        matches!(self.state().phase, Phase::Pending)
    }

    /// The result, or the code that says why there is none.
    pub fn result(&self) -> Result<Outcome, u32> {
        match &self.state().phase {
            Phase::Idle => Err(codes::OPERATION_NOT_STARTED),
            Phase::Pending => Err(codes::OPERATION_PENDING),
            Phase::Done(outcome) => Ok(outcome.clone()),
        }
    }

    /// The result, when it is there within so many milliseconds.
    pub fn wait(&self, milliseconds: u32) -> Result<Outcome, u32> {
        let limit =
            (milliseconds != u32::MAX).then(|| Instant::now() + Duration::from_millis(milliseconds.into()));
        let mut state = self.state();
        while let Phase::Pending = state.phase {
            let left = limit.map(|limit| limit.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return Err(codes::OPERATION_TIMEOUT),
                Some(left) => {
                    self.ended.wait_timeout(state, left).unwrap_or_else(|poison| poison.into_inner()).0
                }
                None => self.ended.wait(state).unwrap_or_else(|poison| poison.into_inner()),
            };
        }
        drop(state);
        self.result()
    }

    /// No callback comes after this; the work goes on.
    pub fn close(&self) {
        self.state().closed = true;
    }

    fn complete(self: &Arc<Self>, outcome: Outcome, object: Option<&Arc<Object>>) {
        let (callback, context) = {
            let mut state = self.state();
            state.phase = Phase::Done(outcome);
            (state.callback, state.context)
        };
        self.ended.notify_all();
        if let Some(callback) = callback {
            let operation = Arc::clone(self);
            self.serial.push(move || operation.call_back(callback, context));
        } else if let Some(object) = object
            && object
                .registered()
                .is_some_and(|registered| registered.options & ENABLE_OPERATION_CALLBACKS != 0)
        {
            object.event(OPERATION_CALLBACK, None, self.handle);
        }
    }

    fn call_back(&self, callback: Callback, context: usize) {
        if self.state().closed {
            return;
        }
        let context = context as *const c_void;
        match callback {
            // SAFETY: whoever gave the callback promises a function that takes this.
            Callback::Completion(callback) => unsafe { callback(self.handle, context) },
            Callback::Event(callback) => {
                let event =
                    crate::Event { kind: OPERATION_CALLBACK, data: std::ptr::null(), operation: self.handle };
                // SAFETY: as above.
                unsafe { callback(&event, context) };
            }
        }
    }

    /// Takes the operation for a call.
    fn take(&self, about: &About) -> Result<Type, u32> {
        let system_calls_back = about.object.as_ref().and_then(|object| object.registered());
        let mut state = self.state();
        if let Phase::Pending = state.phase {
            return Err(codes::OPERATION_ALREADY_STARTED);
        }
        if state.callback.is_some()
            && system_calls_back
                .is_some_and(|registered| registered.options & ENABLE_OPERATION_CALLBACKS != 0)
        {
            return Err(codes::SYSTEM_CALLBACK_ALREADY_SET);
        }
        let before = state.kind;
        (state.kind, state.system, state.process) = (about.kind, about.system, about.process);
        state.phase = Phase::Pending;
        Ok(before)
    }

    /// The call was refused: as if nothing had been.
    fn give_back(&self, kind: Type) {
        let mut state = self.state();
        (state.kind, state.system, state.process) = (kind, 0, 0);
        state.phase = Phase::Idle;
    }
}

/// The operation of a handle; a dead one is reported.
pub fn operation(function: &str, handle: Handle) -> Result<Arc<Operation>, u32> {
    OPERATIONS.get(handle).ok_or_else(|| {
        LINK.misuse(function, handle);
        codes::E_HANDLE
    })
}

/// Begins an asynchronous call. `done` sees the outcome before anybody else does.
pub fn begin(
    function: &str,
    handle: Handle,
    about: About,
    connection: &Arc<Connection>,
    arguments: Value,
    done: impl FnOnce(&mut Outcome) + Send + 'static,
) -> u32 {
    let operation = match operation(function, handle) {
        Ok(operation) => operation,
        Err(code) => return code,
    };
    let before = match operation.take(&about) {
        Ok(before) => before,
        Err(code) => return code,
    };
    let (completed, object) = (Arc::clone(&operation), about.object);
    let begun = connection.begin(function, arguments, move |mut outcome| {
        done(&mut outcome);
        completed.complete(outcome, object.as_ref());
    });
    match begun {
        Err(code) => {
            operation.give_back(before);
            code
        }
        Ok(Manner { synchronous: true, .. }) => {
            let outcome = operation.wait(u32::MAX);
            if about.kind == Type::CreateProcess {
                // As Server 2022 does: done, and the operation has nothing to wait for.
                operation.give_back(Type::None);
            }
            outcome.map_or_else(|code| code, |_| codes::S_OK)
        }
        Ok(_) => codes::S_OK,
    }
}

/// What a result function returns, with its document.
pub fn deliver(result: Result<Outcome, u32>, document: *mut *mut u16) -> u32 {
    match result {
        Ok(outcome) => {
            // SAFETY: the caller's word, as for the function that got the pointer.
            unsafe { text::put(document, outcome.document.as_deref()) };
            outcome.hresult
        }
        Err(code) => {
            // SAFETY: as above.
            unsafe { text::put(document, None) };
            code
        }
    }
}

/// The object of the process that an operation is about.
pub fn process_of(operation: &Operation) -> Option<Arc<Object>> {
    OBJECTS.get(operation.state().process)
}
