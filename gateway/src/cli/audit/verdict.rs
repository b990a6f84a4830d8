//! The text of the verdict on an evidence file.

use super::{
    evidence::{events_of, shares},
    ACTED,
};
use crate::cli::{
    output::{paint, Colour},
    record,
};
use streembit_clock as clock;
use streembit_primitives::evidence::{FinalizedBlock, VerifiedEvidence, VerifiedSegment};

/// Returns the text.
pub fn verdict_text(verdict: &VerifiedEvidence) -> String {
    let VerifiedEvidence { last, first, last_event, .. } = verdict;
    let set = format!("voter set {}, {} of {} voters", last.set, last.signers.len(), last.voters);
    let at = last.time.map_or(String::new(), |time| format!(", {}", clock::show(time)));
    let mut lines = vec![
        paint(
            Colour::Green,
            &format!("VERIFIED: {}", events_of(verdict.events, first.sequence, last_event.sequence)),
        ),
        String::new(),
        format!("device   {}, as of block {}", verdict.device, last.block.number),
    ];
    lines.extend(record::lines(&verdict.record));
    lines.extend([
        format!("signed   {}", signers(verdict)),
        format!(
            "time     {} to {}, by the signer's clock",
            clock::show(first.time),
            clock::show(last_event.time)
        ),
        format!("complete {}", completeness(verdict)),
        format!("bodies   {}", shares(&verdict.bodies)),
    ]);
    lines.extend(verdict.segments.iter().map(|segment| anchored(segment, last)));
    lines.extend([
        format!("final    block {}{at} ({set})", last.block.number),
        format!("chain    {}, {} of the voter set since genesis", verdict.genesis, changes(verdict.changes)),
    ]);
    lines.extend([String::new(), ACTED.to_owned()]);
    lines.extend(verdict.spans.iter().map(record::span_line));
    lines.join("\n")
}

/// Describes the anchor of a segment. If it is proven by another block than the newest one, the line says so.
fn anchored(segment: &VerifiedSegment, last: &FinalizedBlock) -> String {
    let VerifiedSegment { checkpoint, anchored, proven, first, last_event, .. } = segment;
    let (size, log) = (checkpoint.size, record::log_name(&checkpoint.log));
    let (first, end) = (first.sequence, last_event.sequence);
    let by = match proven == last {
        true => String::new(),
        false => format!(", as of final block {} (voter set {})", proven.block.number, proven.set),
    };
    format!("anchored {size} entries in block {anchored}, with events {first} to {end}{by}: {log}")
}

fn completeness(verdict: &VerifiedEvidence) -> String {
    let VerifiedEvidence { first, last_event, head, .. } = verdict;
    let start = if verdict.from_first {
        "from its first event".to_owned()
    } else {
        format!("{} earlier events are not in this file", first.sequence)
    };
    let end = if verdict.to_last {
        "to the last anchored one".to_owned()
    } else if head > &last_event.sequence {
        format!("{} later events are not in this file", head.saturating_sub(last_event.sequence))
    } else {
        "later events are in another log".to_owned()
    };
    let between = match verdict.lost {
        0 => "no events missing in between".to_owned(),
        lost => format!("no events missing in between but {lost} that are declared lost"),
    };
    match verdict.is_complete() {
        true => format!("{start} {end}, {between}"),
        false => format!("{start}, {end}; {between}"),
    }
}

fn changes(count: u64) -> String {
    format!("{count} change{}", if count == 1 { "" } else { "s" })
}

fn signers(verdict: &VerifiedEvidence) -> String {
    match (verdict.device_signed, verdict.gateway_signed) {
        (_, 0) => "all by the device itself".into(),
        (0, _) => "all by the gateway, for a device that cannot sign".into(),
        (device, gateway) => format!("{device} by the device, {gateway} by the gateway"),
    }
}
