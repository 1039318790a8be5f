//! The rules of the chat, one table a feature, and what must hold whatever happens.
