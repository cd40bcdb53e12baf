//! Reads the model name from a request and routes by it.
