#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Base64 of `bytes`.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Beginnings of files, each with bytes after it that are no text.
fn files() -> Vec<Vec<u8>> {
    let heads: [&[u8]; 22] = [
        b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x01",
        b"\xFF\xD8\xFF\xE0\0\x10JFIF\0",
        b"\xFF\xD8\xFF\xDB\0\x43\0",
        b"GIF89a\x01\0\x01\0",
        b"RIFF\x24\0\0\0WEBPVP8 ",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\0\0\x20ftypheic",
        b"\0\0\0\x1Cftypavif",
        b"\0\0\0\x18ftypmp42",
        b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
        b"II*\0\x08\0\0\0",
        b"MM\0*\0\0\0\x08",
        b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n",
        b"ID3\x04\0\0\0\0\0\x23",
        b"\xFF\xFB\x90\x64\0",
        b"\xFF\xF1\x50\x80\0",
        b"OggS\0\x02\0",
        b"fLaC\0\0\0\x22",
        b"\x1A\x45\xDF\xA3\x9F",
        b"PK\x03\x04\x14\0",
        b"\x1F\x8B\x08\0\0",
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
    ];
    heads
        .iter()
        .map(|head| [head, &[0x81, 0x02, 0xFE, 0x00, 0x91, 0x7F][..]].concat())
        .map(|head| head.repeat(50))
        .collect()
}

#[test]
fn files_are_known_by_how_they_begin() {
    for file in files() {
        let text = base64(&file);
        for text in [
            text.clone(),
            text.trim_end_matches('=').to_owned(),
            text.replace('+', "-").replace('/', "_"),
            format!("data:image/png;base64,{text}"),
            format!("DATA:;charset=x;BASE64,{text}"),
            format!(" {}\r\n{}\n", &text[..40], &text[40..]),
        ] {
            assert!(is_media(&text), "{text} of {file:?}");
        }
    }
}

#[test]
fn what_merely_begins_like_a_file_is_text() {
    let png = base64(&files()[0]);
    for text in [
        format!("{png} 4111 1111 1111 1111"),
        format!("{png}ann@example.com"),
        format!("{png}==4111111111111111"),
        format!("data:image/png;base64,{png} ann@example.com"),
        format!("data:image/png,{png} and more"),
        format!(
            "data:image/png;base64,{}",
            base64(b"my card is 4111 1111 1111 1111, and it is mine")
        ),
        format!(
            "data:text/plain;base64,{}",
            base64(b"my card is 4111 1111 1111 1111, and it is mine")
        ),
        base64(b"%PDF-1.7 my card is 4111 1111 1111 1111, and it is mine"),
        base64(b"GIF89a my card is 4111 1111 1111 1111, and it is mine alone"),
        base64(b"BM my card is 4111 1111 1111 1111, and it is mine alone"),
        base64(b"\x89PNG my card is 4111 1111 1111 1111, and it is mine alone"),
        "iVBORw0KGgo".to_owned(),
        "//users/share/documents/of/the/night/train/from/Vienna/to/the/sea".to_owned(),
        "The night train leaves Vienna in the evening, and nobody is on it.".to_owned(),
        "4111111111111111".repeat(5),
        "data:image/png;base64,4111111111111111".to_owned(),
        String::new(),
    ] {
        assert!(!is_media(&text), "{text}");
    }
}

#[test]
fn a_place_within_a_picture_in_a_text_is_known() {
    let png = base64(&files()[0]);
    for (before, after, within) in [
        ("see ", " there", true),
        ("![x](data:image/png;base64,", ") there", true),
        ("\"", "\"", true),
        ("see 4111", " there", false),
    ] {
        let text = format!("{before}{png}{after}");
        let place = before.len() + 44;
        assert_eq!(is_within_media(&text, place, place + 8), within, "{text}");
        assert!(!is_within_media(&text, 0, 2), "{text}");
        assert!(!is_within_media(&text, place, text.len()), "{text}");
    }
    assert!(!is_within_media("", 0, 0) && !is_within_media("abc", 7, 9));
}
