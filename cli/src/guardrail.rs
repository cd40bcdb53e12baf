//! Policies and entity tables from files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use weir_detect::Policy;

use crate::error::CliError;

/// The policy of a file, or the default one: one policy as it stands below `policies` in the
/// filter's configuration, or such a configuration, of which the policy `name` is taken. The key of
/// `hash` comes from the variable it names.
pub(crate) fn policy(path: Option<&Path>, name: &str) -> Result<Arc<Policy>, CliError> {
    let Some(path) = path else { return Ok(Arc::new(Policy::default())) };
    let unusable = |reason: String| CliError::Yaml { path: path.to_owned(), reason };
    let mut written = yaml::<Value>(path)?;
    if let Some(policies) = written.get_mut("policies") {
        let missing = || unusable(format!("policies: there is none named {name:?}"));
        written = policies.get_mut(name).ok_or_else(missing)?.take();
    }
    let configuration = serde_json::json!({"policies": {"default": written}}).to_string();
    let variable = |name: &str| std::env::var_os(name).map(OsString::into_encoded_bytes);
    let policies = weir_settings::guardrail::policies(configuration.as_bytes(), variable);
    let policies = policies.map_err(|error| unusable(error.to_string()))?;
    let policy = policies.select(None, None).map_err(|error| unusable(error.to_string()))?;
    Ok(policy.policy.clone())
}

/// A YAML (or JSON) file as `T`.
fn yaml<T: DeserializeOwned>(path: &Path) -> Result<T, CliError> {
    let text = read(path)?;
    serde_saphyr::from_str(&text)
        .map_err(|error| CliError::Yaml { path: path.to_owned(), reason: error.to_string() })
}

/// A file as text.
pub(crate) fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|source| CliError::File { path: path.to_owned(), source })
}

/// Names that data sets use for entity types, and ours.
const ENTITIES: [(&str, &str); 39] = [
    ("EMAIL_ADDRESS", "EMAIL"),
    ("EMAILADDRESS", "EMAIL"),
    ("PHONE_NUMBER", "PHONE"),
    ("PHONENUMBER", "PHONE"),
    ("TELEPHONENUM", "PHONE"),
    ("TELEPHONE", "PHONE"),
    ("FAX", "PHONE"),
    ("CREDITCARDNUMBER", "CREDIT_CARD"),
    ("CREDIT_CARD_NUMBER", "CREDIT_CARD"),
    ("CARD_NUMBER", "CREDIT_CARD"),
    ("CARD", "CREDIT_CARD"),
    ("IBAN_CODE", "IBAN"),
    ("SSN", "US_SSN"),
    ("SOCIALNUM", "US_SSN"),
    ("SOCIAL_SECURITY_NUMBER", "US_SSN"),
    ("IP", "IP_ADDRESS"),
    ("IPV4", "IP_ADDRESS"),
    ("IPV6", "IP_ADDRESS"),
    ("IPADDRESS", "IP_ADDRESS"),
    ("MAC", "MAC_ADDRESS"),
    ("MACADDRESS", "MAC_ADDRESS"),
    ("CRYPTO", "CRYPTO_ADDRESS"),
    ("BITCOINADDRESS", "CRYPTO_ADDRESS"),
    ("BITCOIN_ADDRESS", "CRYPTO_ADDRESS"),
    ("ETHEREUMADDRESS", "CRYPTO_ADDRESS"),
    ("ETHEREUM_ADDRESS", "CRYPTO_ADDRESS"),
    ("LITECOINADDRESS", "CRYPTO_ADDRESS"),
    ("UK_NATIONAL_INSURANCE", "UK_NINO"),
    ("IN_UID", "IN_AADHAAR"),
    ("AADHAAR", "IN_AADHAAR"),
    ("SG_NRIC_FIN", "SG_NRIC"),
    ("IT_FISCAL", "IT_FISCAL_CODE"),
    ("PESEL", "PL_PESEL"),
    ("CPF", "BR_CPF"),
    ("CNPJ", "BR_CNPJ"),
    ("KR_RESIDENT_REGISTRATION_NUMBER", "KR_RRN"),
    ("NHS", "UK_NHS"),
    ("PASSWORD", "SECRET"),
    ("API_KEY", "API_TOKEN"),
];

/// Translates the entity names of data sets; a user's table goes first.
#[derive(Debug, Default)]
pub(crate) struct EntityNames(BTreeMap<String, String>);

impl EntityNames {
    /// The built-in table with the entries of a YAML file (`THEIRS: OURS`) over it.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, CliError> {
        let own = path.map(yaml::<BTreeMap<String, String>>).transpose()?.unwrap_or_default();
        let mut names: BTreeMap<String, String> = ENTITIES
            .iter()
            .map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned()))
            .collect();
        names.extend(own.into_iter().map(|(theirs, ours)| (theirs.to_ascii_uppercase(), ours)));
        Ok(Self(names))
    }

    /// Our name of a data set's entity type.
    pub(crate) fn ours(&self, theirs: &str) -> String {
        let upper = theirs.to_ascii_uppercase();
        self.0.get(&upper).cloned().unwrap_or(upper)
    }
}
