//! What is wrong with a file, and where.

use serde::de::DeserializeOwned;
use std::{fmt, ops::Range};

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The line, from 1; `None` where it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// Everything that is wrong, in the order of the lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Mistake { line, problem }) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            match line {
                Some(line) => write!(f, "  line {line}: {problem}")?,
                None => write!(f, "  {problem}")?,
            }
        }
        Ok(())
    }
}

/// Collects mistakes while a text is read.
pub(super) struct Notes<'t> {
    text: &'t str,
    found: Vec<Mistake>,
}

impl<'t> Notes<'t> {
    /// None yet.
    fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Something wrong at a place of the text, in bytes.
    pub fn at(&mut self, place: Range<usize>, problem: impl Into<String>) {
        let before = self.text.get(..place.start).unwrap_or_default();
        let line = Some(before.matches('\n').count() + 1);
        self.found.push(Mistake { line, problem: problem.into() });
    }

    /// Something wrong with the whole.
    pub fn overall(&mut self, problem: impl Into<String>) {
        self.found.push(Mistake { line: None, problem: problem.into() });
    }

    /// The line of a place.
    pub fn line(&self, place: &Range<usize>) -> usize {
        self.text.get(..place.start).unwrap_or_default().matches('\n').count() + 1
    }

    /// Everything noted, sorted by line; `None` where nothing is.
    fn end(mut self) -> Option<Mistakes> {
        self.found.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
        (!self.found.is_empty()).then_some(Mistakes(self.found))
    }
}

/// What a text in TOML says, or everything that is wrong with it. `read` takes what it can and notes the rest.
pub(super) fn read_toml<F: DeserializeOwned, T>(
    text: &str,
    read: impl FnOnce(F, &mut Notes<'_>) -> T,
) -> Result<T, Mistakes> {
    let mut notes = Notes::new(text);
    let said = match toml::from_str::<F>(text) {
        Ok(file) => Some(read(file, &mut notes)),
        Err(error) => {
            match error.span() {
                Some(place) => notes.at(place, error.message()),
                None => notes.overall(error.message()),
            }
            None
        }
    };
    match (notes.end(), said) {
        (None, Some(said)) => Ok(said),
        (mistakes, _) => Err(mistakes.unwrap_or(Mistakes(Vec::new()))),
    }
}
