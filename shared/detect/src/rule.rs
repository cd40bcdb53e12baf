//! What a rule is, and the built-in ones.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Families of rules that a policy can address together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Personal data known everywhere: cards, accounts, addresses.
    Pii,
    /// Identity and tax numbers of one country.
    PiiNational,
    /// Keys, tokens, passwords.
    Secrets,
    /// Prompt injection and jailbreak phrases.
    Injection,
    /// The request's own system prompt in the response.
    Leak,
    /// Encoded data with something sensitive inside.
    Encoded,
    /// Links and images that carry data to a foreign host.
    Exfil,
    /// Characters that a reader does not see.
    Invisible,
    /// More text than the policy allows.
    Size,
    /// The operator's own regexes and dictionaries.
    Custom,
}

impl Group {
    /// Every group, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Pii,
        Self::PiiNational,
        Self::Secrets,
        Self::Injection,
        Self::Leak,
        Self::Encoded,
        Self::Exfil,
        Self::Invisible,
        Self::Size,
        Self::Custom,
    ];

    /// The name used in policies and rule ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pii => "pii",
            Self::PiiNational => "pii-national",
            Self::Secrets => "secrets",
            Self::Injection => "injection",
            Self::Leak => "leak",
            Self::Encoded => "encoded",
            Self::Exfil => "exfil",
            Self::Invisible => "invisible",
            Self::Size => "size",
            Self::Custom => "custom",
        }
    }
}

/// One thing that can be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Stable identifier, `group.name`; safe to log.
    pub id: Cow<'static, str>,
    /// Entity type, also the placeholder's name: `EMAIL` in `[EMAIL]`.
    pub entity: Cow<'static, str>,
    /// The family.
    pub group: Group,
    /// Confidence (0 to 1) of a plain match, before context raises it.
    pub confidence: f32,
}

/// Position of a rule in its scanner's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleIndex(pub(crate) u16);

impl RuleIndex {
    /// The position as an index.
    pub fn position(self) -> usize {
        usize::from(self.0)
    }
}

/// Something sensitive and where it stands. Carries no text.
#[derive(Clone, PartialEq)]
pub struct Finding {
    /// Bytes of the input text.
    pub span: Range<usize>,
    /// The rule that matched.
    pub rule: Arc<Rule>,
    /// Its position in the scanner's table.
    pub index: RuleIndex,
    /// 0 to 1.
    pub confidence: f32,
}

impl Finding {
    /// The rule's stable identifier.
    pub fn id(&self) -> &str {
        &self.rule.id
    }

    /// The entity type.
    pub fn entity(&self) -> &str {
        &self.rule.entity
    }

    /// The rule's family.
    pub fn group(&self) -> Group {
        self.rule.group
    }
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:?} ({:.2})", self.rule.id, self.span, self.confidence)
    }
}

macro_rules! built_in {
    ($($variant:ident $group:ident $id:literal $entity:literal $confidence:literal,)*) => {
        /// The rules that come with Weir, in table order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum BuiltIn { $($variant,)* }

        impl BuiltIn {
            /// Number of built-in rules.
            pub(crate) const COUNT: usize = [$(Self::$variant,)*].len();

            /// The whole table.
            pub(crate) fn table() -> Vec<Arc<Rule>> {
                static ROWS: [(&str, &str, Group, f32); BuiltIn::COUNT] =
                    [$(($id, $entity, Group::$group, $confidence),)*];
                let rule = |row: &(&'static str, &'static str, Group, f32)| {
                    let (id, entity, group, confidence) = *row;
                    Arc::new(Rule { id: id.into(), entity: entity.into(), group, confidence })
                };
                ROWS.iter().map(rule).collect()
            }

            /// Confidence of a plain match.
            pub(crate) fn confidence(self) -> f32 {
                match self { $(Self::$variant => $confidence,)* }
            }

            /// Position in the table.
            pub(crate) fn index(self) -> RuleIndex {
                RuleIndex(self as u16)
            }
        }
    };
}

built_in! {
    CreditCard Pii "pii.credit_card" "CREDIT_CARD" 0.9,
    Iban Pii "pii.iban" "IBAN" 0.95,
    UsSsn Pii "pii.us_ssn" "US_SSN" 0.75,
    Phone Pii "pii.phone" "PHONE" 0.6,
    Email Pii "pii.email" "EMAIL" 0.95,
    Ipv4 Pii "pii.ipv4" "IP_ADDRESS" 0.7,
    Ipv6 Pii "pii.ipv6" "IP_ADDRESS" 0.8,
    Mac Pii "pii.mac" "MAC_ADDRESS" 0.8,
    BitcoinAddress Pii "pii.bitcoin_address" "CRYPTO_ADDRESS" 0.95,
    EthereumAddress Pii "pii.ethereum_address" "CRYPTO_ADDRESS" 0.7,
    SpelledDigits Pii "pii.spelled_digits" "SPELLED_DIGITS" 0.3,
    Passport PiiNational "pii-national.passport_mrz" "PASSPORT_MRZ" 0.95,
    UkNhs PiiNational "pii-national.uk_nhs" "UK_NHS" 0.4,
    UkNino PiiNational "pii-national.uk_nino" "UK_NINO" 0.7,
    EsNif PiiNational "pii-national.es_nif" "ES_NIF" 0.7,
    EsNie PiiNational "pii-national.es_nie" "ES_NIE" 0.75,
    ItFiscalCode PiiNational "pii-national.it_fiscal_code" "IT_FISCAL_CODE" 0.95,
    PlPesel PiiNational "pii-national.pl_pesel" "PL_PESEL" 0.45,
    DeTaxId PiiNational "pii-national.de_tax_id" "DE_TAX_ID" 0.45,
    BrCpf PiiNational "pii-national.br_cpf" "BR_CPF" 0.45,
    BrCnpj PiiNational "pii-national.br_cnpj" "BR_CNPJ" 0.5,
    InAadhaar PiiNational "pii-national.in_aadhaar" "IN_AADHAAR" 0.45,
    InPan PiiNational "pii-national.in_pan" "IN_PAN" 0.6,
    CnResidentId PiiNational "pii-national.cn_resident_id" "CN_RESIDENT_ID" 0.9,
    KrRrn PiiNational "pii-national.kr_rrn" "KR_RRN" 0.6,
    SgNric PiiNational "pii-national.sg_nric" "SG_NRIC" 0.8,
    AuTfn PiiNational "pii-national.au_tfn" "AU_TFN" 0.4,
    AuAbn PiiNational "pii-national.au_abn" "AU_ABN" 0.4,
    AuMedicare PiiNational "pii-national.au_medicare" "AU_MEDICARE" 0.4,
    AwsAccessKey Secrets "secrets.aws_access_key" "AWS_ACCESS_KEY" 0.95,
    GoogleKey Secrets "secrets.google_api_key" "GOOGLE_API_KEY" 0.95,
    GithubToken Secrets "secrets.github_token" "GITHUB_TOKEN" 0.85,
    ProviderToken Secrets "secrets.provider_token" "API_TOKEN" 0.9,
    OpenAiKey Secrets "secrets.openai_key" "OPENAI_KEY" 0.95,
    AnthropicKey Secrets "secrets.anthropic_key" "ANTHROPIC_KEY" 0.95,
    HuggingFaceToken Secrets "secrets.hugging_face_token" "HUGGING_FACE_TOKEN" 0.9,
    SlackToken Secrets "secrets.slack_token" "SLACK_TOKEN" 0.9,
    StripeKey Secrets "secrets.stripe_key" "STRIPE_KEY" 0.95,
    AzureSecret Secrets "secrets.azure_client_secret" "AZURE_SECRET" 0.85,
    Jwt Secrets "secrets.jwt" "JWT" 0.9,
    PrivateKey Secrets "secrets.private_key" "PRIVATE_KEY" 0.98,
    UrlCredentials Secrets "secrets.url_credentials" "URL_CREDENTIALS" 0.9,
    ConnectionString Secrets "secrets.connection_string" "CONNECTION_STRING" 0.9,
    Webhook Secrets "secrets.webhook" "WEBHOOK_URL" 0.9,
    Authorization Secrets "secrets.authorization" "AUTHORIZATION" 0.85,
    GenericSecret Secrets "secrets.generic" "SECRET" 0.7,
    RawPrivateKey Secrets "secrets.raw_private_key" "PRIVATE_KEY" 0.6,
    Injection Injection "injection.override" "PROMPT_INJECTION" 0.9,
    PromptProbe Injection "injection.prompt_probe" "PROMPT_INJECTION" 0.8,
    Jailbreak Injection "injection.jailbreak" "PROMPT_INJECTION" 0.85,
    InjectionScore Injection "injection.score" "PROMPT_INJECTION" 0.7,
    SystemPromptLeak Leak "leak.system_prompt" "SYSTEM_PROMPT" 0.9,
    EncodedBase64 Encoded "encoded.base64" "ENCODED" 0.8,
    EncodedHex Encoded "encoded.hex" "ENCODED" 0.8,
    EncodedPercent Encoded "encoded.percent" "ENCODED" 0.8,
    ExfilImage Exfil "exfil.image" "EXTERNAL_IMAGE" 0.8,
    ExfilLink Exfil "exfil.link" "EXTERNAL_LINK" 0.6,
    InvisibleTags Invisible "invisible.tags" "INVISIBLE_TEXT" 0.95,
    InvisibleVariations Invisible "invisible.variation_selectors" "INVISIBLE_TEXT" 0.8,
    InvisibleZeroWidth Invisible "invisible.zero_width" "INVISIBLE_TEXT" 0.6,
    InvisibleBidi Invisible "invisible.bidi" "INVISIBLE_TEXT" 0.7,
    Oversize Size "size.too_large" "OVERSIZE" 1.0,
    HoldBack Size "size.hold_back" "OVERLONG_MATCH" 1.0,
}
