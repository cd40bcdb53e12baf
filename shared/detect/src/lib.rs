//! What is sensitive: rules, validators, the streaming scanner, redaction.
