//! What the program carries for browsers is its own: nothing of a public body's brand.

use tests::program;

/// GOV.UK's font, crown, crest and blue, and fonts in files (WOFF and WOFF2 with TrueType outlines).
const NEVER: [&[u8]; 8] = [
    b"GDS Transport",
    b"gds-transport",
    b"logotype-crown",
    b"govuk-crest",
    b"lesser-arms",
    b"#1d70b8",
    b"wOFF\x00\x01\x00\x00",
    b"wOF2\x00\x01\x00\x00",
];

#[test]
fn no_font_crown_or_colour_of_a_public_body_is_in_the_program() {
    let bytes = std::fs::read(program("patchkeep")).unwrap();
    let holds = |words: &[u8]| bytes.windows(words.len()).any(|part| part == words);
    // What is carried is there as it is served, so that it can be looked for.
    assert!(holds(b".console-header__home{") && holds(b".govuk-button{"));
    for words in NEVER {
        assert!(!holds(words), "the program holds {}", String::from_utf8_lossy(words));
    }
}
