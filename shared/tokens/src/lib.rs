//! Token estimates from character-class counts.
