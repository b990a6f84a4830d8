//! The page: its head, the verdict, and a summary. `parts.rs` has the rest.

use super::{
    contracts::ContractRecords,
    history::VerifiedHistory,
    html::{paragraph, Element, Html},
    meter::MeterPoint,
    parts,
};
use crate::{
    address_book::{AddressBook, KnownId},
    contracts::show_number,
};
use base64ct::{Base64, Encoding as _};
use sp_crypto_hashing::sha2_256;
use streembit_clock as clock;
use streembit_primitives::{evidence::VerifiedEvidence, Decimal};

/// The name of the reading that counts a vehicle's kilometres (COVESA VSS).
pub const ODOMETER: &str = "Vehicle.TraveledDistance";

/// The style sheet. The page allows exactly this one, by its hash.
pub(super) const STYLE: &str = include_str!("style.css");

/// A report that can be rendered.
pub struct Page<'a> {
    /// The history.
    pub history: &'a VerifiedHistory,
    /// The records of contracts about the device, which are said and not proven.
    pub contracts: &'a [ContractRecords],
    /// The names of the person who makes the report.
    pub names: &'a AddressBook,
    /// The name of the evidence file.
    pub file: &'a str,
    /// When the report is made, in milliseconds since 1970-01-01 UTC.
    pub made: u64,
}

impl Page<'_> {
    /// Returns the page as HTML.
    pub fn render(&self) -> String {
        let body = Element::new("body")
            .with(Element::new("header").with(self.heading()).with(self.verdict()))
            .with(
                Element::new("main")
                    .with(self.summary())
                    .with(parts::meter(self))
                    .with(parts::owners(self))
                    .with(parts::services(self))
                    .with(parts::irregularities(self))
                    .with(parts::gaps(self))
                    .with(parts::keys(self))
                    .with(parts::messages(self))
                    .with(parts::proven(self))
                    .with(parts::said(self)),
            )
            .with(self.footer());
        let page = Element::new("html").attribute("lang", "en").with(self.head()).with(body);
        format!("<!DOCTYPE html>\n{}\n", Html::from(page).into_string())
    }

    /// What the file proves.
    pub(super) fn evidence(&self) -> &VerifiedEvidence {
        self.history.evidence()
    }

    /// Returns the name and the short form of an id.
    pub(super) fn name(&self, id: impl Into<KnownId>) -> Html {
        Html::foreign(self.names.short(id.into()))
    }

    /// Returns a value of the meter with its unit.
    pub(super) fn meter_value(&self, value: &Decimal) -> String {
        match self.history.meter.unit.as_ref().map(|unit| unit.as_str()) {
            None | Some("") => show_number(value),
            Some(unit) => format!("{} {unit}", show_number(value)),
        }
    }

    /// Returns a reading of the meter with its day, or a dash if there is none.
    pub(super) fn reading(&self, point: Option<&MeterPoint>) -> String {
        point.map_or_else(
            || "–".into(),
            |point| format!("{} on {}", self.meter_value(&point.value), clock::show_day(point.time)),
        )
    }

    fn head(&self) -> Html {
        let meta = |name: &'static str, content: &str| {
            Element::new("meta").attribute("name", name).attribute("content", content)
        };
        let hash = Base64::encode_string(&sha2_256(STYLE.as_bytes()));
        let policy =
            format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
        Element::new("head")
            .with(Element::new("meta").attribute("charset", "utf-8"))
            .with(
                Element::new("meta")
                    .attribute("http-equiv", "Content-Security-Policy")
                    .attribute("content", policy),
            )
            .with(meta("viewport", "width=device-width, initial-scale=1"))
            .with(meta("color-scheme", "light dark"))
            .with(meta("referrer", "no-referrer"))
            .with(meta("robots", "noindex"))
            .with(
                Element::new("title")
                    .text("Device history: ")
                    .text(self.names.short(self.evidence().device.into())),
            )
            .with(Element::new("style").style(STYLE))
            .into()
    }

    fn heading(&self) -> Html {
        let VerifiedEvidence { device, first, last_event, .. } = self.evidence();
        let period = format!("{} to {}", clock::show_day(first.time), clock::show_day(last_event.time));
        let mut heading = Html::new();
        heading.push(Element::new("h1").text("History of ").with(self.name(*device)));
        heading.push(paragraph(Html::text(format_args!(
            "From {period}, as recorded by the device or its gateway."
        ))));
        heading
    }

    /// The verdict, in the words of a buyer.
    fn verdict(&self) -> Html {
        let evidence = self.evidence();
        let events = match evidence.events {
            1 => "1 event".to_owned(),
            count => format!("{} events", thousands(count)),
        };
        let proven = Element::new("p")
            .class("good")
            .with(Element::new("strong").text("Verified. "))
            .text(format_args!("The file proves {events} of this device. "))
            .text(
                "They are in logs that the chain has anchored: if anybody had changed, inserted or removed one of them \
                 since then, this check would have failed.",
            );
        let mut verdict =
            Element::new("section").class("verdict").attribute("aria-label", "Verdict").with(proven);
        for (is_good, text) in completeness(evidence) {
            let class = if is_good { "good" } else { "warning" };
            verdict = verdict.with(Element::new("p").class(class).text(text));
        }
        verdict.into()
    }

    fn summary(&self) -> Html {
        let evidence = self.evidence();
        let kilometres = self.history.meter.ends().map_or_else(
            || "no reading is shown".to_owned(),
            |(first, last)| {
                format!("{} to {}", self.meter_value(&first.value), self.meter_value(&last.value))
            },
        );
        let services = match (self.contracts, parts::service_count(self)) {
            ([], _) => "not part of this file".to_owned(),
            (_, count) => format!("{count} in the contracts given"),
        };
        let facts =
            [
                ("Owners so far", evidence.record.owners().count().to_string()),
                (if self.history.meter.is_distance() { "Odometer" } else { "Meter" }, kilometres),
                ("Services", services),
                ("Irregularities", none_or(self.history.irregularities())),
                ("Long silences", none_or(self.history.silences.total())),
                (
                    "Events declared lost",
                    none_or(
                        evidence.record.lost().iter().fold(0u64, |sum, range| {
                            sum.saturating_add(range.until.saturating_sub(range.from))
                        }),
                    ),
                ),
                ("Changes of the key", none_or(evidence.record.keys().count().saturating_sub(1).into())),
                ("State", parts::state_text(evidence.record.state()).to_owned()),
            ];
        let list = facts.into_iter().fold(Element::new("dl"), |list, (label, value)| {
            let fact =
                Element::new("div").with(Element::new("dt").text(label)).with(Element::new("dd").text(value));
            list.with(fact)
        });
        Element::new("section")
            .class("summary")
            .with(Element::new("h2").text("At a glance"))
            .with(list)
            .into()
    }

    fn footer(&self) -> Html {
        let evidence = self.evidence();
        let made = format!(
            "Made on {} from the file {}, with the Streembit program version {}.",
            clock::show(self.made),
            self.file,
            env!("CARGO_PKG_VERSION")
        );
        Element::new("footer")
            .with(Element::new("p").with(Element::new("strong").text("This page proves nothing by itself: ")).text(
                "anybody can write a page that looks like this one. The proof is the file. Check it yourself, with a trust \
                 root from somebody who does not gain from the sale:",
            ))
            .with(Element::new("pre").with(
                Element::new("code").text("streembit audit verify FILE --trust-root TRUST-ROOT"),
            ))
            .with(paragraph(Html::foreign(made)))
            .with(Element::new("p").class("id").text("Device ").text(evidence.device))
            .with(Element::new("p").class("id").text("Chain ").text(evidence.genesis))
            .with(
                Element::new("p")
                    .class("id")
                    .text(format_args!("Block {} ", evidence.last.block.number))
                    .text(evidence.last.block.hash),
            )
            .into()
    }
}

/// Returns what is known to be complete, each with whether it is good news.
fn completeness(evidence: &VerifiedEvidence) -> Vec<(bool, String)> {
    let between = match evidence.lost {
        0 => (true, "No event is missing between the first and the last one in this file.".to_owned()),
        lost => (
            false,
            format!(
                "{} events between the first and the last one are missing: the owner declared them lost.",
                thousands(lost)
            ),
        ),
    };
    let start = match evidence.from_first {
        true => (true, "The file begins with the device's first event.".to_owned()),
        false => (
            false,
            format!(
                "{} earlier events are not in this file. Ask the seller for the whole history.",
                thousands(evidence.first.sequence)
            ),
        ),
    };
    let block = evidence.last.block.number;
    let until = evidence
        .last
        .time
        .map_or_else(|| format!("block {block}"), |time| format!("{} (block {block})", clock::show(time)));
    let end = match (evidence.to_last, evidence.head.checked_sub(evidence.last_event.sequence)) {
        (true, _) => (true, format!("The file ends with the last event that was anchored until {until}.")),
        (false, Some(more)) if more > 0 => {
            let more = thousands(more);
            (
                false,
                format!("{more} later events are not in this file. Ask the seller for the whole history."),
            )
        }
        (false, _) => {
            (false, "Later events may be in another log. Ask the seller for the whole history.".to_owned())
        }
    };
    vec![between, start, end]
}

/// Returns a number, or `none` for zero.
fn none_or(count: u64) -> String {
    if count == 0 {
        "none".into()
    } else {
        thousands(count)
    }
}

/// Returns a number with its digits in groups of three.
pub(super) fn thousands(number: u64) -> String {
    let number = i64::try_from(number).ok().and_then(|number| Decimal::new(number, 0).ok());
    number.map_or_else(|| "very many".into(), |number| show_number(&number))
}
