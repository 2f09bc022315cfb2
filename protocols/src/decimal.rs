//! Numbers, as text.

/// Appends a number in decimal, without what `write!` costs: there are several in each head and each message.
#[inline]
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(digits(number, &mut [0; 20]));
}

/// The digits of a number, which are written to the end of `digits`.
#[inline(always)]
pub(crate) fn digits(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    while number >= 10 {
        at -= 2;
        let pair = 2 * (number % 100) as usize;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        number /= 100;
    }
    if number > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
    }
    &digits[at..]
}

/// A number in decimal at the front of a text, and what is behind it; `None` if there is none, or it is beyond a `u64`.
#[cfg(feature = "cluster")]
pub(crate) fn read_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut number, mut digits) = (0_u64, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
        digits += 1;
    }
    if digits > 0 { Some((number, text.get(digits..)?)) } else { None }
}

/// `00` to `99`: one division gives two digits.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut pair = 0;
    while pair < 100 {
        pairs[2 * pair] = b'0' + (pair / 10) as u8;
        pairs[2 * pair + 1] = b'0' + (pair % 10) as u8;
        pair += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 1, 7, 9, 10, 12_345, 1_234_567, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
            #[cfg(feature = "cluster")]
            assert_eq!(read_number(&[&out[..], b",1"].concat()), Some((number, &b",1"[..])));
        }
        #[cfg(feature = "cluster")]
        for text in ["", "a", "-1", "18446744073709551616"] {
            assert_eq!(read_number(text.as_bytes()), None, "{text}");
        }
    }
}
