//! Inspects, redacts and blocks prompts and responses.
