//! HTML that is put together from elements. Foreign text enters it only escaped.

use std::fmt::{Display, Write as _};
use streembit_primitives::shown::is_hidden;

/// A piece of HTML. A text becomes HTML only by being escaped, so nobody's text can change the page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Html(String);

impl Html {
    /// Returns an empty piece.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a text of this program or of others, escaped.
    pub fn text(text: impl Display) -> Self {
        Self(escape(&text.to_string()))
    }

    /// Returns a text that somebody else wrote, escaped, and kept from changing the direction of the text around it.
    pub fn foreign(text: impl Display) -> Self {
        Element::new("bdi").text(text).into()
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: impl Into<Self>) {
        self.0.push_str(&piece.into().0);
    }

    /// Returns true if it has nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the HTML as text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl<T: Into<Self>> FromIterator<T> for Html {
    fn from_iter<I: IntoIterator<Item = T>>(pieces: I) -> Self {
        let mut all = Self::new();
        pieces.into_iter().for_each(|piece| all.push(piece));
        all
    }
}

/// An element of HTML or SVG. Its name and the names of its attributes are part of the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Element {
    name: &'static str,
    attributes: String,
    content: Html,
}

impl Element {
    /// Returns an element without attributes and content.
    pub fn new(name: &'static str) -> Self {
        Self { name, attributes: String::new(), content: Html::new() }
    }

    /// Adds an attribute.
    pub fn attribute(mut self, name: &'static str, value: impl Display) -> Self {
        // Writing into a `String` never fails.
        let _ = write!(self.attributes, " {name}=\"{}\"", escape(&value.to_string()));
        self
    }

    /// Adds the attribute `class`.
    pub fn class(self, class: &'static str) -> Self {
        self.attribute("class", class)
    }

    /// Adds a piece of content.
    pub fn with(mut self, piece: impl Into<Html>) -> Self {
        self.content.push(piece);
        self
    }

    /// Adds a text, escaped.
    pub fn text(self, text: impl Display) -> Self {
        self.with(Html::text(text))
    }

    /// Adds the style sheet that is part of the program. It is the only content that is not escaped.
    pub(super) fn style(mut self, sheet: &'static str) -> Self {
        self.content.0.push_str(sheet);
        self
    }
}

/// The elements that have no end tag.
const VOID: [&str; 2] = ["meta", "br"];

impl From<Element> for Html {
    fn from(element: Element) -> Self {
        let Element { name, attributes, content: Self(content) } = element;
        if VOID.contains(&name) {
            return Self(format!("<{name}{attributes}>"));
        }
        Self(format!("<{name}{attributes}>{content}</{name}>"))
    }
}

/// Returns a paragraph.
pub fn paragraph(content: impl Into<Html>) -> Html {
    Element::new("p").with(content).into()
}

/// Returns a table with its header. Each row has one cell for each column. Returns nothing if there is no row.
pub fn table<const N: usize>(
    caption: &str,
    header: [&str; N],
    rows: impl IntoIterator<Item = [Html; N]>,
) -> Html {
    let row = |cells: [Html; N]| {
        let cells = cells.into_iter().zip(header);
        cells.fold(Element::new("tr"), |row, (cell, label)| {
            // A narrow screen shows the label beside each cell.
            row.with(Element::new("td").attribute("data-label", label).with(cell))
        })
    };
    let rows: Html = rows.into_iter().map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    let header = header.iter().fold(Element::new("tr"), |row, label| {
        row.with(Element::new("th").attribute("scope", "col").text(label))
    });
    Element::new("table")
        .with(Element::new("caption").text(caption))
        .with(Element::new("thead").with(header))
        .with(Element::new("tbody").with(rows))
        .into()
}

/// Escapes what HTML gives a meaning, and shows characters that are invisible or turn the text around.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            hidden if is_hidden(hidden) => escaped.extend(hidden.escape_unicode()),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn html(piece: impl Into<Html>) -> String {
        piece.into().into_string()
    }

    #[test]
    fn text_and_attributes_are_escaped() {
        let hostile = "\"><script>alert('x')</script>&amp;";
        let element = Element::new("p").attribute("title", hostile).text(hostile);
        assert_eq!(
            html(element),
            "<p title=\"&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;\">\
             &quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;</p>"
        );
    }

    #[test]
    fn invisible_characters_are_shown() {
        assert_eq!(html(Html::text("a\u{202e}b\u{0}c\u{200b}")), "a\\u{202e}b\\u{0}c\\u{200b}");
        assert_eq!(html(Html::foreign("שלום é\n")), "<bdi>שלום é </bdi>");
    }

    #[test]
    fn a_table_without_rows_is_empty_and_each_cell_has_its_label() {
        assert!(table("none", ["a"], Vec::<[Html; 1]>::new()).is_empty());
        let text = html(table("some", ["day", "km"], [["<1>".into(), "2".into()]]));
        assert!(
            text.contains("<caption>some</caption>") && text.contains("<th scope=\"col\">km</th>"),
            "{text}"
        );
        assert!(text.contains("<td data-label=\"day\">&lt;1&gt;</td>"), "{text}");
    }

    #[test]
    fn elements_without_content_have_no_end_tag() {
        assert_eq!(html(Element::new("meta").attribute("charset", "utf-8")), "<meta charset=\"utf-8\">");
    }

    proptest! {
        #[test]
        fn no_text_makes_markup(text in any::<String>()) {
            let escaped = html(Html::text(&text));
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']), "{}", escaped);
            prop_assert!(!escaped.chars().any(is_hidden), "{}", escaped);
        }
    }
}
