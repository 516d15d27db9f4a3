//! The plain half of the cleartext signature framework (RFC 9580, section 7): which text a
//! document shows. It lets the parent hold the child to its word without parsing OpenPGP.

/// The text of an inline-signed document: dash-escapes undone, trailing blanks of each line cut as
/// the signature's hash does, lines joined by `\n`, no line break at the end.
///
/// `None` unless the document is exactly one signed message, from its first line to its last: a
/// stricter rule than the standard's, so that nothing can hide before, between or after.
#[must_use]
pub fn cleartext(document: &[u8]) -> Option<Vec<u8>> {
    let document = document.strip_suffix(b"\n").unwrap_or(document);
    if document.contains(&b'\r') || document.contains(&0) {
        return None;
    }
    let mut lines = document.split(|b| *b == b'\n');
    if lines.next()? != b"-----BEGIN PGP SIGNED MESSAGE-----" {
        return None;
    }
    while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
        line.strip_prefix(b"Hash: ")?;
    }
    let mut text = Vec::with_capacity(document.len());
    let mut first = true;
    loop {
        let line = lines.next()?;
        if line == b"-----BEGIN PGP SIGNATURE-----" {
            break;
        }
        let line = match line {
            [b'-', b' ', rest @ ..] => rest,
            [b'-', ..] => return None,
            line => line,
        };
        if !first {
            text.push(b'\n');
        }
        first = false;
        text.extend_from_slice(line.trim_ascii_end());
    }
    let rest: Vec<&[u8]> = lines.collect();
    let (last, body) = rest.split_last()?;
    let armour = body.iter().all(|line| !line.starts_with(b"-"));
    (armour && *last == b"-----END PGP SIGNATURE-----").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::cleartext;

    const GOOD: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: x  \n- -dash\n\
        \n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn shows_what_is_signed() {
        assert_eq!(cleartext(GOOD.as_bytes()).as_deref(), Some(&b"Origin: x\n-dash\n"[..]));
    }

    #[test]
    fn nothing_hides_around_a_message() {
        let bad = [
            format!("x\n{GOOD}"),
            format!("{GOOD}x\n"),
            format!("{GOOD}\n"),
            format!("{GOOD}{GOOD}"),
            GOOD.replace("Hash: SHA256", "NotDashEscaped: yes"),
            GOOD.replace("- -dash", "-dash"),
            GOOD.replace('\n', "\r\n"),
            GOOD.replace("-----END PGP SIGNATURE-----", ""),
            String::new(),
        ];
        for document in bad {
            assert_eq!(cleartext(document.as_bytes()), None, "{document:?}");
        }
    }
}
