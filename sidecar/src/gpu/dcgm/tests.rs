use std::path::Path;

use proptest::prelude::*;

use super::*;

fn page(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/gpu");
    std::fs::read(folder.join(name)).unwrap()
}

fn values(reading: &Reading) -> Vec<Option<f64>> {
    let fields = SERIES.iter().map(|series| series.field);
    fields.map(|field| reading.get(field)).collect()
}

#[test]
fn the_exporters_page_is_read_gpu_by_gpu() {
    let readings = read(&page("dcgm.prom")).unwrap();
    assert_eq!(readings.len(), 2);
    let [first, second] = &readings[..] else { panic!() };
    assert_eq!((first.index, first.host.as_str()), (Some(0), "gpu-node-7"));
    assert_eq!(first.uuid, "GPU-6f0c1bb5-9a2e-4f7d-8a3c-0d6a1e1f2b30");
    assert_eq!(first.model, "NVIDIA H100 80GB HBM3");
    assert_eq!(first.pods, ["serving/vllm-0"]);
    let number = Some;
    let expected = [
        number(37.0),
        number(0.361_2),
        number(0.204_7),
        number(0.118_3),
        number(12.0),
        number(61_203.0),
        number(19_345.0),
        number(1012.0),
        number(54.0),
        number(312.418),
        number(0.0),
        number(4.0),
        number(4.0),
    ];
    assert_eq!(values(first), expected);
    assert_eq!(second.get(Field::Xid), Some(79.0));
    assert_eq!(second.get(Field::ThrottleReasons), Some(72.0));
    // What DCGM has no value for is not 0.
    assert_eq!((second.get(Field::Use), second.get(Field::TensorActive)), (None, None));
}

#[test]
fn older_labels_mig_instances_and_counted_faults_are_read() {
    let readings = read(&page("dcgm-mig.prom")).unwrap();
    let shown: Vec<_> = (readings.iter())
        .map(|one| (one.index, one.instance, one.get(Field::EngineActive), one.get(Field::Xid)))
        .collect();
    let expected = [
        (Some(0), None, None, Some(48.0)),
        (Some(0), Some(1), Some(0.9), None),
        (Some(0), Some(2), Some(0.05), None),
    ];
    assert_eq!(shown, expected);
    assert!(readings.iter().all(|one| one.host == "node-3" && one.uuid == "GPU-31"));
    assert_eq!(readings[1].pods, ["a/one", "b/two"]);
}

#[test]
fn a_page_that_is_none_is_told_from_one_without_gpus() {
    for (page, expected) in [
        (&b""[..], "no GPU"),
        (b"vllm:num_requests_running 3\n", "no GPU"),
        (b"DCGM_FI_DEV_GPU_UTIL NaN\nDCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} NaN\n", "no GPU"),
        (b"DCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} 101\nDCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} -1\n", "no GPU"),
        (b"DCGM_FI_DEV_GPU_UTIL{gpu=\"0\" 5\n", "no GPU"),
        (
            b"DCGM_FI_DEV_NVSWITCH_TEMP{nvswitch=\"0\"} 5\nDCGM_FI_DEV_GPU_TEMP{cpu=\"0\"} 5\n",
            "no GPU",
        ),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"DCGM_\xff", "not UTF-8 at byte 5"),
    ] {
        let error = read(page).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_page_of_any_number_of_gpus_is_read_in_bounded_memory() {
    let line = |gpu: usize| format!("DCGM_FI_DEV_GPU_UTIL{{gpu=\"{gpu}\",UUID=\"GPU-{gpu}\"}} 5\n");
    let page: String = (0..3 * MAX_READINGS).map(line).collect();
    assert_eq!(read(page.as_bytes()).unwrap().len(), MAX_READINGS);
}

proptest! {
    #[test]
    fn no_bytes_panic(page in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&page);
    }

    #[test]
    fn no_line_of_known_names_panics_or_leaves_the_range(
        lines in proptest::collection::vec((0..SERIES.len(), "(\\{[a-zA-Z_]{1,8}=\"[0-9a-z]{0,6}\"\\})? ?[-+0-9.eNaInf]{0,8}"), 0..12)
    ) {
        let page: String =
            lines.iter().map(|(at, rest)| format!("{}{rest}\n", SERIES[*at].name)).collect();
        for reading in read(page.as_bytes()).unwrap_or_default() {
            for (series, value) in SERIES.iter().zip(values(&reading)) {
                prop_assert!(value.is_none_or(|value| (0.0..=series.most).contains(&value)));
            }
        }
    }

    #[test]
    fn what_the_agent_writes_is_read_as_it_was(
        gpus in proptest::collection::vec(proptest::collection::vec(proptest::option::of(0_u8..2), SERIES.len()), 1..5)
    ) {
        let written: Vec<Reading> = gpus.iter().enumerate().map(|(at, values)| {
            let mut reading = Reading {
                uuid: format!("GPU-{at}"), index: u32::try_from(at).ok(), host: "a \"host\"".to_owned(),
                model: "H\\100".to_owned(), ..Reading::default()
            };
            if at % 2 == 1 { (reading.instance, reading.mig_uuid) = (Some(3), Some(format!("MIG-{at}"))); }
            for (series, value) in SERIES.iter().zip(values) { reading.note(series.field, value.map(f64::from)); }
            reading
        }).collect();
        let mut page = Exposition::default();
        write(&mut page, &written);
        let mut read = read(page.into_text().as_bytes()).unwrap_or_default();
        read.sort_by_key(|reading| reading.index);
        let mut expected = written;
        expected.retain(|reading| values(reading).iter().any(Option::is_some));
        prop_assert_eq!(read, expected);
    }
}
