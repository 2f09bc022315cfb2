//! The error object (JSON-RPC 2.0, section 5.1), and every code this library gives by itself.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Why a call was not answered with a result: what the other side is told.
///
/// ```
/// use protocols::rpc::Error;
///
/// let error = Error::new(17, "the door is locked").with_data(&["front", "back"]);
/// assert_eq!(
///     serde_json::to_string(&error)?,
///     r#"{"code":17,"message":"the door is locked","data":["front","back"]}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Error {
    /// Which kind of error: below -32000 the specification's, the rest the program's own.
    pub code: i64,
    /// A short sentence.
    pub message: Cow<'static, str>,
    /// Whatever else there is to know, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

impl Error {
    /// The text is not JSON.
    pub const PARSE: i64 = -32700;
    /// The JSON is not a request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No method has that name.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters are not the method's.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The method has failed in a way that is nobody's business.
    pub const INTERNAL: i64 = -32603;

    /// More calls at one time than [`Limits::calls`](crate::rpc::Limits::calls), or
    /// [`calls_in_all`](crate::rpc::Limits::calls_in_all), allow.
    pub const BUSY: i64 = -32001;
    /// The message is longer than [`Limits::message`](crate::rpc::Limits::message).
    pub const TOO_LONG: i64 = -32002;
    /// The message is nested deeper than [`Limits::depth`](crate::rpc::Limits::depth).
    pub const TOO_DEEP: i64 = -32003;
    /// The batch has more members than [`Limits::batch`](crate::rpc::Limits::batch).
    pub const BATCH_TOO_LONG: i64 = -32004;
    /// The result is longer than [`Limits::reply`](crate::rpc::Limits::reply).
    pub const REPLY_TOO_LONG: i64 = -32005;
    /// The answer did not come within [`Limits::answer`](crate::rpc::Limits::answer).
    pub const TOO_SLOW: i64 = -32006;
    /// The caller may not call this.
    pub const FORBIDDEN: i64 = -32007;
    /// The caller has cancelled the call (`$/cancelRequest`; the code is that of LSP).
    pub const CANCELLED: i64 = -32800;

    /// An error of the program's own.
    #[must_use]
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same, with something to go by. What cannot be written as JSON is left out.
    #[must_use]
    pub fn with_data(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        self.data = to_raw_value(data).ok();
        self
    }

    pub(in crate::rpc) fn parse() -> Self {
        Self::new(Self::PARSE, "Parse error")
    }

    pub(in crate::rpc) fn invalid_request(why: &'static str) -> Self {
        Self::new(Self::INVALID_REQUEST, "Invalid Request").with_data(why)
    }

    pub(in crate::rpc) fn method_not_found() -> Self {
        Self::new(Self::METHOD_NOT_FOUND, "Method not found")
    }

    /// The parameters are not the method's; `why` is told as data.
    #[must_use]
    pub fn invalid_params(why: impl fmt::Display) -> Self {
        Self::new(Self::INVALID_PARAMS, "Invalid params").with_data(&why.to_string())
    }

    /// The method has failed; `why` is told as data.
    #[must_use]
    pub fn internal(why: impl fmt::Display) -> Self {
        Self::new(Self::INTERNAL, "Internal error").with_data(&why.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        self.data.as_ref().map_or(Ok(()), |data| write!(f, ": {data}"))
    }
}

impl std::error::Error for Error {}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        // The same JSON may be written differently: on a stream of lines a break within it comes as a space.
        let read = |data: &RawValue| {
            serde_json::from_str::<Value>(data.get()).map_err(|_| data.get().to_owned())
        };
        let data = |error: &Self| error.data.as_deref().map(read);
        (self.code, &self.message, data(self)) == (other.code, &other.message, data(other))
    }
}
