//! The sidecar against real sockets: replicas and gateways are servers in this process.

#[cfg(test)]
mod gateways;
#[cfg(test)]
mod gpus;
#[cfg(test)]
mod http;
#[cfg(test)]
mod process;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod support;
