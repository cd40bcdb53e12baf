//! How files begin.

/// Fewest bytes of sound without a head: shorter than one frame of 128 kbit/s.
const LEAST_FRAMES: usize = 384;

/// Whether `bytes` begin like a file of a kind that models and tools send. Kinds with a short mark have to
/// show more of their structure, so that chance and tricks do not make text into a file.
pub(super) fn is_known(bytes: &[u8]) -> bool {
    is_picture(bytes) || is_sound_or_video(bytes) || is_document(bytes)
}

fn at(bytes: &[u8], offset: usize, mark: &[u8]) -> bool {
    bytes.get(offset..).is_some_and(|rest| rest.starts_with(mark))
}

/// PNG (ISO 15948), JPEG (T.81), GIF, WebP, BMP, TIFF 6.0, ICO, JPEG XL, JPEG 2000.
fn is_picture(bytes: &[u8]) -> bool {
    let jpeg = at(bytes, 0, b"\xFF\xD8\xFF")
        && bytes.get(3).is_some_and(|marker| (0xC0..=0xFE).contains(marker));
    // The header's length, and two reserved fields that are 0.
    let bmp = at(bytes, 0, b"BM")
        && at(bytes, 6, &[0; 4])
        && bytes.get(14).is_some_and(|len| [12, 40, 52, 56, 64, 108, 124].contains(len))
        && at(bytes, 15, &[0; 3]);
    at(bytes, 0, b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR")
        || jpeg
        || at(bytes, 0, b"GIF87a")
        || at(bytes, 0, b"GIF89a")
        || at(bytes, 0, b"RIFF") && at(bytes, 8, b"WEBP")
        || bmp
        || at(bytes, 0, b"II*\0")
        || at(bytes, 0, b"MM\0*")
        || at(bytes, 0, &[0, 0, 1, 0, 1, 0])
        || at(bytes, 0, b"\0\0\0\x0CJXL \r\n\x87\n")
        || at(bytes, 0, b"\0\0\0\x0CjP  \r\n\x87\n")
}

/// MP3 with ID3 or frames, WAV, AVI, OGG, FLAC, MP4 with HEIC and AVIF (ISO 14496-12), WebM, AAC.
fn is_sound_or_video(bytes: &[u8]) -> bool {
    let id3 = at(bytes, 0, b"ID3") && bytes.get(3).is_some_and(|version| (2..=4).contains(version));
    // MPEG audio frames of layer III, and ADTS. Their mark is that of a path (`//user/…`), so that there
    // have to be more of them than a path is long.
    let frame = match bytes {
        [0xFF, 0xFB | 0xFA | 0xF3 | 0xF2 | 0xF1 | 0xF9, third, ..]
            if bytes.len() >= LEAST_FRAMES =>
        {
            third & 0xF0 != 0xF0 && third & 0x0C != 0x0C
        }
        _ => false,
    };
    id3 || frame
        || at(bytes, 0, b"RIFF") && (at(bytes, 8, b"WAVE") || at(bytes, 8, b"AVI "))
        || at(bytes, 0, b"OggS\0")
        || at(bytes, 0, b"fLaC\0")
        || at(bytes, 0, &[0, 0, 0]) && at(bytes, 4, b"ftyp")
        || at(bytes, 0, b"\x1A\x45\xDF\xA3")
}

/// PDF, ZIP with office documents, gzip, 7z, old office documents, fonts.
fn is_document(bytes: &[u8]) -> bool {
    at(bytes, 0, b"%PDF-1.")
        || at(bytes, 0, b"%PDF-2.")
        || at(bytes, 0, b"PK\x03\x04")
        || at(bytes, 0, b"\x1F\x8B\x08")
        || at(bytes, 0, b"7z\xBC\xAF\x27\x1C")
        || at(bytes, 0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")
        || at(bytes, 0, b"wOF2")
        || at(bytes, 0, b"wOFF")
}
