//! Overrides and probes in other languages. In those whose verb comes last it is the tail.

use super::signature::{Signature, Words, signature};
use crate::rule::BuiltIn::{Injection, PromptProbe};

const EARLIER_DE: Words = &[
    "vorherig",
    "bisherig",
    "vorig",
    "obig",
    "vorangegangen",
    "vorangehend",
    "früher",
    "alle",
    "deine",
    "ihre",
    "gegeben",
    "ursprünglich",
];
const IGNORE_DE: Words =
    &["ignorier", "vergiss", "vergessen", "missacht", "verwirf", "umgeh", "übergeh"];
const ORDERS_FR: Words = &["instruction", "consigne", "directive", "règle", "ordre", "indication"];
const IGNORE_FR: Words = &["ignor", "oubli", "ignorez", "négligez"];
/// Spanish and Portuguese.
const ORDERS_ES: Words = &[
    "instrucci",
    "instruç",
    "instruc",
    "indicaci",
    "órdenes",
    "reglas",
    "regras",
    "orden",
    "ordens",
    "comandos",
    "directrices",
    "diretrizes",
];
const IGNORE_ES: Words = &["ignor", "olvid", "esqueç", "esquec", "descart", "desconsider"];
const SHOW_ROMANCE: Words = &[
    "révèle",
    "révélez",
    "montre",
    "affiche",
    "répète",
    "donne",
    "revela",
    "muestra",
    "muéstrame",
    "dime",
    "repite",
    "imprime",
    "rivela",
    "mostra",
    "ripeti",
    "dimmi",
    "revele",
    "mostre",
    "repita",
    "mostrame",
];
const EARLIER_RU: Words = &["предыдущ", "прошл", "прежн", "все", "выше", "ранее", "данные"];
/// Only ASCII letters are folded, so a sentence's first word stands here twice.
const IGNORE_RU: Words =
    &["игнорир", "Игнорир", "забудь", "Забудь", "проигнорир", "Проигнорир", "отмени", "Отмени"];
const EARLIER_ZH: Words = &["之前", "以上", "先前", "上面", "前面", "所有", "此前", "原来"];
const IGNORE_ZH: Words = &["忽略", "无视", "忘记", "忘掉", "無視", "忘記", "不要遵守", "别管"];
const EARLIER_JA: Words = &["以前", "前の", "上記", "これまで", "すべて", "全て", "今まで"];

pub(super) static OVERRIDES: [Signature; 38] = [
    signature("anweisungen", &[EARLIER_DE, IGNORE_DE], Injection, 0.9),
    signature("anweisung", &[EARLIER_DE, IGNORE_DE], Injection, 0.85),
    signature("instruktionen", &[EARLIER_DE, IGNORE_DE], Injection, 0.9),
    signature("vorgaben", &[EARLIER_DE, IGNORE_DE], Injection, 0.85),
    signature("regeln", &[EARLIER_DE, IGNORE_DE], Injection, 0.75),
    signature("befehle", &[EARLIER_DE, IGNORE_DE], Injection, 0.85),
    signature(
        "systemprompt",
        &[
            &["deinen", "ihren", "dein", "den"],
            &["zeig", "nenn", "gib", "wiederhol", "verrat", "wie", "was"],
        ],
        PromptProbe,
        0.75,
    ),
    signature("systemanweisungen", &[], PromptProbe, 0.6),
    signature("regeln", &[&["keine", "ohne"], &["du", "hast", "gibt", "ki"]], Injection, 0.55),
    signature("système", &[&["instruction", "consigne", "prompt"], SHOW_ROMANCE], PromptProbe, 0.7),
    signature(
        "del sistema",
        &[&["instruccion", "prompt", "mensaje"], SHOW_ROMANCE],
        PromptProbe,
        0.7,
    ),
    signature("istruzioni", &[&["tutte", "tue"], &["ignor", "dimentic"]], Injection, 0.85),
    signature("talimatları", &[&["önceki", "tüm", "yukarıdaki", "bütün"]], Injection, 0.7),
    signature("ограничений", &[&["без"], &["ты", "вы", "модель", "ассистент"]], Injection, 0.55),
    signature("السابقة", &[&["التعليمات", "الأوامر"], &["تجاهل", "انس"]], Injection, 0.9),
    signature("限制", &[&["没有", "不受", "无"], &["你现在", "你是"]], Injection, 0.55),
    signature("précédentes", &[ORDERS_FR, IGNORE_FR], Injection, 0.9),
    signature("précédente", &[ORDERS_FR, IGNORE_FR], Injection, 0.85),
    signature("antérieures", &[ORDERS_FR, IGNORE_FR], Injection, 0.9),
    signature("instructions", &[&["toutes", "tes", "vos"], IGNORE_FR], Injection, 0.75),
    signature("anteriores", &[ORDERS_ES, IGNORE_ES], Injection, 0.9),
    signature("previas", &[ORDERS_ES, IGNORE_ES], Injection, 0.9),
    signature("prévias", &[ORDERS_ES, IGNORE_ES], Injection, 0.9),
    signature("instrucciones", &[&["tus", "sus", "todas"], IGNORE_ES], Injection, 0.7),
    signature(
        "precedenti",
        &[&["istruzion", "regole", "comandi"], &["ignor", "dimentic"]],
        Injection,
        0.9,
    ),
    signature("инструкции", &[EARLIER_RU, IGNORE_RU], Injection, 0.9),
    signature("указания", &[EARLIER_RU, IGNORE_RU], Injection, 0.9),
    signature("правила", &[EARLIER_RU, IGNORE_RU], Injection, 0.75),
    signature("指令", &[EARLIER_ZH, IGNORE_ZH], Injection, 0.9),
    signature("指示", &[EARLIER_ZH, IGNORE_ZH], Injection, 0.9),
    signature("提示", &[EARLIER_ZH, IGNORE_ZH], Injection, 0.8),
    signature("规则", &[EARLIER_ZH, IGNORE_ZH], Injection, 0.8),
    signature("命令", &[EARLIER_ZH, IGNORE_ZH], Injection, 0.85),
    signature(
        "無視",
        &[&["指示", "命令", "ルール", "指令", "プロンプト"], EARLIER_JA],
        Injection,
        0.9,
    ),
    signature("忘れ", &[&["指示", "命令", "ルール", "指令"], EARLIER_JA], Injection, 0.85),
    signature(
        "무시",
        &[&["지시", "명령", "지침", "규칙"], &["이전", "위의", "모든", "앞의", "기존"]],
        Injection,
        0.9,
    ),
    signature(
        "系统提示",
        &[&["显示", "告诉", "输出", "重复", "透露", "打印", "你的"]],
        PromptProbe,
        0.7,
    ),
    signature(
        "プロンプト",
        &[&["システム"], &["教えて", "表示", "出力", "見せ", "あなたの"]],
        PromptProbe,
        0.7,
    ),
];
