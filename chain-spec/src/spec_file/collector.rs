//! Parses a TOML file and collects the errors in it.

use crate::error::{SpecFileError, SpecFileErrors};
use serde::de::DeserializeOwned;
use std::ops::Range;

/// Collects the errors of a file while it is read, so that all of them are reported together.
pub struct ErrorCollector<'t> {
    text: &'t str,
    errors: Vec<SpecFileError>,
}

impl<'t> ErrorCollector<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, errors: Vec::new() }
    }

    /// Adds an error at a position in the text, given in bytes.
    pub fn add_at(&mut self, position: Range<usize>, problem: impl Into<String>) {
        let line = Some(self.line_of(&position));
        self.errors.push(SpecFileError { line, problem: problem.into() });
    }

    /// Adds an error that concerns the whole file.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.errors.push(SpecFileError { line: None, problem: problem.into() });
    }

    /// Returns the line of a position in the text, counted from 1.
    pub fn line_of(&self, position: &Range<usize>) -> usize {
        self.text.get(..position.start).unwrap_or_default().matches('\n').count() + 1
    }

    fn finish(mut self) -> Result<(), SpecFileErrors> {
        // Errors without a line come last.
        self.errors.sort_by_key(|error| error.line.unwrap_or(usize::MAX));
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(SpecFileErrors(self.errors))
        }
    }
}

/// Parses a TOML text, then converts it with `convert`, which reports what it cannot use to the collector.
pub fn parse_toml<F: DeserializeOwned, T>(
    text: &str,
    convert: impl FnOnce(F, &mut ErrorCollector<'_>) -> T,
) -> Result<T, SpecFileErrors> {
    let mut errors = ErrorCollector::new(text);
    let file = toml::from_str::<F>(text).map_err(|error| SpecFileError {
        line: error.span().map(|position| errors.line_of(&position)),
        problem: error.message().to_owned(),
    });
    let file = file.map_err(|error| SpecFileErrors(vec![error]))?;
    let converted = convert(file, &mut errors);
    errors.finish().map(|()| converted)
}
