//! Templates: drafts with questions, whose answers replace `{{name}}`.
//!
//! A line whose placeholder has an empty answer is left out, so an optional question can leave out a field.

use super::{draft::line_of, notation::Span};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};
use streembit_clock::{PeriodEnd, PeriodStart};
use streembit_keystore::party::PartyName;
use streembit_primitives::{contract::Currency, Decimal, DeviceId};

/// The names and texts of the templates.
const TEMPLATES: &[(&str, &str)] = &[
    ("vehicle-service", include_str!("../../templates/vehicle-service.toml")),
    ("lease", include_str!("../../templates/lease.toml")),
    ("car-sharing", include_str!("../../templates/car-sharing.toml")),
    ("sale", include_str!("../../templates/sale.toml")),
    ("cold-chain", include_str!("../../templates/cold-chain.toml")),
    ("ev-charging", include_str!("../../templates/ev-charging.toml")),
    ("data-act", include_str!("../../templates/data-act.toml")),
];

/// An error in a template or in the answers to its questions.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// There is no such template.
    #[error("there is no template {0:?}: use one of {names}, or the path of a file that ends in .toml", names = template_names())]
    Unknown(String),
    /// The template's file could not be read.
    #[error("reading the template {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The template is invalid.
    #[error("the template {name}, line {line}: {problem}")]
    Invalid {
        /// The template.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The problem.
        problem: String,
    },
    /// The template has no such question.
    #[error("the template {template} does not ask for {name:?}; it asks for {known}")]
    NoQuestion {
        /// The template.
        template: String,
        /// The name.
        name: String,
        /// The names of the questions.
        known: String,
    },
    /// Answers are missing.
    #[error("answers are missing: {0}")]
    Missing(String),
    /// An answer is invalid.
    #[error("{name}: {answer:?} is not valid: {problem}")]
    Answer {
        /// The question.
        name: String,
        /// The answer.
        answer: String,
        /// The problem, and how to solve it.
        problem: String,
    },
}

/// A question of a template.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The name that the answer replaces.
    pub name: String,
    /// What the answer must be.
    pub kind: QuestionKind,
    /// The question.
    pub question: String,
    /// The answer if none is given.
    #[serde(default)]
    pub default: Option<String>,
    /// True if the answer may be empty.
    #[serde(default)]
    pub optional: bool,
}

/// What an answer must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuestionKind {
    /// A party: its id or one of its accounts.
    Party,
    /// The id of a device.
    Device,
    /// The start of a period.
    Start,
    /// The end of a period, which must be still to come.
    End,
    /// A number.
    Number,
    /// A length of time, such as `30 d`.
    Time,
    /// The code of a currency.
    Currency,
    /// A text.
    Text,
}

/// The answers to the questions of a template, by name.
pub type Answers = BTreeMap<String, String>;

/// A template.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    text: String,
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct RawTemplate {
    #[serde(default)]
    ask: Vec<Question>,
}

/// Returns the names of the templates, separated by commas.
pub fn template_names() -> String {
    let names: Vec<_> = TEMPLATES.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl Template {
    /// Finds a template by its name, or reads one from a file that ends in `.toml`.
    pub fn find(name: &str) -> Result<Self, TemplateError> {
        if let Some((name, text)) = TEMPLATES.iter().find(|(known, _)| *known == name) {
            return Self::parse(name, text);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            return Err(TemplateError::Unknown(name.to_owned()));
        }
        let text = fs::read_to_string(path)
            .map_err(|source| TemplateError::File { path: path.to_owned(), source })?;
        Self::parse(name, &text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, TemplateError> {
        let raw: RawTemplate = toml::from_str(text).map_err(|error| TemplateError::Invalid {
            name: name.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            problem: error.message().to_owned(),
        })?;
        Ok(Self { name: name.to_owned(), text: text.to_owned(), questions: raw.ask })
    }

    /// The name of the template.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The questions, in their order.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// Returns the questions that have no answer and no default.
    pub fn unanswered(&self, answers: &Answers) -> Vec<&Question> {
        let is_open = |question: &&Question| {
            !answers.contains_key(&question.name) && question.default.is_none() && !question.optional
        };
        self.questions.iter().filter(is_open).collect()
    }

    /// Replaces the placeholders by the answers. `now` is in milliseconds since 1970-01-01 UTC. Returns the text of a draft.
    pub fn fill(&self, answers: &Answers, now: u64) -> Result<String, TemplateError> {
        if let Some(name) = answers.keys().find(|name| self.question(name).is_none()) {
            return Err(TemplateError::NoQuestion {
                template: self.name.clone(),
                name: name.clone(),
                known: self.names(),
            });
        }
        let missing = self.unanswered(answers);
        if !missing.is_empty() {
            let lines = missing
                .iter()
                .map(|question| format!("\n  --set {}=…  {}", question.name, question.question));
            return Err(TemplateError::Missing(lines.collect()));
        }
        let mut values = BTreeMap::new();
        for question in &self.questions {
            let given = answers.get(&question.name).or(question.default.as_ref());
            let answer = given.map(|answer| answer.trim()).unwrap_or_default();
            question.validate(answer, now)?;
            values.insert(question.name.as_str(), answer);
        }
        Ok(self.text.lines().filter_map(|line| fill_line(line, &values)).fold(
            String::with_capacity(self.text.len()),
            |mut text, line| {
                text.push_str(&line);
                text.push('\n');
                text
            },
        ))
    }

    fn question(&self, name: &str) -> Option<&Question> {
        self.questions.iter().find(|question| question.name == name)
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.questions.iter().map(|question| question.name.as_str()).collect();
        names.join(", ")
    }
}

impl Question {
    /// Checks an answer.
    pub fn validate(&self, answer: &str, now: u64) -> Result<(), TemplateError> {
        if answer.is_empty() && self.optional {
            return Ok(());
        }
        let checked = match self.kind {
            QuestionKind::Party => parses::<PartyName>(answer),
            QuestionKind::Device => parses::<DeviceId>(answer),
            QuestionKind::Start => parses::<PeriodStart>(answer),
            QuestionKind::End => is_to_come(answer, now),
            QuestionKind::Number => parses::<Decimal>(answer),
            QuestionKind::Time => parses::<Span>(answer),
            QuestionKind::Currency => parses::<Currency>(answer),
            QuestionKind::Text if answer.is_empty() => Err("it is empty".into()),
            QuestionKind::Text => Ok(()),
        };
        checked.map_err(|problem| TemplateError::Answer {
            name: self.name.clone(),
            answer: answer.to_owned(),
            problem,
        })
    }
}

fn parses<T: FromStr<Err: Display>>(answer: &str) -> Result<(), String> {
    answer.parse::<T>().map(|_| ()).map_err(|error| error.to_string())
}

fn is_to_come(answer: &str, now: u64) -> Result<(), String> {
    match answer.parse::<PeriodEnd>() {
        Ok(end) if end.0 > now => Ok(()),
        Ok(end) => Err(format!("{end} is over; give a later time")),
        Err(error) => Err(error.to_string()),
    }
}

/// Replaces the placeholders of a line. Returns `None` if one of them has an empty value.
///
/// A single pass, so that a placeholder inside a value is not replaced.
fn fill_line(line: &str, values: &BTreeMap<&str, &str>) -> Option<String> {
    let mut filled = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        filled.push_str(before);
        match values.get(name) {
            Some(&"") => return None,
            Some(value) => filled.push_str(&escape(value)),
            // Not a placeholder of this template.
            None => filled.push_str(&format!("{{{{{name}}}}}")),
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// Escapes `text` for a quoted TOML string. Control characters become spaces.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '"' => escaped.extend(['\\', character]),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::{draft::Draft, testing::NOW, ContractFile};

    /// An answer that fits a question.
    fn answer(question: &Question, at: usize) -> String {
        match question.kind {
            // Different parties and devices for different questions.
            QuestionKind::Party | QuestionKind::Device => {
                format!("0x{}", format!("{:02x}", at + 1).repeat(32))
            }
            QuestionKind::Start => "2026-02-01".into(),
            QuestionKind::End => "2030-12-31".into(),
            QuestionKind::Number => "10".into(),
            QuestionKind::Time => "30 d".into(),
            QuestionKind::Currency => "EUR".into(),
            QuestionKind::Text => "My \"car\" \\ {{owner}}".into(),
        }
    }

    fn all_answers(template: &Template, with_optional: bool) -> Answers {
        let questions = template.questions.iter().enumerate();
        questions
            .filter(|(_, question)| with_optional || !question.optional)
            .filter(|(_, question)| question.default.is_none() || question.optional)
            .map(|(at, question)| (question.name.clone(), answer(question, at)))
            .collect()
    }

    fn finish(template: &Template, answers: &Answers) -> ContractFile {
        let filled = template.fill(answers, NOW).unwrap();
        let draft = Draft::parse(&filled, Path::new(template.name()))
            .unwrap_or_else(|error| panic!("{error}\n{filled}"));
        draft
            .finish(&draft.likely_parties().unwrap(), NOW, None)
            .unwrap_or_else(|error| panic!("{error}\n{filled}"))
    }

    #[test]
    fn every_template_gives_a_valid_contract_with_and_without_optional_answers() {
        for (name, _) in TEMPLATES {
            let template = Template::find(name).unwrap();
            assert!(!template.questions().is_empty(), "{name}");
            for with_optional in [false, true] {
                let answers = all_answers(&template, with_optional);
                let contract = finish(&template, &answers);
                let text = contract.text();
                assert!(!text.contains("(a text with the hash"), "{text}");
                // The only placeholder left is the one inside an answer.
                let left = text.replace("My \"car\" \\ {{owner}}", "");
                assert!(!left.contains("{{"), "{name}: {left}");
            }
        }
    }

    #[test]
    fn every_question_of_a_template_is_used() {
        for (name, text) in TEMPLATES {
            for question in Template::find(name).unwrap().questions() {
                let placeholder = format!("{{{{{}}}}}", question.name);
                assert!(text.contains(&placeholder), "{name} asks for {} and does not use it", question.name);
            }
        }
    }

    #[test]
    fn what_is_missing_is_asked_for_and_wrong_answers_are_refused() {
        let template = Template::find("vehicle-service").unwrap();
        let error = template.fill(&Answers::new(), NOW).unwrap_err().to_string();
        assert!(error.contains("--set owner=") && error.contains("--set device="), "{error}");
        let mut answers = all_answers(&template, true);
        answers.insert("until".into(), "2020-01-01".into());
        let error = template.fill(&answers, NOW).unwrap_err().to_string();
        assert!(error.contains("until") && error.contains("is over"), "{error}");
        answers.insert("colour".into(), "red".into());
        let error = template.fill(&answers, NOW).unwrap_err().to_string();
        assert!(error.contains("colour") && error.contains("owner"), "{error}");
        assert!(Template::find("loan").unwrap_err().to_string().contains("vehicle-service"));
    }

    #[test]
    fn a_line_with_an_empty_answer_is_left_out() {
        let values = BTreeMap::from([("a", ""), ("b", "x\"y")]);
        assert_eq!(fill_line("arbiter = \"{{a}}\"", &values), None);
        assert_eq!(fill_line("b = \"{{b}}\"", &values).as_deref(), Some("b = \"x\\\"y\""));
        assert_eq!(fill_line("{{c}} {{b", &values).as_deref(), Some("{{c}} {{b"));
    }
}
