//! One command, and what a server answers.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use session_store_core::backend::Call;

/// One command, and the WAIT that follows it on the same connection.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) command: &'a Cmd,
    pub(crate) wait: Option<&'a Cmd>,
    /// The statement whose outcome the command decides. Reads and background tasks have none.
    pub(crate) call: Option<&'a Call>,
}

/// The answers of both.
pub(crate) struct Reply {
    pub(crate) value: Value,
    /// How many replicas have confirmed the write.
    pub(crate) replicas: Option<RedisResult<i64>>,
}

impl Request<'_> {
    /// Records that the server may execute the command from now on.
    pub(crate) fn mark_sent(&self) {
        if let Some(call) = self.call {
            call.mark_sent();
        }
    }

    /// Both commands in one piece, so that nothing comes between them.
    pub(crate) fn pipeline(&self) -> Option<Pipeline> {
        let wait = self.wait?;
        let mut both = Pipeline::with_capacity(2);
        both.add_command(self.command.clone()).add_command(wait.clone());
        Some(both)
    }

    pub(crate) async fn send_on(&self, connection: &mut MultiplexedConnection) -> RedisResult<Reply> {
        self.mark_sent();
        match self.pipeline() {
            None => Reply::of(connection.send_packed_command(self.command).await?),
            Some(both) => Reply::of_both(Box::pin(connection.send_packed_commands(&both, 0, 2)).await?),
        }
    }
}

impl Reply {
    pub(crate) fn of(value: Value) -> RedisResult<Self> {
        Ok(Self { value: check_value(value)?, replicas: None })
    }

    pub(crate) fn of_both(values: Vec<Value>) -> RedisResult<Self> {
        let mut values = values.into_iter();
        let value = check_value(values.next().unwrap_or(Value::Nil))?;
        let replicas = check_value(values.next().unwrap_or(Value::Nil));
        let replicas = replicas.and_then(|count| Ok(redis::from_redis_value(count)?));
        Ok(Self { value, replicas: Some(replicas) })
    }
}

/// Returns the answer unless it is an error. An error within it is that of one session among many.
pub(crate) fn check_value(value: Value) -> RedisResult<Value> {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}
