//! The filters, tests and functions that templates may use: the whole list, each with an example.
//!
//! `docs/templates.md` prints the list; a test runs every example. None of them makes a "safe"
//! string or writes text past the place where its hole stands.

mod encode;
mod hosts;
mod lists;
mod numbers;
mod regex;
mod shell_words;
mod strings;
mod time;

use minijinja::{Environment, functions, tests};

pub use encode::value_from_json;
pub(super) use encode::{percent_encode, to_json_text};

/// Something that templates may use by name.
pub struct Entry {
    /// The name in templates.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// An expression that shows it.
    pub example: &'static str,
    /// What the example gives, as JSON.
    pub result: &'static str,
    pub(super) add: fn(&mut Environment<'static>, &'static str),
}

macro_rules! filter {
    ($name:literal, $function:expr, $summary:literal, $example:literal, $result:literal) => {
        Entry {
            name: $name,
            summary: $summary,
            example: $example,
            result: $result,
            add: |environment, name| environment.add_filter(name, $function),
        }
    };
}

macro_rules! test {
    ($name:literal, $function:expr, $summary:literal, $example:literal, $result:literal) => {
        Entry {
            name: $name,
            summary: $summary,
            example: $example,
            result: $result,
            add: |environment, name| environment.add_test(name, $function),
        }
    };
}

/// Every filter.
#[rustfmt::skip]
pub static FILTERS: &[Entry] = &[
    filter!("abs", minijinja::filters::abs, "The number without its sign.", "-3 | abs", "3"),
    filter!("attr", minijinja::filters::attr, "The entry of a map by its name.", "{\"a b\": 1} | attr(\"a b\")", "1"),
    filter!("b64decode", encode::b64decode, "Decodes Base64, standard or URL-safe; what is not UTF-8 is an error.", "\"aGk=\" | b64decode", "\"hi\""),
    filter!("b64encode", encode::b64encode, "Encodes as Base64.", "\"hi\" | b64encode", "\"aGk=\""),
    filter!("basename", hosts::basename, "The last part of a path.", "\"/var/log/syslog\" | basename", "\"syslog\""),
    filter!("batch", minijinja::filters::batch, "Splits a list into lists of so many items.", "[1, 2, 3] | batch(2) | list", "[[1,2],[3]]"),
    filter!("bool", minijinja::filters::bool, "Whether the value counts as true.", "\"\" | bool", "false"),
    filter!("capitalize", minijinja::filters::capitalize, "First letter large, the others small.", "\"disk FULL\" | capitalize", "\"Disk full\""),
    filter!("dash_ok", shell_words::dash_ok, "Allows a value that begins with `-` at the start of a word of a shell script. Last filter of its hole.", "\"-v\" | dash_ok", "\"-v\""),
    filter!("date", time::date, "A time (RFC 3339 or seconds since 1970) by strftime, in UTC or a named zone.", "\"2026-01-02T03:04:05Z\" | date(\"%Y-%m-%d %H:%M\")", "\"2026-01-02 03:04\""),
    filter!("default", minijinja::filters::default, "The value, or another one when it is undefined (with `true` as second argument also when it is empty).", "alert.labels.zone | default(\"none\")", "\"none\""),
    filter!("dictsort", minijinja::filters::dictsort, "A map as a list of pairs, sorted by key.", "{\"b\": 1, \"a\": 2} | dictsort", "[[\"a\",2],[\"b\",1]]"),
    filter!("dirname", hosts::dirname, "A path without its last part.", "\"/var/log/syslog\" | dirname", "\"/var/log\""),
    filter!("duration", time::duration, "Seconds as a duration such as `1h30m`.", "5400 | duration", "\"1h30m\""),
    filter!("first", minijinja::filters::first, "The first item.", "[1, 2] | first", "1"),
    filter!("float", numbers::float, "As a number with a fraction.", "\"1.5\" | float", "1.5"),
    filter!("from_json", encode::from_json, "Parses JSON.", "'{\"a\": [1]}' | from_json", "{\"a\":[1]}"),
    filter!("groupby", minijinja::filters::groupby, "Groups a list of maps by an entry.", "[{\"a\": 1}, {\"a\": 2}] | groupby(\"a\") | length", "2"),
    filter!("host", hosts::host, "The host of `host:port`, also for IPv6 and for a URL.", "\"[2001:db8::1]:9100\" | host", "\"2001:db8::1\""),
    filter!("indent", strings::indent, "Indents all lines but the first by so many spaces.", "\"a\\nb\" | indent(2)", "\"a\\n  b\""),
    filter!("int", numbers::int, "As a whole number; text around it is an error, a fraction is cut off.", "\"81\" | int", "81"),
    filter!("items", minijinja::filters::items, "The entries of a map as pairs.", "{\"a\": 1} | items | list", "[[\"a\",1]]"),
    filter!("join", lists::join, "Joins the items of a list to one text.", "[\"a\", 1] | join(\",\")", "\"a,1\""),
    filter!("keys", lists::keys, "The names of a map's entries.", "{\"a\": 1} | keys", "[\"a\"]"),
    filter!("last", lists::last, "The last item.", "[1, 2] | last", "2"),
    filter!("length", minijinja::filters::length, "How many items or characters.", "\"abc\" | length", "3"),
    filter!("lines", minijinja::filters::lines, "The lines of a text, without their ends.", "\"a\\nb\\n\" | lines", "[\"a\",\"b\"]"),
    filter!("list", minijinja::filters::list, "As a list.", "range(3) | list", "[0,1,2]"),
    filter!("lower", minijinja::filters::lower, "In small letters.", "\"DB1\" | lower", "\"db1\""),
    filter!("map", minijinja::filters::map, "Each item through a filter, or one entry of each.", "[{\"a\": 1}, {\"a\": 2}] | map(attribute=\"a\") | list", "[1,2]"),
    filter!("max", minijinja::filters::max, "The largest item.", "[1, 3, 2] | max", "3"),
    filter!("min", minijinja::filters::min, "The smallest item.", "[1, 3, 2] | min", "1"),
    filter!("port", hosts::port, "The port of `host:port` as a number, or `none`.", "\"db1:9100\" | port", "9100"),
    filter!("raw", shell_words::raw, "Puts the author's own text into a shell script as script. Refused for what came from outside. Last filter of its hole.", "\"ls -l\" | raw", "\"ls -l\""),
    filter!("regex_find", regex::find, "The first match (of a group: by its number or name), or `none`.", "\"disk sda1 full\" | regex_find(\"sd[a-z]([0-9])\", 1)", "\"1\""),
    filter!("regex_match", regex::matches, "Whether the pattern occurs anywhere; anchor it with `^` and `$`.", "\"web-17\" | regex_match(\"^web-[0-9]+$\")", "true"),
    filter!("regex_replace", regex::replace, "Replaces every match; `$1` or `${name}` stand for groups.", "\"a-b\" | regex_replace(\"(a)-(b)\", \"$2-$1\")", "\"b-a\""),
    filter!("reject", minijinja::filters::reject, "The items for which a test does not hold.", "[1, \"a\"] | reject(\"number\") | list", "[\"a\"]"),
    filter!("rejectattr", minijinja::filters::rejectattr, "The maps for whose entry a test does not hold.", "[{\"a\": 0}, {\"a\": 1}] | rejectattr(\"a\") | list", "[{\"a\":0}]"),
    filter!("replace", strings::replace, "Replaces a text by another everywhere.", "\"a.b.c\" | replace(\".\", \"-\")", "\"a-b-c\""),
    filter!("reverse", minijinja::filters::reverse, "The other way round.", "[1, 2] | reverse | list", "[2,1]"),
    filter!("round", minijinja::filters::round, "Rounded to so many digits after the point.", "1.236 | round(2)", "1.24"),
    filter!("seconds", time::seconds, "A duration such as `1h30m` as seconds.", "\"1h30m\" | seconds", "5400.0"),
    filter!("select", minijinja::filters::select, "The items for which a test holds.", "[1, \"a\"] | select(\"number\") | list", "[1]"),
    filter!("selectattr", minijinja::filters::selectattr, "The maps for whose entry a test holds.", "[{\"a\": 0}, {\"a\": 1}] | selectattr(\"a\") | list", "[{\"a\":1}]"),
    filter!("shq", shell_words::shq, "Quotes a text (or each item of a list) for another POSIX shell: `ssh`, `sh -c`.", "\"it's\" | shq", "\"'it'\\\\''s'\""),
    filter!("slice", minijinja::filters::slice, "Splits a list into so many lists.", "[1, 2, 3] | slice(2) | list", "[[1,2],[3]]"),
    filter!("sort", minijinja::filters::sort, "Sorted.", "[3, 1, 2] | sort", "[1,2,3]"),
    filter!("split", strings::split, "Splits at a text, or at white space.", "\"a,b\" | split(\",\")", "[\"a\",\"b\"]"),
    filter!("string", strings::string, "As text.", "5 | string", "\"5\""),
    filter!("sum", minijinja::filters::sum, "The sum of the items.", "[1, 2] | sum", "3"),
    filter!("title", minijinja::filters::title, "Each Word With A Large Letter.", "\"disk full\" | title", "\"Disk Full\""),
    filter!("to_json", encode::to_json, "As JSON text.", "{\"a\": [1, \"<\"]} | to_json", "\"{\\\"a\\\":[1,\\\"<\\\"]}\""),
    filter!("trim", minijinja::filters::trim, "Without white space (or the given characters) at both ends.", "\" 81% \" | trim(\"% \")", "\"81\""),
    filter!("truncate", strings::truncate, "Cut to so many characters, `...` included.", "\"a long text\" | truncate(6)", "\"a l...\""),
    filter!("unique", minijinja::filters::unique, "Each item once.", "[1, 2, 1] | unique", "[1,2]"),
    filter!("upper", minijinja::filters::upper, "In capitals.", "\"db1\" | upper", "\"DB1\""),
    filter!("urlencode", encode::urlencode, "Percent-encodes everything but letters, digits and `-._~`. Not needed in URLs of steps.", "\"a b/c\" | urlencode", "\"a%20b%2Fc\""),
    filter!("values", lists::values, "The values of a map's entries.", "{\"a\": 1} | values", "[1]"),
];

/// Every test, as in `x is number`.
#[rustfmt::skip]
pub static TESTS: &[Entry] = &[
    test!("boolean", tests::is_boolean, "Is `true` or `false`.", "true is boolean", "true"),
    test!("containing", strings::is_containing, "Holds a text, or an item.", "\"disk full\" is containing(\"full\")", "true"),
    test!("defined", tests::is_defined, "Has a value.", "alert.labels.zone is defined", "false"),
    test!("divisibleby", tests::is_divisibleby, "Can be divided by a number.", "6 is divisibleby(3)", "true"),
    test!("empty", lists::is_empty, "Is a text, list or map with nothing in it.", "\"\" is empty", "true"),
    test!("endingwith", tests::is_endingwith, "Ends with a text.", "\"sda1\" is endingwith(\"1\")", "true"),
    test!("eq", tests::is_eq, "Is equal.", "1 is eq(1)", "true"),
    test!("even", tests::is_even, "Is an even number.", "2 is even", "true"),
    test!("false", tests::is_false, "Is `false`.", "false is false", "true"),
    test!("float", tests::is_float, "Is a number with a fraction.", "1.5 is float", "true"),
    test!("ge", tests::is_ge, "Is at least.", "2 is ge(1)", "true"),
    test!("gt", tests::is_gt, "Is greater.", "2 is gt(1)", "true"),
    test!("in", tests::is_in, "Is an item of a list, or a part of a text.", "\"a\" is in([\"a\", \"b\"])", "true"),
    test!("integer", tests::is_integer, "Is a whole number.", "3 is integer", "true"),
    test!("iterable", tests::is_iterable, "Can be walked by `for`.", "[1] is iterable", "true"),
    test!("le", tests::is_le, "Is at most.", "1 is le(1)", "true"),
    test!("lower", tests::is_lower, "Is in small letters.", "\"abc\" is lower", "true"),
    test!("lt", tests::is_lt, "Is less.", "1 is lt(2)", "true"),
    test!("mapping", tests::is_mapping, "Is a map.", "{} is mapping", "true"),
    test!("matching", regex::is_matching, "A pattern occurs in it anywhere.", "\"web-17\" is matching(\"^web-\")", "true"),
    test!("ne", tests::is_ne, "Is not equal.", "1 is ne(2)", "true"),
    test!("none", tests::is_none, "Is `none`.", "none is none", "true"),
    test!("number", tests::is_number, "Is a number.", "1 is number", "true"),
    test!("odd", tests::is_odd, "Is an odd number.", "3 is odd", "true"),
    test!("sequence", tests::is_sequence, "Is a list.", "[1] is sequence", "true"),
    test!("startingwith", tests::is_startingwith, "Begins with a text.", "\"sda1\" is startingwith(\"sd\")", "true"),
    test!("string", tests::is_string, "Is a text.", "\"a\" is string", "true"),
    test!("true", tests::is_true, "Is `true`.", "true is true", "true"),
    test!("undefined", tests::is_undefined, "Has no value.", "alert.labels.zone is undefined", "true"),
    test!("upper", tests::is_upper, "Is in capitals.", "\"ABC\" is upper", "true"),
];

/// Every function.
pub static FUNCTIONS: &[Entry] = &[
    Entry {
        name: "dict",
        summary: "Makes a map from names and values.",
        example: "dict(a=1)",
        result: "{\"a\":1}",
        add: |environment, name| environment.add_function(name, functions::dict),
    },
    Entry {
        name: "range",
        summary: "The whole numbers up to (not including) one, or between two; at most 100,000.",
        example: "range(1, 4) | list",
        result: "[1,2,3]",
        add: |environment, name| environment.add_function(name, functions::range),
    },
];

#[cfg(test)]
mod test {
    use super::*;
    use crate::template::{Expression, Scope};

    #[test]
    fn every_example_gives_what_is_printed_beside_it() {
        let alert = value_from_json(&serde_json::json!({"labels": {"instance": "db1:9100"}}));
        let scope = Scope::new().with("alert", alert);
        for entry in FILTERS.iter().chain(TESTS).chain(FUNCTIONS) {
            let source = match entry.name {
                "raw" | "dash_ok" => continue,
                _ => entry.example,
            };
            let expression =
                Expression::compile(source).unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
            let value = expression.eval(&scope).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert_eq!(to_json_text(&value).expect(source), entry.result, "{source}");
            assert!(entry.example.contains(entry.name), "the example of `{}` shows it", entry.name);
        }
    }

    #[test]
    fn the_lists_are_sorted_and_hold_nothing_that_makes_text_safe() {
        for list in [FILTERS, TESTS, FUNCTIONS] {
            assert!(list.is_sorted_by_key(|entry| entry.name));
            assert!(
                !list.iter().any(|entry| ["safe", "escape", "e", "tojson", "debug"].contains(&entry.name))
            );
        }
    }
}
