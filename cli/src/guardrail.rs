//! Policies and entity tables from files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::UserMessageFormatter;
use weir_detect::Policy;
use weir_settings::guardrail;

use crate::error::CliError;
use crate::within_envoy::{chosen_policy, settings_of};

/// Which policy a command uses.
#[derive(Debug, Args)]
pub(crate) struct PolicyFile {
    /// Policy in YAML or JSON; without it the default policy applies.
    ///
    /// One policy as it stands below `policies` in the filter's configuration, or such a
    /// configuration, of which all policies are checked, or one of Envoy that has a guardrail.
    /// `weir rules` lists the names that `rules` can use. The key of `hash` is read from the variable
    /// that `hash_key_env` names.
    #[arg(long = "policy", value_name = "FILE")]
    path: Option<PathBuf>,
    /// Which policy to take, where FILE is a filter's configuration with several [default: default].
    #[arg(long = "policy-name", value_name = "NAME", requires = "path")]
    name: Option<String>,
}

impl PolicyFile {
    /// The policy of the file, or the default one.
    pub(crate) fn load(&self) -> Result<Arc<Policy>, CliError> {
        let Some(path) = &self.path else { return Ok(Arc::new(Policy::default())) };
        let unusable = |reason: String| CliError::Yaml { path: path.clone(), reason };
        let written = settings_of("guardrail", yaml(path)?).map_err(unusable)?;
        check_all(&written).map_err(unusable)?;
        if written.is_null() {
            return Err(unusable("is empty; `{}` is the default policy".to_owned()));
        }
        let (field, written) = chosen_policy(written, self.name.as_deref()).map_err(unusable)?;
        let variable = |name: &str| std::env::var_os(name).map(OsString::into_encoded_bytes);
        let policy = guardrail::policy(&field, written, variable);
        Ok(policy.map_err(|error| unusable(error.to_string()))?.policy)
    }
}

/// What Envoy would refuse of a configuration with several policies, also of those not chosen. The
/// keys of `hash` that those need are on Envoy's machine, perhaps not on this one.
fn check_all(written: &Value) -> Result<(), String> {
    if written.get("policies").is_none() {
        return Ok(());
    }
    let placeholder = |_: &str| Some(b"stands in for a key".to_vec());
    let policies = guardrail::policies(written.to_string().as_bytes(), placeholder);
    policies.map(drop).map_err(|error| error.to_string())
}

/// A YAML (or JSON) file as `T`.
pub(crate) fn yaml<T: DeserializeOwned>(path: &Path) -> Result<T, CliError> {
    let text = read(path)?;
    serde_saphyr::from_str(&text).map_err(|error| {
        let reason = error.without_snippet().render_with_formatter(&UserMessageFormatter);
        CliError::Yaml { path: path.to_owned(), reason: format!("no YAML: {reason}") }
    })
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
