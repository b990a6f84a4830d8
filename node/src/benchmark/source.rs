//! Renders the weights as a Rust source file of the runtime.

use super::measure::{LinearFit, MeasuredWeight};

/// The weights of a pallet's calls.
pub struct Pallet {
    /// The name of its crate.
    pub crate_name: String,
    /// The measured calls.
    pub calls: Vec<MeasuredWeight>,
}

impl Pallet {
    /// Returns the name of the source file: `service_contracts.rs` for `pallet_service_contracts`.
    pub fn file_name(&self) -> String {
        format!("{}.rs", self.crate_name.trim_start_matches("pallet_"))
    }

    /// Returns the source file.
    pub fn source(&self, processor: &str, repeat: u32) -> String {
        let Self { crate_name, calls } = self;
        let calls: Vec<_> = calls.iter().map(render_function).collect();
        format!(
            "//! The weights of `{crate_name}`, measured in the compiled Wasm on {processor}, {repeat} times for each call.\n\
             //!\n\
             //! `streembit-node benchmark` writes this file. Do not edit it.\n\
             \n\
             use super::on_pi;\n\
             use core::marker::PhantomData;\n\
             use frame_support::{{traits::Get, weights::Weight}};\n\
             \n\
             /// The weights.\n\
             pub struct WeightInfo<T>(PhantomData<T>);\n\
             \n\
             impl<T: frame_system::Config> {crate_name}::WeightInfo for WeightInfo<T> {{\n\
             {}}}\n",
            calls.join("\n")
        )
    }
}

fn render_function(call: &MeasuredWeight) -> String {
    let arguments: Vec<_> = call.components.iter().map(|component| format!("{component}: u32")).collect();
    let mut text = format!("    fn {}({}) -> Weight {{\n", call.name, arguments.join(", "));
    text += &format!("        on_pi({})\n", with_separators(call.time.base));
    for (component, slope) in nonzero_slopes(call, &call.time) {
        text += &format!(
            "            .saturating_add(on_pi({}).saturating_mul({component}.into()))\n",
            with_separators(slope)
        );
    }
    for (price, line) in [("reads", &call.reads), ("writes", &call.writes)] {
        if line.base > 0 {
            text += &format!("            .saturating_add(T::DbWeight::get().{price}({}))\n", line.base);
        }
        for (component, slope) in nonzero_slopes(call, line) {
            text += &format!(
                "            .saturating_add(T::DbWeight::get().{price}({slope}).saturating_mul({component}.into()))\n"
            );
        }
    }
    // Components that do not change the weight are unused arguments.
    let is_unused = |component: &&String| !text.contains(&format!("({component}.into())"));
    let unused: Vec<_> =
        call.components.iter().filter(is_unused).map(|component| format!("{component}: u32")).collect();
    for argument in unused {
        text = text.replacen(&argument, &format!("_{argument}"), 1);
    }
    text + "    }\n"
}

/// Returns the components that change the weight, with their slopes.
fn nonzero_slopes<'a>(
    call: &'a MeasuredWeight,
    line: &'a LinearFit,
) -> impl Iterator<Item = (&'a String, u64)> {
    call.components.iter().zip(line.slopes.iter().copied()).filter(|(_, slope)| *slope > 0)
}

/// Formats a number with underscores between groups of three digits.
fn with_separators(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_rendered_as_a_function_of_the_weight_trait() {
        let call = MeasuredWeight {
            name: "propose".into(),
            components: vec!["p".into(), "d".into()],
            time: LinearFit { base: 1_234_567, slopes: vec![500, 0] },
            reads: LinearFit { base: 3, slopes: vec![1, 0] },
            writes: LinearFit { base: 0, slopes: vec![0, 0] },
        };
        let expected = "    fn propose(p: u32, _d: u32) -> Weight {\n        on_pi(1_234_567)\n            \
                        .saturating_add(on_pi(500).saturating_mul(p.into()))\n            \
                        .saturating_add(T::DbWeight::get().reads(3))\n            \
                        .saturating_add(T::DbWeight::get().reads(1).saturating_mul(p.into()))\n    }\n";
        assert_eq!(render_function(&call), expected);
    }

    #[test]
    fn each_pallet_has_a_file_of_its_own() {
        let call = MeasuredWeight {
            name: "leave".into(),
            components: vec![],
            time: LinearFit { base: 7, slopes: vec![] },
            reads: LinearFit { base: 0, slopes: vec![] },
            writes: LinearFit { base: 1, slopes: vec![] },
        };
        let pallet = Pallet { crate_name: "pallet_service_contracts".into(), calls: vec![call] };
        assert_eq!(pallet.file_name(), "service_contracts.rs");
        let source = pallet.source("a processor", 1_000);
        assert!(source.starts_with("//! The weights of `pallet_service_contracts`, measured"), "{source}");
        let end =
            "impl<T: frame_system::Config> pallet_service_contracts::WeightInfo for WeightInfo<T> {\n    \
                   fn leave() -> Weight {\n        on_pi(7)\n            \
                   .saturating_add(T::DbWeight::get().writes(1))\n    }\n}\n";
        assert!(source.ends_with(end), "{source}");
    }

    #[test]
    fn separators_are_between_groups_of_three_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(with_separators), ["0", "999", "1_000", "1_234_567"]);
    }
}
