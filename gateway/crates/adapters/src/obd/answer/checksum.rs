//! The checksums of the older buses.

/// How the last byte of a frame follows from the bytes before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Checksum {
    /// The sum of the bytes, modulo 256 (ISO 9141-2, ISO 14230-2).
    Sum,
    /// The cyclic redundancy check of SAE J1850: polynomial 1D, initial value FF, inverted.
    Crc8,
}

impl Checksum {
    /// Returns the checksum of `bytes`.
    pub fn of(self, bytes: &[u8]) -> u8 {
        match self {
            Self::Sum => bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)),
            Self::Crc8 => !bytes.iter().fold(0xff, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| shift(crc))),
        }
    }
}

/// Shifts one bit out of the remainder.
fn shift(crc: u8) -> u8 {
    if crc & 0x80 == 0 {
        crc << 1
    } else {
        (crc << 1) ^ 0x1d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_frames_have_their_checksum() {
        // The first frame is the example of the ELM327's data sheet, the others come from captured dialogues.
        for (checksum, frame) in [
            (Checksum::Crc8, "486B104100BE3EB811FA"),
            (Checksum::Sum, "87F118430000000000 00D3"),
            (Checksum::Sum, "83F112410D00D4"),
            (Checksum::Sum, "83F11241053905"),
        ] {
            let frame = hex::decode(frame.replace(' ', "")).unwrap();
            let (last, bytes) = frame.split_last().unwrap();
            assert_eq!(checksum.of(bytes), *last);
        }
    }
}
