//! Text of others on a terminal.
//!
//! Whoever writes a text could otherwise forge what a program says about it: line breaks begin lines of their own, control
//! characters move the cursor, and bidirectional and zero-width characters show a text other than the one that is meant.

use alloc::string::String;
use core::fmt;

/// Returns true if a character acts on a terminal, changes the direction of the text, or cannot be seen. The joiners U+200C
/// and U+200D are not hidden: they belong to the spelling of some languages.
pub const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Returns the first hidden character of a text.
pub fn hidden_character(text: &str) -> Option<char> {
    text.chars().find(|character| is_hidden(*character))
}

/// Shows a text of somebody else in one line, with its hidden characters escaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown<T>(pub T);

impl<T: AsRef<str>> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref();
        if hidden_character(text).is_none() {
            return f.pad(text);
        }
        let escaped = text.chars().fold(String::with_capacity(text.len() + 16), |mut escaped, character| {
            if is_hidden(character) {
                escaped.extend(character.escape_unicode());
            } else {
                escaped.push(character);
            }
            escaped
        });
        f.pad(&escaped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _};

    #[test]
    fn a_text_cannot_begin_a_line_or_act_on_the_terminal() {
        let forged = ")\nsigned   3 by the device\rcomplete\x1b[8m\u{9b}2J";
        let shown = Shown(forged).to_string();
        assert_eq!(shown, ")\\u{a}signed   3 by the device\\u{d}complete\\u{1b}[8m\\u{9b}2J");
        assert_eq!(hidden_character(&shown), None);
        for hidden in
            ['\u{202e}', '\u{2066}', '\u{200b}', '\u{200f}', '\u{feff}', '\u{e0041}', '\u{7f}', '\t']
        {
            let text = format!("a{hidden}b");
            assert_eq!(hidden_character(&text), Some(hidden));
            assert_eq!(Shown(&text).to_string(), format!("a{}b", hidden.escape_unicode()));
        }
    }

    #[test]
    fn other_text_is_shown_as_it_is() {
        for text in ["", "21.5 °C", "Ölwechsel – erledigt", "機関 \u{1f697}", "می\u{200c}خواهم", "\\u{a}"]
        {
            assert_eq!(Shown(text).to_string(), text);
            assert_eq!(hidden_character(text), None);
        }
        assert_eq!(format!("{:>4}|{:<3}|", Shown("ab"), Shown("\u{7}")), "  ab|\\u{7}|");
    }
}
