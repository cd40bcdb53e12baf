//! What one source says of one GPU, or of one instance (MIG) of it.

/// One value of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Share of the time in which some kernel ran, in percent.
    Use,
    /// The same as a share, also of a MIG instance.
    EngineActive,
    /// Share of the time in which the tensor cores worked.
    TensorActive,
    /// Share of the time in which the memory was read or written.
    DramActive,
    /// The same in percent and less exact.
    CopyUse,
    /// Memory in MiB.
    MemoryUsed,
    /// Memory in MiB.
    MemoryFree,
    /// Memory in MiB that the driver keeps for itself.
    MemoryReserved,
    /// °C.
    Temperature,
    /// W.
    Power,
    /// Number of the last fault; 0 if there was none.
    Xid,
    /// Bits of why clocks are lower than they could be.
    ThrottleReasons,
}

/// Number of fields.
const FIELDS: usize = 12;

/// What is known of one GPU or instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// UUID of the GPU, also for an instance of it; may be empty.
    pub(crate) uuid: String,
    /// Number of the GPU on its host.
    pub(crate) index: Option<u32>,
    /// Name of the host; may be empty.
    pub(crate) host: String,
    /// Model, for people.
    pub(crate) model: String,
    /// Id of the GPU instance (MIG).
    pub(crate) instance: Option<u32>,
    /// UUID of the MIG device.
    pub(crate) mig_uuid: Option<String>,
    /// Pods that run on it, as `NAMESPACE/NAME`.
    pub(crate) pods: Vec<String>,
    pub(super) values: [Option<f64>; FIELDS],
}

impl Reading {
    /// Whether it is of a part of the GPU.
    pub(crate) fn is_part(&self) -> bool {
        self.instance.is_some() || self.mig_uuid.is_some()
    }

    /// A value, if it is known.
    pub(crate) fn get(&self, field: Field) -> Option<f64> {
        self.values.get(field as usize).copied().flatten()
    }

    /// Notes a value. Of two the greater counts: a GPU that several pods share has its series once for each.
    pub(crate) fn set(&mut self, field: Field, value: f64) {
        if let Some(known) = self.values.get_mut(field as usize) {
            *known = Some(known.map_or(value, |known| known.max(value)));
        }
    }

    /// The same where there may be no value.
    pub(crate) fn note(&mut self, field: Field, value: Option<f64>) {
        if let Some(value) = value {
            self.set(field, value);
        }
    }
}
