//! What the keys of many issuers begin with, and how long they are.

use crate::rule::BuiltIn;

/// A fixed prefix and what follows it.
pub(super) struct Shape {
    pub(super) prefix: &'static [u8],
    pub(super) rule: BuiltIn,
    /// Characters after the prefix, fewest and most.
    pub(super) length: (usize, usize),
    pub(super) alphabet: fn(u8) -> bool,
}

const fn shape(
    prefix: &'static [u8],
    rule: BuiltIn,
    length: (usize, usize),
    alphabet: fn(u8) -> bool,
) -> Shape {
    Shape { prefix, rule, length, alphabet }
}

pub(super) fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}
fn letters(b: u8) -> bool {
    b.is_ascii_alphabetic()
}
pub(super) fn hex(b: u8) -> bool {
    b.is_ascii_hexdigit()
}
pub(super) fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}
pub(super) fn dotted(b: u8) -> bool {
    word(b) || b == b'.'
}
fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"+/=_-".contains(&b)
}
fn lower_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}
fn lower_alnum(b: u8) -> bool {
    b.is_ascii_digit() || b.is_ascii_lowercase()
}
fn upper_alnum(b: u8) -> bool {
    b.is_ascii_digit() || b.is_ascii_uppercase()
}
fn upper_dash(b: u8) -> bool {
    upper_alnum(b) || b == b'-'
}
fn aws(b: u8) -> bool {
    b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)
}

use BuiltIn::{
    AnthropicKey, AwsAccessKey, GithubToken, GoogleKey, HuggingFaceToken, ProviderToken,
    SlackToken, StripeKey,
};

/// Prefixes as their issuers document them.
pub(super) static SHAPES: [Shape; 151] = [
    shape(b"AKIA", AwsAccessKey, (16, 16), aws),
    shape(b"ASIA", AwsAccessKey, (16, 16), aws),
    shape(b"ABIA", AwsAccessKey, (16, 16), aws),
    shape(b"ACCA", AwsAccessKey, (16, 16), aws),
    shape(b"A3T", AwsAccessKey, (17, 17), aws),
    shape(b"AIza", GoogleKey, (35, 35), word),
    shape(b"GOCSPX-", GoogleKey, (28, 28), word),
    shape(b"ya29.", GoogleKey, (40, 400), word),
    shape(b"ghp_", GithubToken, (36, 36), alnum),
    shape(b"gho_", GithubToken, (36, 36), alnum),
    shape(b"ghu_", GithubToken, (36, 36), alnum),
    shape(b"ghs_", GithubToken, (36, 36), alnum),
    shape(b"ghr_", GithubToken, (36, 36), alnum),
    shape(b"github_pat_", GithubToken, (60, 100), word),
    shape(b"glpat-", ProviderToken, (20, 320), dotted),
    shape(b"gldt-", ProviderToken, (20, 60), word),
    shape(b"glrt-", ProviderToken, (20, 320), dotted),
    shape(b"glptt-", ProviderToken, (40, 40), hex),
    shape(b"xapp-", SlackToken, (20, 400), word),
    shape(b"sk_live_", StripeKey, (24, 247), alnum),
    shape(b"sk_test_", StripeKey, (24, 247), alnum),
    shape(b"sk_prod_", StripeKey, (24, 247), alnum),
    shape(b"rk_live_", StripeKey, (24, 247), alnum),
    shape(b"rk_test_", StripeKey, (24, 247), alnum),
    shape(b"rk_prod_", StripeKey, (24, 247), alnum),
    shape(b"sk-ant-api03-", AnthropicKey, (40, 120), word),
    shape(b"sk-ant-admin01-", AnthropicKey, (60, 120), word),
    shape(b"sk-ant-oat01-", AnthropicKey, (60, 120), word),
    shape(b"sk-or-v1-", ProviderToken, (64, 64), hex),
    shape(b"hf_", HuggingFaceToken, (34, 34), letters),
    shape(b"npm_", ProviderToken, (36, 36), alnum),
    shape(b"pypi-AgEIcHlwaS5vcmc", ProviderToken, (50, 400), word),
    shape(b"dapi", ProviderToken, (32, 32), hex),
    shape(b"dckr_pat_", ProviderToken, (20, 40), word),
    shape(b"figd_", ProviderToken, (40, 60), word),
    shape(b"glc_eyJ", ProviderToken, (20, 400), base64),
    shape(b"glsa_", ProviderToken, (41, 41), word),
    shape(b"gsk_", ProviderToken, (52, 52), alnum),
    shape(b"hvs.", ProviderToken, (24, 200), word),
    shape(b"hvb.", ProviderToken, (60, 300), word),
    shape(b"hvr.", ProviderToken, (24, 300), word),
    shape(b"lin_api_", ProviderToken, (40, 48), alnum),
    shape(b"SG.", ProviderToken, (60, 70), dotted),
    shape(b"shpat_", ProviderToken, (32, 64), alnum),
    shape(b"shpca_", ProviderToken, (32, 64), alnum),
    shape(b"shppa_", ProviderToken, (32, 64), alnum),
    shape(b"shpss_", ProviderToken, (32, 64), alnum),
    shape(b"tskey-", ProviderToken, (24, 80), word),
    shape(b"ops_eyJ", ProviderToken, (100, 2000), base64),
    shape(b"dop_v1_", ProviderToken, (64, 64), hex),
    shape(b"rubygems_", ProviderToken, (48, 48), hex),
    shape(b"NRAK-", ProviderToken, (27, 27), alnum),
    shape(b"PMAK-", ProviderToken, (59, 59), word),
    shape(b"pplx-", ProviderToken, (40, 60), alnum),
    shape(b"xai-", ProviderToken, (60, 100), alnum),
    shape(b"r8_", ProviderToken, (37, 37), alnum),
    shape(b"lsv2_pt_", ProviderToken, (40, 50), word),
    shape(b"ATATT3", ProviderToken, (100, 250), base64),
    shape(b"sbp_", ProviderToken, (40, 40), hex),
    shape(b"dp.pt.", ProviderToken, (40, 44), alnum),
    shape(b"AGE-SECRET-KEY-1", ProviderToken, (58, 58), alnum),
    shape(b"EAACEdEose0cBA", ProviderToken, (20, 400), alnum),
    // Further issuers, by the names of their products.
    shape(b"sk-", ProviderToken, (32, 32), lower_hex),
    shape(b"sk-ant-sid01-", AnthropicKey, (60, 140), word),
    shape(b"SK", ProviderToken, (32, 32), hex),
    shape(b"key-", ProviderToken, (32, 32), lower_hex),
    shape(b"whsec_", StripeKey, (32, 64), base64),
    shape(b"sq0atp-", ProviderToken, (22, 60), word),
    shape(b"sq0csp-", ProviderToken, (43, 43), word),
    shape(b"EAAA", ProviderToken, (56, 64), word),
    shape(b"EAAG", ProviderToken, (80, 400), alnum),
    shape(b"EAAB", ProviderToken, (80, 400), alnum),
    shape(b"doo_v1_", ProviderToken, (64, 64), hex),
    shape(b"dor_v1_", ProviderToken, (64, 64), hex),
    shape(b"dp.st.", ProviderToken, (40, 80), dotted),
    shape(b"dp.ct.", ProviderToken, (40, 44), alnum),
    shape(b"dp.sa.", ProviderToken, (40, 44), alnum),
    shape(b"dp.scim.", ProviderToken, (40, 44), alnum),
    shape(b"dp.audit.", ProviderToken, (40, 44), alnum),
    shape(b"dt0c01.", ProviderToken, (89, 89), dotted),
    shape(b"lin_oauth_", ProviderToken, (40, 64), alnum),
    shape(b"secret_", ProviderToken, (43, 43), alnum),
    shape(b"pul-", ProviderToken, (40, 40), lower_hex),
    shape(b"sntrys_", ProviderToken, (60, 400), base64),
    shape(b"sntryu_", ProviderToken, (64, 64), hex),
    shape(b"fw_", ProviderToken, (20, 32), alnum),
    shape(b"glsoat-", ProviderToken, (20, 60), word),
    shape(b"glcbt-", ProviderToken, (20, 60), word),
    shape(b"glimt-", ProviderToken, (20, 60), word),
    shape(b"glagent-", ProviderToken, (40, 60), word),
    shape(b"glft-", ProviderToken, (20, 60), word),
    shape(b"gloas-", ProviderToken, (40, 70), word),
    shape(b"ATBB", ProviderToken, (32, 32), alnum),
    shape(b"ATCTT3", ProviderToken, (100, 250), base64),
    shape(b"ATTA", ProviderToken, (72, 72), alnum),
    shape(b"CFPAT-", ProviderToken, (43, 43), word),
    shape(b"EZAK", ProviderToken, (54, 54), alnum),
    shape(b"EZTK", ProviderToken, (54, 54), alnum),
    shape(b"FLWSECK_TEST-", ProviderToken, (32, 34), word),
    shape(b"FLWSECK-", ProviderToken, (32, 34), word),
    shape(b"fio-u-", ProviderToken, (64, 64), base64),
    shape(b"HRKU-", ProviderToken, (36, 62), word),
    shape(b"pat-na1-", ProviderToken, (36, 36), word),
    shape(b"pat-eu1-", ProviderToken, (36, 36), word),
    shape(b"nfp_", ProviderToken, (36, 36), alnum),
    shape(b"pscale_tkn_", ProviderToken, (32, 64), dotted),
    shape(b"pscale_pw_", ProviderToken, (32, 64), dotted),
    shape(b"pscale_oauth_", ProviderToken, (32, 64), dotted),
    shape(b"pnu_", ProviderToken, (36, 36), alnum),
    shape(b"rdme_", ProviderToken, (70, 70), alnum),
    shape(b"xkeysib-", ProviderToken, (81, 81), word),
    shape(b"shippo_live_", ProviderToken, (40, 40), hex),
    shape(b"shippo_test_", ProviderToken, (40, 40), hex),
    shape(b"sgp_", ProviderToken, (40, 60), word),
    shape(b"tfp_", ProviderToken, (59, 59), dotted),
    shape(b"waka_", ProviderToken, (36, 36), word),
    shape(b"zpka_", ProviderToken, (32, 50), word),
    shape(b"pcsk_", ProviderToken, (60, 80), word),
    shape(b"lsv2_sk_", ProviderToken, (40, 50), word),
    shape(b"sk.eyJ", ProviderToken, (60, 200), dotted),
    shape(b"LTAI", ProviderToken, (20, 20), alnum),
    shape(b"AKID", ProviderToken, (32, 32), alnum),
    shape(b"AKCp", ProviderToken, (69, 70), alnum),
    shape(b"duffel_live_", ProviderToken, (43, 43), word),
    shape(b"duffel_test_", ProviderToken, (43, 43), word),
    shape(b"ico-", ProviderToken, (32, 32), alnum),
    shape(b"oy2", ProviderToken, (43, 43), lower_alnum),
    shape(b"API-", ProviderToken, (25, 27), upper_alnum),
    shape(b"tk-us-", ProviderToken, (48, 48), word),
    shape(b"sl.", ProviderToken, (130, 160), word),
    shape(b"p8e-", ProviderToken, (32, 32), lower_alnum),
    shape(b"cmVmd", ProviderToken, (59, 59), alnum),
    shape(b"4b1d", ProviderToken, (38, 38), alnum),
    shape(b"CLOJARS_", ProviderToken, (60, 60), alnum),
    shape(b"EAAM", ProviderToken, (80, 400), alnum),
    shape(b"EAAC", ProviderToken, (80, 400), alnum),
    shape(b"fo1_", ProviderToken, (43, 43), word),
    shape(b"fm1r_", ProviderToken, (100, 800), base64),
    shape(b"fm1a_", ProviderToken, (100, 800), base64),
    shape(b"fm2_", ProviderToken, (100, 800), base64),
    shape(b"glffct-", ProviderToken, (20, 60), word),
    shape(b"GR1348941", ProviderToken, (20, 20), word),
    shape(b"eyJrIjoi", ProviderToken, (70, 400), base64),
    shape(b"pat.", ProviderToken, (68, 68), dotted),
    shape(b"sat.", ProviderToken, (68, 68), dotted),
    shape(b"api_org_", HuggingFaceToken, (34, 34), letters),
    shape(b"sha256~", ProviderToken, (43, 43), word),
    shape(b"s.", ProviderToken, (24, 24), alnum),
    shape(b"bedrock-api-key-", ProviderToken, (24, 2000), base64),
    shape(b"ABSK", ProviderToken, (109, 269), base64),
    shape(b"A3-", ProviderToken, (36, 37), upper_dash),
];

/// Prefixes whose kind is written into them: `cfat_`, `vcp_`.
pub(super) static FAMILIES: [Shape; 2] =
    [shape(b"cf", ProviderToken, (48, 48), alnum), shape(b"vc", ProviderToken, (40, 60), alnum)];
