use super::*;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000_000;
/// A clock that allows any time in the future.
const ANY: Clock = Clock { now: NOW, max_future: u64::MAX };
/// A clock that allows one day.
const DAY: Clock = Clock { now: NOW, max_future: 86_400_000 };

fn shown(text: &str) -> Vec<String> {
    let show = |r: Reading| format!("{} {} {} {}", r.name, r.value, r.unit, r.time);
    read(text, ANY).unwrap().readings.into_iter().map(show).collect()
}

fn error(text: &str) -> String {
    read(text, ANY).unwrap_err().to_string()
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // Section 5.1.1
    assert_eq!(
        shown(r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#),
        ["urn:dev:ow:10e2073a01080063 23.1 Cel 1700000000000"]
    );
    // Section 5.1.3
    let several = r#"[
        {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":10,"n":"voltage","u":"V","v":120.1},
        {"n":"current","t":-5,"v":1.2},
        {"n":"current","t":-4,"v":1.3}]"#
        .replace("\"bver\":10", "\"bver\":10.0");
    assert_eq!(
        shown(&several),
        [
            "urn:dev:ow:10e2073a0108006:voltage 120.1 V 1276020076001",
            "urn:dev:ow:10e2073a0108006:current 1.2 A 1276020071001",
            "urn:dev:ow:10e2073a0108006:current 1.3 A 1276020072001",
        ]
    );
    // Section 5.1.4, other types
    let types = r#"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
        {"n":"label","vs":"Machine Room"},{"n":"open","vb":false}]"#;
    assert_eq!(shown(types)[1..][0], "urn:dev:ow:10e2073a01080063:label Machine Room  1700000000000");
    assert_eq!(shown(types)[2], "urn:dev:ow:10e2073a01080063:open false  1700000000000");
}

#[test]
fn base_fields_apply_until_they_change() {
    assert_eq!(
        shown(
            r#"[{"bn":"a:","bu":"m","bv":100,"n":"x","v":1},{"n":"y","v":-0.5,"u":"km"},{"bn":"b:","bv":0},{"n":"z","v":7}]"#
        ),
        ["a:x 101 m 1700000000000", "a:y 99.5 km 1700000000000", "b:z 7 m 1700000000000"]
    );
    // A base value is added only to numbers.
    assert_eq!(shown(r#"[{"bn":"a","bv":1,"vs":"t"}]"#), ["a t  1700000000000"]);
}

#[test]
fn times_are_relative_below_two_to_the_28() {
    for (time, expected) in [
        ("0", NOW),
        ("-5", NOW - 5_000),
        ("0.5", NOW + 500),
        ("-0.0004", NOW - 1),
        ("268435455", NOW + 268_435_455_000),
        ("268435456", 268_435_456_000),
        ("1.7e9", NOW),
        ("1700000000.123999", NOW + 123),
    ] {
        let read = read(&format!(r#"[{{"n":"a","t":{time},"v":1}}]"#), ANY).unwrap().readings;
        assert_eq!(read[0].time, expected, "{time}");
    }
    for time in ["-1700000001", "1e18", "-1e18"] {
        assert!(error(&format!(r#"[{{"n":"a","t":{time},"v":1}}]"#)).contains("time"), "{time}");
    }
}

#[test]
fn numbers_are_exact() {
    for text in ["0.1", "123456789012345678", "0.000000000000000001", "-3.30", "1e18"] {
        let value = read(&format!(r#"[{{"n":"a","v":{text}}}]"#), ANY).unwrap().readings.remove(0).value;
        assert_eq!(value, Value::Decimal(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn unknown_fields_are_ignored_unless_their_name_ends_in_an_underscore() {
    assert_eq!(shown(r#"[{"n":"a","v":1,"x":{"deep":[1,2]},"ut":5}]"#).len(), 1);
    assert!(error(r#"[{"n":"a","v":1},{"n":"a","v":1,"odd_":1}]"#).starts_with("record 2, field \"odd_\""));
}

#[test]
fn every_error_names_the_record_and_the_field() {
    for (text, expected) in [
        ("", "not a SenML pack"),
        ("nonsense", "not a SenML pack"),
        (r#"{"n":"a","v":1}"#, "JSON array"),
        (r#"[{"n":"a","v":1}"#, "not a SenML pack"),
        (r#"[{"n":"a","v":1}] trailing"#, "not a SenML pack"),
        ("[]", "no reading"),
        (r#"[{"bn":"a"}]"#, "no reading"),
        ("[1]", "record 1: not a JSON object"),
        (r#"[{"n":"a","v":1},null]"#, "record 2: not a JSON object"),
        (r#"[{"n":"a"}]"#, "record 1: no value"),
        ("[{}]", "record 1: no value"),
        (r#"[{"n":"a","v":1,"vs":"x"}]"#, "record 1: more than one value"),
        (r#"[{"v":1}]"#, "record 1: no name"),
        (r#"[{"n":"-a","v":1}]"#, "contains '-', but only letters and digits at the beginning are allowed"),
        (r#"[{"n":"a b","v":1}]"#, "contains ' ', but only letters, digits and -:./_ are allowed"),
        (r#"[{"n":1,"v":1}]"#, "record 1, field \"n\": expected a text"),
        (r#"[{"n":"a","v":"1"}]"#, "record 1, field \"v\": expected a number"),
        (r#"[{"n":"a","v":null}]"#, "field \"v\": expected a number"),
        (r#"[{"n":"a","v":1e400}]"#, "field \"v\": the number is out of range"),
        (r#"[{"n":"a","vb":1}]"#, "field \"vb\": expected true or false"),
        (r#"[{"n":"a","vs":true}]"#, "field \"vs\": expected a text"),
        (r#"[{"n":"a","vd":"aGk"}]"#, "field \"vd\": binary"),
        (r#"[{"n":"a","s":1}]"#, "field \"s\": sums"),
        (r#"[{"bs":1,"n":"a","v":1}]"#, "field \"bs\": sums"),
        (r#"[{"n":"a","v":1,"v":2}]"#, "field \"v\": given twice"),
        (r#"[{"n":"a","v":1,"\u0076":2}]"#, "field \"v\": given twice"),
        (r#"[{"n":"a","v":1,"x":1,"x":2}]"#, "field \"x\": given twice"),
        (r#"[{"bver":11,"n":"a","v":1}]"#, "field \"bver\""),
        (r#"[{"bver":5,"n":"a","v":1}]"#, "field \"bver\""),
        (r#"[{"bver":42,"n":"a","v":1}]"#, "needs feature 5"),
        (r#"[{"bv":9000000000000000001e18,"n":"a","v":9000000000000000001e18}]"#, "the sum of bv and v"),
        (r#"[{"n":"a","t":"now","v":1}]"#, "field \"t\": expected a number"),
        (r#"[{"n":"a","ut":"x","v":1}]"#, "field \"ut\": expected a number"),
        (r#"[{"n":"a","u":"a unit that is too long","v":1}]"#, "field \"u\""),
    ] {
        assert!(error(text).contains(expected), "{text}\n{}", error(text));
    }
    let long = "a".repeat(97);
    assert!(error(&format!(r#"[{{"n":"{long}","v":1}}]"#)).contains("97 bytes"));
    assert!(error(&format!(r#"[{{"n":"a","vs":"{}"}}]"#, "a".repeat(257))).contains("257 bytes"));
    let many = vec![r#"{"n":"a","v":1}"#; 65].join(",");
    assert!(error(&format!("[{many}]")).contains("65 readings"));
}

fn remarks(text: &str, clock: Clock) -> Vec<String> {
    read(text, clock).unwrap().remarks.iter().map(Remark::to_string).collect()
}

#[test]
fn numbers_with_too_many_digits_are_rounded_and_their_neighbours_are_kept() {
    let pack = r#"[{"n":"Vehicle.TraveledDistance","u":"m","v":105860104},
        {"n":"a","v":0.0033333333333333335},{"n":"b","v":1.2345679012345678e-05},{"n":"c","v":0.0010000000000000002}]"#;
    let values: Vec<String> = read(pack, DAY).unwrap().readings.iter().map(|r| r.value.to_string()).collect();
    assert_eq!(values, ["105860104", "0.003333333333333334", "0.000012345679012346", "0.001"]);
    let said = remarks(pack, DAY);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].starts_with("record 2, field \"v\"") && said[0].ends_with("rounded to 0.003333333333333334")
    );
    let sum = r#"[{"bn":"a","bv":100000,"v":0.0033333333333333335}]"#;
    assert_eq!(read(sum, DAY).unwrap().readings[0].value.to_string(), "100000.0033333333333");
    assert_eq!(remarks(sum, DAY).len(), 2);
}

#[test]
fn secondary_units_need_a_feature_and_are_tolerated_without_it() {
    let with = r#"[{"bver":26,"n":"a","u":"km","v":1},{"n":"b","u":"km/h","v":1}]"#;
    assert_eq!((read(with, DAY).unwrap().readings.len(), remarks(with, DAY).len()), (2, 0));
    for version in ["", r#""bver":10,"#] {
        let without = format!(r#"[{{{version}"n":"a","u":"km","v":1}},{{"n":"b","u":"km","v":2}}]"#);
        let said = remarks(&without, DAY);
        assert!(said.len() == 1 && said[0].contains("\"km\"") && said[0].contains("\"bver\":26"), "{said:?}");
    }
    let written = write(&read(with, DAY).unwrap().readings).unwrap();
    assert!(
        written.starts_with(r#"[{"bver":26,"n":"a""#) && written.matches("bver").count() == 1,
        "{written}"
    );
}

#[test]
fn a_time_in_milliseconds_is_refused_with_the_right_unit() {
    for text in [
        r#"[{"n":"a","t":1593441174505,"v":1}]"#,
        r#"[{"n":"a","t":1593441174505123,"v":1}]"#,
        r#"[{"bt":1593441174,"n":"a","t":1593441174,"v":1}]"#,
    ] {
        let error = read(text, DAY).unwrap_err().to_string();
        assert!(error.starts_with("record 1: the time") && error.contains("bt and t"), "{error}");
    }
}

#[test]
fn a_relative_time_is_read_while_the_clock_has_not_been_set() {
    let clock = Clock { now: 3_000, ..DAY };
    let pack = r#"[{"n":"a","t":-5,"v":1}]"#;
    assert_eq!(read(pack, clock).unwrap().readings[0].time, 0);
    assert_eq!(remarks(pack, clock), [Remark::ClockUnset.to_string()]);
}

#[test]
fn the_numbers_of_records_and_fields_are_bounded() {
    let record = |fields: usize| {
        let more: Vec<String> = (2..fields).map(|n| format!("\"x{n}\":1")).collect();
        format!(r#"[{{"n":"a","v":1,{}}}]"#, more.join(","))
    };
    assert_eq!(read(&record(MAX_FIELDS), DAY).unwrap().readings.len(), 1);
    assert!(error(&record(MAX_FIELDS + 1)).contains("record 1: more than 64 fields"));
    // As many as fit into the largest request.
    assert!(error(&record(420_000)).contains("record 1: more than 64 fields"));
    let pack = |records: usize| format!("[{}]", vec!["{}"; records].join(","));
    assert!(error(&pack(MAX_RECORDS)).contains("record 1: no value"));
    assert!(error(&pack(MAX_RECORDS + 1)).contains("more than 256 records"));
    assert!(error(&pack(1_000_000)).contains("more than 256 records"));
}

#[test]
fn times_before_1978_cannot_be_written() {
    let mut readings = read(r#"[{"n":"a","v":1}]"#, ANY).unwrap().readings;
    readings[0].time = 1_000;
    assert_eq!(write(&readings), Err(TooEarlyError(1_000)));
}

proptest! {
    #[test]
    fn written_readings_are_read_back_unchanged(
        values in proptest::collection::vec(
            ("[a-zA-Z0-9][a-zA-Z0-9.:/_-]{0,40}", "[a-zA-Z/%]{0,8}", -1_000_000_000i64..1_000_000_000, -6i8..6,
             268_435_456_000u64..10_000_000_000_000, 0u8..3, "\\PC{0,60}"), 1..20)
    ) {
        let readings: Vec<Reading> = values.into_iter().map(|(name, unit, mantissa, exponent, time, kind, text)| Reading {
            name: Name::try_from(name).unwrap(),
            unit: Unit::try_from(unit).unwrap(),
            value: match kind {
                0 => Value::Decimal(Decimal::new(mantissa, exponent).unwrap()),
                1 => Value::Boolean(mantissa > 0),
                _ => Value::Text(Text::try_from(text).unwrap()),
            },
            time,
            source: Source::try_from("senml").unwrap(),
        }).collect();
        prop_assert_eq!(read(&write(&readings).unwrap(), ANY).unwrap().readings, readings);
    }

    #[test]
    fn any_text_is_handled_without_a_panic(text in "\\PC{0,200}") {
        let _ = read(&text, ANY);
    }

    #[test]
    fn almost_valid_packs_are_handled_without_a_panic(
        fields in proptest::collection::vec(
            ("bn|bt|bu|bv|bver|n|u|t|ut|v|vs|vb|vd|s|bs|x|x_",
             "-?[0-9]{1,20}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?|\"[a-z]{0,12}\"|true|false|null|\\[\\]|\\{\\}"), 0..8),
        now in any::<u64>(),
    ) {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let _ = read(&format!("[{{{}}}]", body.join(",")), Clock { now, max_future: now });
    }
}
