//! Places each request on the replica that will answer soonest.
