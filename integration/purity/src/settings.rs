//! Configurations as written, compiled and asked.

use weir_settings::{endpoint_picker, intake::IntakeSettings, model_router, sidecar};

const INTAKE: &[u8] = br#"{"allow_unsigned":true}"#;
const PICKER: &[u8] = br#"{"policies":{"default":{}}}"#;
const SIDECAR: &[u8] = b"pools: [";

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let router = router(input.len())?;
    endpoint_picker::policies(PICKER).ok()?;
    IntakeSettings::from_json(INTAKE, |_| None).ok()?;
    // YAML that ends too early is read as far as it goes, and refused in words.
    let refusal = sidecar::SidecarSettings::from_yaml(SIDECAR).err()?.to_string();
    (!refusal.is_empty()).then_some(router)
}

/// A router whose one model has a name of this length; the length of the name it resolves to.
fn router(length: usize) -> Option<u64> {
    let name = "m".repeat(length.max(1));
    let models = format!(r#"[{{"name":"{name}","pool":"llama"}}]"#);
    let json = format!(r#"{{"policies":{{"default":{{"models":{models}}}}}}}"#);
    let settings = model_router::RouterSettings::from_json(json.as_bytes()).ok()?;
    let policy = settings.policies.fallback().ok()?;
    Some(crate::size::size(policy.resolve(&name)?.upstream.as_bytes()))
}
