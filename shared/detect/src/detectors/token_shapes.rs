//! What the keys of many issuers begin with, and how long they are.

use super::token_runs::Alphabet;
use crate::rule::BuiltIn;

/// A fixed prefix and what follows it.
pub(super) struct Shape {
    pub(super) prefix: &'static [u8],
    pub(super) rule: BuiltIn,
    /// Characters after the prefix, fewest and most.
    pub(super) length: (usize, usize),
    pub(super) alphabet: Alphabet,
}

const fn shape(
    prefix: &'static [u8],
    rule: BuiltIn,
    length: (usize, usize),
    alphabet: Alphabet,
) -> Shape {
    Shape { prefix, rule, length, alphabet }
}

pub(super) fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
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

use Alphabet::{
    Alnum, Base32, Base64, Dotted, Hex, Letters, LowerAlnum, LowerHex, UpperAlnum, UpperDash, Word,
};
use BuiltIn::{
    AnthropicKey, AwsAccessKey, GithubToken, GoogleKey, HuggingFaceToken, ProviderToken,
    SlackToken, StripeKey,
};

/// Prefixes as their issuers document them.
pub(super) static SHAPES: [Shape; 151] = [
    shape(b"AKIA", AwsAccessKey, (16, 16), Base32),
    shape(b"ASIA", AwsAccessKey, (16, 16), Base32),
    shape(b"ABIA", AwsAccessKey, (16, 16), Base32),
    shape(b"ACCA", AwsAccessKey, (16, 16), Base32),
    shape(b"A3T", AwsAccessKey, (17, 17), Base32),
    shape(b"AIza", GoogleKey, (35, 35), Word),
    shape(b"GOCSPX-", GoogleKey, (28, 28), Word),
    shape(b"ya29.", GoogleKey, (40, 400), Word),
    shape(b"ghp_", GithubToken, (36, 36), Alnum),
    shape(b"gho_", GithubToken, (36, 36), Alnum),
    shape(b"ghu_", GithubToken, (36, 36), Alnum),
    shape(b"ghs_", GithubToken, (36, 36), Alnum),
    shape(b"ghr_", GithubToken, (36, 36), Alnum),
    shape(b"github_pat_", GithubToken, (60, 100), Word),
    shape(b"glpat-", ProviderToken, (20, 320), Dotted),
    shape(b"gldt-", ProviderToken, (20, 60), Word),
    shape(b"glrt-", ProviderToken, (20, 320), Dotted),
    shape(b"glptt-", ProviderToken, (40, 40), Hex),
    shape(b"xapp-", SlackToken, (20, 400), Word),
    shape(b"sk_live_", StripeKey, (24, 247), Alnum),
    shape(b"sk_test_", StripeKey, (24, 247), Alnum),
    shape(b"sk_prod_", StripeKey, (24, 247), Alnum),
    shape(b"rk_live_", StripeKey, (24, 247), Alnum),
    shape(b"rk_test_", StripeKey, (24, 247), Alnum),
    shape(b"rk_prod_", StripeKey, (24, 247), Alnum),
    shape(b"sk-ant-api03-", AnthropicKey, (40, 120), Word),
    shape(b"sk-ant-admin01-", AnthropicKey, (60, 120), Word),
    shape(b"sk-ant-oat01-", AnthropicKey, (60, 120), Word),
    shape(b"sk-or-v1-", ProviderToken, (64, 64), Hex),
    shape(b"hf_", HuggingFaceToken, (34, 34), Letters),
    shape(b"npm_", ProviderToken, (36, 36), Alnum),
    shape(b"pypi-AgEIcHlwaS5vcmc", ProviderToken, (50, 400), Word),
    shape(b"dapi", ProviderToken, (32, 32), Hex),
    shape(b"dckr_pat_", ProviderToken, (20, 40), Word),
    shape(b"figd_", ProviderToken, (40, 60), Word),
    shape(b"glc_eyJ", ProviderToken, (20, 400), Base64),
    shape(b"glsa_", ProviderToken, (41, 41), Word),
    shape(b"gsk_", ProviderToken, (52, 52), Alnum),
    shape(b"hvs.", ProviderToken, (24, 200), Word),
    shape(b"hvb.", ProviderToken, (60, 300), Word),
    shape(b"hvr.", ProviderToken, (24, 300), Word),
    shape(b"lin_api_", ProviderToken, (40, 48), Alnum),
    shape(b"SG.", ProviderToken, (60, 70), Dotted),
    shape(b"shpat_", ProviderToken, (32, 64), Alnum),
    shape(b"shpca_", ProviderToken, (32, 64), Alnum),
    shape(b"shppa_", ProviderToken, (32, 64), Alnum),
    shape(b"shpss_", ProviderToken, (32, 64), Alnum),
    shape(b"tskey-", ProviderToken, (24, 80), Word),
    shape(b"ops_eyJ", ProviderToken, (100, 2000), Base64),
    shape(b"dop_v1_", ProviderToken, (64, 64), Hex),
    shape(b"rubygems_", ProviderToken, (48, 48), Hex),
    shape(b"NRAK-", ProviderToken, (27, 27), Alnum),
    shape(b"PMAK-", ProviderToken, (59, 59), Word),
    shape(b"pplx-", ProviderToken, (40, 60), Alnum),
    shape(b"xai-", ProviderToken, (60, 100), Alnum),
    shape(b"r8_", ProviderToken, (37, 37), Alnum),
    shape(b"lsv2_pt_", ProviderToken, (40, 50), Word),
    shape(b"ATATT3", ProviderToken, (100, 250), Base64),
    shape(b"sbp_", ProviderToken, (40, 40), Hex),
    shape(b"dp.pt.", ProviderToken, (40, 44), Alnum),
    shape(b"AGE-SECRET-KEY-1", ProviderToken, (58, 58), Alnum),
    shape(b"EAACEdEose0cBA", ProviderToken, (20, 400), Alnum),
    // Further issuers, by the names of their products.
    shape(b"sk-", ProviderToken, (32, 32), LowerHex),
    shape(b"sk-ant-sid01-", AnthropicKey, (60, 140), Word),
    shape(b"SK", ProviderToken, (32, 32), Hex),
    shape(b"key-", ProviderToken, (32, 32), LowerHex),
    shape(b"whsec_", StripeKey, (32, 64), Base64),
    shape(b"sq0atp-", ProviderToken, (22, 60), Word),
    shape(b"sq0csp-", ProviderToken, (43, 43), Word),
    shape(b"EAAA", ProviderToken, (56, 64), Word),
    shape(b"EAAG", ProviderToken, (80, 400), Alnum),
    shape(b"EAAB", ProviderToken, (80, 400), Alnum),
    shape(b"doo_v1_", ProviderToken, (64, 64), Hex),
    shape(b"dor_v1_", ProviderToken, (64, 64), Hex),
    shape(b"dp.st.", ProviderToken, (40, 80), Dotted),
    shape(b"dp.ct.", ProviderToken, (40, 44), Alnum),
    shape(b"dp.sa.", ProviderToken, (40, 44), Alnum),
    shape(b"dp.scim.", ProviderToken, (40, 44), Alnum),
    shape(b"dp.audit.", ProviderToken, (40, 44), Alnum),
    shape(b"dt0c01.", ProviderToken, (89, 89), Dotted),
    shape(b"lin_oauth_", ProviderToken, (40, 64), Alnum),
    shape(b"secret_", ProviderToken, (43, 43), Alnum),
    shape(b"pul-", ProviderToken, (40, 40), LowerHex),
    shape(b"sntrys_", ProviderToken, (60, 400), Base64),
    shape(b"sntryu_", ProviderToken, (64, 64), Hex),
    shape(b"fw_", ProviderToken, (20, 32), Alnum),
    shape(b"glsoat-", ProviderToken, (20, 60), Word),
    shape(b"glcbt-", ProviderToken, (20, 60), Word),
    shape(b"glimt-", ProviderToken, (20, 60), Word),
    shape(b"glagent-", ProviderToken, (40, 60), Word),
    shape(b"glft-", ProviderToken, (20, 60), Word),
    shape(b"gloas-", ProviderToken, (40, 70), Word),
    shape(b"ATBB", ProviderToken, (32, 32), Alnum),
    shape(b"ATCTT3", ProviderToken, (100, 250), Base64),
    shape(b"ATTA", ProviderToken, (72, 72), Alnum),
    shape(b"CFPAT-", ProviderToken, (43, 43), Word),
    shape(b"EZAK", ProviderToken, (54, 54), Alnum),
    shape(b"EZTK", ProviderToken, (54, 54), Alnum),
    shape(b"FLWSECK_TEST-", ProviderToken, (32, 34), Word),
    shape(b"FLWSECK-", ProviderToken, (32, 34), Word),
    shape(b"fio-u-", ProviderToken, (64, 64), Base64),
    shape(b"HRKU-", ProviderToken, (36, 62), Word),
    shape(b"pat-na1-", ProviderToken, (36, 36), Word),
    shape(b"pat-eu1-", ProviderToken, (36, 36), Word),
    shape(b"nfp_", ProviderToken, (36, 36), Alnum),
    shape(b"pscale_tkn_", ProviderToken, (32, 64), Dotted),
    shape(b"pscale_pw_", ProviderToken, (32, 64), Dotted),
    shape(b"pscale_oauth_", ProviderToken, (32, 64), Dotted),
    shape(b"pnu_", ProviderToken, (36, 36), Alnum),
    shape(b"rdme_", ProviderToken, (70, 70), Alnum),
    shape(b"xkeysib-", ProviderToken, (81, 81), Word),
    shape(b"shippo_live_", ProviderToken, (40, 40), Hex),
    shape(b"shippo_test_", ProviderToken, (40, 40), Hex),
    shape(b"sgp_", ProviderToken, (40, 60), Word),
    shape(b"tfp_", ProviderToken, (59, 59), Dotted),
    shape(b"waka_", ProviderToken, (36, 36), Word),
    shape(b"zpka_", ProviderToken, (32, 50), Word),
    shape(b"pcsk_", ProviderToken, (60, 80), Word),
    shape(b"lsv2_sk_", ProviderToken, (40, 50), Word),
    shape(b"sk.eyJ", ProviderToken, (60, 200), Dotted),
    shape(b"LTAI", ProviderToken, (20, 20), Alnum),
    shape(b"AKID", ProviderToken, (32, 32), Alnum),
    shape(b"AKCp", ProviderToken, (69, 70), Alnum),
    shape(b"duffel_live_", ProviderToken, (43, 43), Word),
    shape(b"duffel_test_", ProviderToken, (43, 43), Word),
    shape(b"ico-", ProviderToken, (32, 32), Alnum),
    shape(b"oy2", ProviderToken, (43, 43), LowerAlnum),
    shape(b"API-", ProviderToken, (25, 27), UpperAlnum),
    shape(b"tk-us-", ProviderToken, (48, 48), Word),
    shape(b"sl.", ProviderToken, (130, 160), Word),
    shape(b"p8e-", ProviderToken, (32, 32), LowerAlnum),
    shape(b"cmVmd", ProviderToken, (59, 59), Alnum),
    shape(b"4b1d", ProviderToken, (38, 38), Alnum),
    shape(b"CLOJARS_", ProviderToken, (60, 60), Alnum),
    shape(b"EAAM", ProviderToken, (80, 400), Alnum),
    shape(b"EAAC", ProviderToken, (80, 400), Alnum),
    shape(b"fo1_", ProviderToken, (43, 43), Word),
    shape(b"fm1r_", ProviderToken, (100, 800), Base64),
    shape(b"fm1a_", ProviderToken, (100, 800), Base64),
    shape(b"fm2_", ProviderToken, (100, 800), Base64),
    shape(b"glffct-", ProviderToken, (20, 60), Word),
    shape(b"GR1348941", ProviderToken, (20, 20), Word),
    shape(b"eyJrIjoi", ProviderToken, (70, 400), Base64),
    shape(b"pat.", ProviderToken, (68, 68), Dotted),
    shape(b"sat.", ProviderToken, (68, 68), Dotted),
    shape(b"api_org_", HuggingFaceToken, (34, 34), Letters),
    shape(b"sha256~", ProviderToken, (43, 43), Word),
    shape(b"s.", ProviderToken, (24, 24), Alnum),
    shape(b"bedrock-api-key-", ProviderToken, (24, 2000), Base64),
    shape(b"ABSK", ProviderToken, (109, 269), Base64),
    shape(b"A3-", ProviderToken, (36, 37), UpperDash),
];

/// Prefixes whose kind is written into them: `cfat_`, `vcp_`.
pub(super) static FAMILIES: [Shape; 2] =
    [shape(b"cf", ProviderToken, (48, 48), Alnum), shape(b"vc", ProviderToken, (40, 60), Alnum)];
