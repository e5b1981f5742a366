//! Text from certificates made safe to show: nothing found in a file may move a terminal's cursor,
//! forge a line of output or turn the reading direction.

use std::fmt::Write as _;

/// `value` with `special` and unprintable characters escaped as in RFC 4514 §2.4.
pub(crate) fn escaped(value: &str, special: &str) -> String {
    let mut shown = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        let space_at_edge = character == ' ' && (index == 0 || index == last);
        if is_unprintable(character) {
            for octet in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\{octet:02X}");
            }
            continue;
        }
        if special.contains(character) || space_at_edge || (character == '#' && index == 0) {
            shown.push('\\');
        }
        shown.push(character);
    }
    shown
}

/// Control characters, separators of lines, and marks that are invisible or change direction.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}
