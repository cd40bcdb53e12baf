//! The sidecar against real sockets: replicas and gateways are servers in this process.

#[cfg(test)]
mod autoscaling;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod gateways;
#[cfg(test)]
mod gpus;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod polling;
#[cfg(test)]
mod process;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod support;
