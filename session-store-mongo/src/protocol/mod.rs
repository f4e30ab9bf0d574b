//! The commands, the updates in them, and how replies are read.

pub(crate) mod commands;
pub(crate) mod reply;
mod update;
