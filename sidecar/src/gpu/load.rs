//! The GPUs of one replica taken together.

use weir_snapshot::EndpointReport;

use super::reading::{Field, Reading};

/// Faults of programs, after which a GPU goes on: NVIDIA's device plugin for Kubernetes keeps a GPU in service
/// after these, too (its `health.go`).
const PROGRAM_XIDS: [u32; 6] = [13, 31, 43, 45, 68, 109];

/// Reasons for low clocks that slow down who has work to do: hardware slowdown, software and hardware thermal
/// slowdown, power brake (`nvmlClocksEventReason…` of nvml.h). The software power cap (4) is not among them: a
/// GPU that works hard reaches it.
const SLOWING: u64 = 0x8 | 0x20 | 0x40 | 0x80;

/// What is known of a replica's GPUs: the busiest, the hottest, the sum, the worst.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Load {
    /// 0 to 1, of the busiest.
    pub(crate) gpu_use: Option<f64>,
    pub(crate) tensor_active: Option<f64>,
    pub(crate) dram_active: Option<f64>,
    /// 0 to 1, of all memory together.
    pub(crate) memory_use: Option<f64>,
    /// °C, of the hottest.
    pub(crate) temperature: Option<u32>,
    /// W, of all.
    pub(crate) power: Option<u32>,
    /// A fault that counts before one that doesn't; 0 for none.
    pub(crate) xid: Option<u32>,
    /// Whether one is slowed down by heat or power.
    pub(crate) throttled: Option<bool>,
    /// Why, as bits of all.
    pub(crate) throttle_reasons: Option<u64>,
    /// Whether one has failed.
    pub(crate) failed: Option<bool>,
}

impl Load {
    /// Takes `readings` together. Xids in `ignored` count as no failure.
    pub(crate) fn of(readings: &[&Reading], ignored: &[u32]) -> Self {
        // Where parts of a GPU are known, what is said of the whole counts them twice, or is another's.
        let busy: Vec<&&Reading> =
            readings.iter().filter(|one| one.is_part() || !has_parts(readings, one)).collect();
        let most = |values: [Option<f64>; 2]| values.into_iter().flatten().reduce(f64::max);
        let over = |value: &dyn Fn(&Reading) -> Option<f64>| {
            busy.iter().filter_map(|one| value(one)).reduce(f64::max)
        };
        let percent = |one: &Reading, field| one.get(field).map(|value| value / 100.0);
        let each = |field| readings.iter().filter_map(move |one| one.get(field));
        let reasons = each(Field::ThrottleReasons).map(bits).reduce(|all, some| all | some);
        let xids: Vec<u32> = each(Field::Xid).map(whole).collect();
        let counts =
            |xid: &&u32| **xid != 0 && !PROGRAM_XIDS.contains(xid) && !ignored.contains(xid);
        let fault = xids.iter().find(counts);
        Self {
            gpu_use: over(&|one| most([percent(one, Field::Use), one.get(Field::EngineActive)])),
            tensor_active: over(&|one| one.get(Field::TensorActive)),
            dram_active: over(&|one| {
                one.get(Field::DramActive).or_else(|| percent(one, Field::CopyUse))
            }),
            memory_use: memory_use(&busy),
            temperature: each(Field::Temperature).reduce(f64::max).map(whole),
            power: each(Field::Power).reduce(|all, one| all + one).map(whole),
            xid: fault.or(xids.iter().max()).copied(),
            throttled: reasons.map(|reasons| reasons & SLOWING != 0),
            throttle_reasons: reasons,
            failed: (!xids.is_empty()).then_some(fault.is_some()),
        }
    }

    /// Writes what is known into `report`.
    pub(crate) fn fill(&self, report: &mut EndpointReport) {
        report.gpu_use = self.gpu_use;
        report.gpu_memory_use = self.memory_use;
        report.gpu_tensor_active = self.tensor_active;
        report.gpu_dram_active = self.dram_active;
        report.gpu_temperature = self.temperature;
        report.gpu_power = self.power;
        report.gpu_xid = self.xid;
        report.gpu_throttled = self.throttled;
        report.gpu_failed = self.failed;
    }
}

fn has_parts(readings: &[&Reading], whole: &Reading) -> bool {
    readings.iter().any(|one| one.is_part() && one.uuid == whole.uuid)
}

/// Used memory of all as a share of what they have together.
fn memory_use(readings: &[&&Reading]) -> Option<f64> {
    let (mut used, mut all) = (0.0, 0.0);
    for one in readings {
        let (Some(taken), Some(free)) = (one.get(Field::MemoryUsed), one.get(Field::MemoryFree))
        else {
            continue;
        };
        let reserved = one.get(Field::MemoryReserved).unwrap_or(0.0);
        used += taken + reserved;
        all += taken + reserved + free;
    }
    (all > 0.0).then(|| (used / all).clamp(0.0, 1.0))
}

/// A float to an integer saturates; what is negative was refused before.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u32 {
    value.round() as u32
}

/// Likewise.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bits(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(uuid: &str, instance: Option<u32>, values: &[(Field, f64)]) -> Reading {
        let mut reading = Reading { uuid: uuid.to_owned(), instance, ..Reading::default() };
        values.iter().for_each(|(field, value)| reading.set(*field, *value));
        reading
    }

    #[test]
    fn what_is_not_said_is_unknown() {
        let silent = reading("GPU-a", None, &[]);
        assert_eq!(Load::of(&[&silent], &[]), Load::default());
        assert_eq!(Load::of(&[], &[]), Load::default());
    }

    #[test]
    fn the_busiest_the_hottest_and_the_sum_of_several_gpus_count() {
        use Field::{
            MemoryFree, MemoryReserved, MemoryUsed, Power, Temperature, TensorActive, Use,
        };
        let one = [(Use, 40.0), (MemoryUsed, 10.0), (MemoryFree, 80.0), (MemoryReserved, 10.0)];
        let other = [(Use, 90.0), (MemoryUsed, 60.0), (MemoryFree, 40.0), (TensorActive, 0.5)];
        let mut one = reading("GPU-a", None, &one);
        one.set(Temperature, 71.0);
        one.set(Power, 300.4);
        let mut other = reading("GPU-b", None, &other);
        other.set(Temperature, 64.0);
        other.set(Power, 250.0);
        let load = Load::of(&[&one, &other], &[]);
        assert_eq!((load.gpu_use, load.tensor_active), (Some(0.9), Some(0.5)));
        assert_eq!(load.memory_use, Some(0.4));
        assert_eq!((load.temperature, load.power), (Some(71), Some(550)));
        assert_eq!((load.throttled, load.failed, load.xid), (None, None, None));
    }

    #[test]
    fn an_instance_counts_for_itself_and_heat_and_faults_for_all_of_the_gpu() {
        let whole = [(Field::Use, 99.0), (Field::Temperature, 80.0), (Field::Xid, 79.0)];
        let whole = reading("GPU-a", None, &whole);
        let part = reading("GPU-a", Some(7), &[(Field::EngineActive, 0.2)]);
        let load = Load::of(&[&whole, &part], &[]);
        assert_eq!((load.gpu_use, load.temperature), (Some(0.2), Some(80)));
        assert_eq!((load.failed, load.xid), (Some(true), Some(79)));
    }

    #[test]
    fn faults_of_programs_and_ignored_ones_are_no_failure() {
        for (xids, ignored, failed, shown) in [
            (&[0.0][..], &[][..], false, 0),
            (&[31.0], &[], false, 31),
            (&[79.0], &[], true, 79),
            (&[63.0], &[63], false, 63),
            (&[31.0, 48.0, 13.0], &[], true, 48),
        ] {
            let each = |(at, xid): (usize, &f64)| {
                reading(&format!("GPU-{at}"), None, &[(Field::Xid, *xid)])
            };
            let readings: Vec<Reading> = xids.iter().enumerate().map(each).collect();
            let load = Load::of(&readings.iter().collect::<Vec<_>>(), ignored);
            assert_eq!((load.failed, load.xid), (Some(failed), Some(shown)), "{xids:?}");
        }
    }

    #[test]
    fn heat_and_power_brake_slow_down_and_the_power_cap_of_hard_work_does_not() {
        for (reasons, throttled) in [
            (0, false),
            (1, false),
            (4, false),
            (8, true),
            (0x20, true),
            (0x44, true),
            (0x80, true),
        ] {
            let reading = reading("GPU-a", None, &[(Field::ThrottleReasons, f64::from(reasons))]);
            let load = Load::of(&[&reading], &[]);
            assert_eq!(load.throttled, Some(throttled), "{reasons:#x}");
        }
    }
}
