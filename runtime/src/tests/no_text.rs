//! The chain holds no free text: no title, no name, no label. Texts have a fixed grammar or are hashed with a salt.

use crate::Runtime;
use codec::Decode;
use frame_metadata::{
    v14::{RuntimeMetadataV14, StorageEntryType},
    RuntimeMetadata, RuntimeMetadataPrefixed,
};
use scale_info::{form::PortableForm, TypeDef, TypeDefPrimitive};
use std::collections::BTreeSet;

/// The texts with a fixed grammar: names, units and sources of readings.
const GRAMMAR: [&str; 3] = ["Name", "Unit", "Source"];

/// What holds a text of the program and not of a user, and a motion, which is a whole call but only one of the council's
/// changes.
const EXEMPT: [(&str, &str); 2] = [("System", "LastRuntimeUpgrade"), ("Collective", "ProposalOf")];

fn metadata() -> RuntimeMetadataV14 {
    let opaque = Runtime::metadata_at_version(14).unwrap();
    let prefixed = RuntimeMetadataPrefixed::decode(&mut &opaque[..]).unwrap();
    match prefixed.1 {
        RuntimeMetadata::V14(metadata) => metadata,
        _ => unreachable!("the metadata is of version 14"),
    }
}

/// Returns the path to a free text in a type, if it can hold one.
fn free_text(metadata: &RuntimeMetadataV14, id: u32, seen: &mut BTreeSet<u32>) -> Option<String> {
    if !seen.insert(id) {
        return None;
    }
    let ty: &scale_info::Type<PortableForm> = metadata.types.resolve(id).unwrap();
    let name = ty.path.segments.last().map_or("", |name| name.as_str());
    if ty.path.segments.iter().any(|segment| segment == "grammar") && GRAMMAR.contains(&name) {
        return None;
    }
    let is_text = name == "Text" || matches!(ty.type_def, TypeDef::Primitive(TypeDefPrimitive::Str));
    if is_text {
        return Some(format!("{name}{id}"));
    }
    let parts: Vec<u32> = match &ty.type_def {
        TypeDef::Composite(composite) => composite.fields.iter().map(|field| field.ty.id).collect(),
        TypeDef::Variant(variant) => {
            variant.variants.iter().flat_map(|variant| &variant.fields).map(|field| field.ty.id).collect()
        }
        TypeDef::Sequence(sequence) => vec![sequence.type_param.id],
        TypeDef::Array(array) => vec![array.type_param.id],
        TypeDef::Tuple(tuple) => tuple.fields.iter().map(|field| field.id).collect(),
        TypeDef::Compact(compact) => vec![compact.type_param.id],
        TypeDef::Primitive(_) | TypeDef::BitSequence(_) => Vec::new(),
    };
    parts.into_iter().find_map(|part| Some(format!("{name} > {}", free_text(metadata, part, seen)?)))
}

#[test]
fn no_storage_item_and_no_event_can_hold_free_text() {
    let metadata = metadata();
    let mut checked = 0;
    let mut check = |pallet: &str, item: &str, id: u32| {
        let found = free_text(&metadata, id, &mut BTreeSet::new());
        assert_eq!(found, None, "{pallet}::{item} can hold a text");
        checked += 1;
    };
    for pallet in &metadata.pallets {
        for entry in pallet.storage.iter().flat_map(|storage| &storage.entries) {
            if EXEMPT.contains(&(pallet.name.as_str(), entry.name.as_str())) {
                continue;
            }
            match &entry.ty {
                StorageEntryType::Plain(value) => check(&pallet.name, &entry.name, value.id),
                StorageEntryType::Map { key, value, .. } => {
                    check(&pallet.name, &entry.name, key.id);
                    check(&pallet.name, &entry.name, value.id);
                }
            }
        }
        if let Some(event) = &pallet.event {
            check(&pallet.name, "Event", event.ty.id);
        }
    }
    assert!(checked > 60, "only {checked} types");
}

/// The walk finds a text where there is one: in the calls, whose proofs disclose readings.
#[test]
fn the_walk_finds_a_text() {
    let metadata = metadata();
    let contracts = metadata.pallets.iter().find(|pallet| pallet.name == "ServiceContracts").unwrap();
    let calls = contracts.calls.as_ref().unwrap().ty.id;
    assert!(free_text(&metadata, calls, &mut BTreeSet::new()).is_some());
}
