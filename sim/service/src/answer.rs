//! What a call comes to.

use serde_json::{Value, json};
use sim_protocol::Outcome;
use sim_protocol::codes;

use crate::schema::Wrong;

/// A refusal, with the words that the result document carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub hresult: u32,
    pub message: String,
}

impl Refusal {
    pub fn new(hresult: u32, message: impl Into<String>) -> Refusal {
        Refusal { hresult, message: message.into() }
    }

    /// The `ResultError` document.
    pub fn document(&self) -> String {
        json!({
            "Error": self.hresult as i32,
            "ErrorMessage": self.message,
            "ErrorEvents": [{
                "Message": self.message,
                "Provider": "17103e3f-3c6e-4677-bb17-3b267eb5be57",
                "EventId": 11000,
                "Data": [{"Type": "String", "Value": format!("0x{:08X}", self.hresult)}]
            }]
        })
        .to_string()
    }

    /// The error record of the network functions.
    pub fn record(&self) -> String {
        json!({"Success": false, "Error": self.message, "ErrorCode": self.hresult}).to_string()
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Refusal {
        Refusal::new(codes::INVALID_JSON, format!("Invalid JSON document {wrong}"))
    }
}

/// A value, or nothing but that it went well; or the refusal.
pub type Answer<T = Success> = Result<T, Refusal>;

/// What a successful call returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Success {
    pub hresult: u32,
    pub document: Option<String>,
    pub values: Value,
}

impl Success {
    pub fn document(document: &Value) -> Success {
        Success { document: Some(document.to_string()), ..Success::default() }
    }

    pub fn values(values: Value) -> Success {
        Success { values, ..Success::default() }
    }
}

/// What is sent to the client.
pub fn outcome(answer: Answer) -> Outcome {
    match answer {
        Ok(success) => {
            Outcome { hresult: success.hresult, document: success.document, values: success.values }
        }
        Err(refusal) => Outcome {
            hresult: refusal.hresult,
            document: Some(refusal.document()),
            values: json!({"record": refusal.record()}),
        },
    }
}

/// A result that is refused if it is an error of this machine's.
pub trait OrRefuse<T> {
    fn or_refuse(self, doing: &str) -> Answer<T>;
}

impl<T, E: std::fmt::Display> OrRefuse<T> for Result<T, E> {
    fn or_refuse(self, doing: &str) -> Answer<T> {
        self.map_err(|error| Refusal::new(codes::E_FAIL, format!("{doing}: {error}")))
    }
}
