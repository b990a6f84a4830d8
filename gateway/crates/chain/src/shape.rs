//! Decides whether two type descriptions encode the same values to the same bytes.
//!
//! The names of types and modules are ignored. The names of fields and variants are compared: if two fields of the
//! same type were swapped, the bytes would still decode, but with another meaning.

use scale_info::{form::PortableForm, Field, MetaType, PortableRegistry, Registry, TypeDef, Variant};
use std::collections::BTreeSet;

/// A type in a registry.
#[derive(Clone, Copy)]
pub(super) struct Described<'a> {
    /// The registry.
    pub types: &'a PortableRegistry,
    /// The type's id in the registry.
    pub id: u32,
}

/// A type of this program.
pub(super) struct ExpectedType {
    types: PortableRegistry,
    id: u32,
}

impl ExpectedType {
    /// Describes a type.
    pub fn new(of: &MetaType) -> Self {
        let mut registry = Registry::new();
        let id = registry.register_type(of).id;
        Self { types: registry.into(), id }
    }

    /// Returns the first difference from another type, or `None` if both encode alike.
    pub fn difference(&self, theirs: Described<'_>) -> Option<String> {
        let ours = Described { types: &self.types, id: self.id };
        Comparison::default().compare_types(ours, theirs).err()
    }
}

/// Compares two types. Remembers the pairs it has visited, because a type can contain itself.
#[derive(Default)]
struct Comparison {
    seen: BTreeSet<(u32, u32)>,
}

type Compared = Result<(), String>;

impl Comparison {
    fn compare_types(&mut self, ours: Described<'_>, theirs: Described<'_>) -> Compared {
        if !self.seen.insert((ours.id, theirs.id)) {
            return Ok(());
        }
        let (Some(our_type), Some(their_type)) =
            (ours.types.resolve(ours.id), theirs.types.resolve(theirs.id))
        else {
            return Err("a type is missing in the registry".into());
        };
        let at = |id| Described { types: ours.types, id };
        let there = |id| Described { types: theirs.types, id };
        match (&our_type.type_def, &their_type.type_def) {
            (TypeDef::Composite(a), TypeDef::Composite(b)) => {
                self.compare_fields(ours.types, &a.fields, theirs.types, &b.fields)
            }
            (TypeDef::Variant(a), TypeDef::Variant(b)) => {
                self.compare_variants(ours.types, &a.variants, theirs.types, &b.variants)
            }
            (TypeDef::Sequence(a), TypeDef::Sequence(b)) => {
                self.compare_types(at(a.type_param.id), there(b.type_param.id))
            }
            (TypeDef::Array(a), TypeDef::Array(b)) if a.len == b.len => {
                self.compare_types(at(a.type_param.id), there(b.type_param.id))
            }
            (TypeDef::Tuple(a), TypeDef::Tuple(b)) if a.fields.len() == b.fields.len() => a
                .fields
                .iter()
                .zip(&b.fields)
                .try_for_each(|(a, b)| self.compare_types(at(a.id), there(b.id))),
            (TypeDef::Primitive(a), TypeDef::Primitive(b)) if a == b => Ok(()),
            (TypeDef::Compact(a), TypeDef::Compact(b)) => {
                self.compare_types(at(a.type_param.id), there(b.type_param.id))
            }
            (a, b) => Err(format!("{}, expected {}", kind(b), kind(a))),
        }
    }

    fn compare_variants(
        &mut self,
        ours: &PortableRegistry,
        our_variants: &[Variant<PortableForm>],
        theirs: &PortableRegistry,
        their_variants: &[Variant<PortableForm>],
    ) -> Compared {
        if our_variants.len() != their_variants.len() {
            return Err(format!("{} variants, expected {}", their_variants.len(), our_variants.len()));
        }
        for our_variant in our_variants {
            let their_variant = their_variants
                .iter()
                .find(|variant| variant.index == our_variant.index)
                .filter(|variant| variant.name == our_variant.name)
                .ok_or_else(|| format!("no variant {} {}", our_variant.index, our_variant.name))?;
            self.compare_fields(ours, &our_variant.fields, theirs, &their_variant.fields)
                .map_err(|difference| format!("{}: {difference}", our_variant.name))?;
        }
        Ok(())
    }

    fn compare_fields(
        &mut self,
        ours: &PortableRegistry,
        our_fields: &[Field<PortableForm>],
        theirs: &PortableRegistry,
        their_fields: &[Field<PortableForm>],
    ) -> Compared {
        if our_fields.len() != their_fields.len() {
            return Err(format!("{} fields, expected {}", their_fields.len(), our_fields.len()));
        }
        for (number, (a, b)) in our_fields.iter().zip(their_fields).enumerate() {
            let name = a.name.clone().unwrap_or_else(|| format!("field {number}"));
            if a.name != b.name {
                let other = b.name.clone().unwrap_or_else(|| "without name".into());
                return Err(format!("field {other}, expected {name}"));
            }
            self.compare_types(
                Described { types: ours, id: a.ty.id },
                Described { types: theirs, id: b.ty.id },
            )
            .map_err(|difference| format!("{name}: {difference}"))?;
        }
        Ok(())
    }
}

fn kind(of: &TypeDef<PortableForm>) -> String {
    match of {
        TypeDef::Composite(_) => "a struct".into(),
        TypeDef::Variant(_) => "an enum".into(),
        TypeDef::Sequence(_) => "a sequence".into(),
        TypeDef::Array(array) => format!("an array of {}", array.len),
        TypeDef::Tuple(tuple) => format!("a tuple of {}", tuple.fields.len()),
        TypeDef::Primitive(primitive) => format!("{primitive:?}").to_lowercase(),
        TypeDef::Compact(_) => "a compact integer".into(),
        TypeDef::BitSequence(_) => "a bit sequence".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scale_info::{meta_type, TypeInfo};
    use streembit_primitives::{contract::ContractContent, AccountId, Checkpoint};

    fn difference<A: TypeInfo + 'static, B: TypeInfo + 'static>() -> Option<String> {
        let theirs = ExpectedType::new(&meta_type::<B>());
        ExpectedType::new(&meta_type::<A>()).difference(Described { types: &theirs.types, id: theirs.id })
    }

    #[derive(TypeInfo)]
    #[allow(dead_code)]
    struct Account([u8; 32]);

    #[derive(TypeInfo)]
    #[allow(dead_code)]
    struct Pair {
        size: u64,
        time: u64,
    }

    #[test]
    fn names_of_types_are_ignored() {
        assert_eq!(difference::<ContractContent, ContractContent>(), None);
        assert_eq!(difference::<AccountId, Account>(), None);
        assert_eq!(difference::<AccountId, sp_core::crypto::AccountId32>(), None);
    }

    #[test]
    fn types_that_encode_differently_are_rejected() {
        mod swapped {
            #[derive(scale_info::TypeInfo)]
            #[allow(dead_code)]
            pub struct Pair {
                time: u64,
                size: u64,
            }
        }
        #[derive(TypeInfo)]
        #[allow(dead_code)]
        enum Ours {
            A,
            B { pair: Pair },
        }
        #[derive(TypeInfo)]
        #[allow(dead_code)]
        enum Theirs {
            A,
            B { pair: swapped::Pair },
        }
        assert_eq!(difference::<Pair, swapped::Pair>().unwrap(), "field time, expected size");
        assert_eq!(difference::<Ours, Theirs>().unwrap(), "B: pair: field time, expected size");
        assert_eq!(difference::<[u8; 32], [u8; 20]>().unwrap(), "an array of 20, expected an array of 32");
        assert_eq!(difference::<u32, u64>().unwrap(), "u64, expected u32");
        assert_eq!(difference::<Vec<u32>, Vec<u64>>().unwrap(), "u64, expected u32");
        assert!(difference::<Checkpoint, ContractContent>().is_some());
        assert!(difference::<Option<u8>, Result<u8, u8>>().is_some());
    }
}
