//! Texts that are looked for in the middle of others: no order of whole texts leads to them, but an index of all runs
//! of three characters does.

use std::collections::BTreeSet;

use super::{Filter, Pattern, Test, TextTest};

/// What an index can be asked for at most; whatever it finds is looked at again, so that fewer are no fault.
const MOST: usize = 8;
/// Characters that an index knows together, and so many in a row that hardly any text holds them by chance.
const RUN: usize = 3;
const LONG: usize = 5;

/// A criterion that only texts meet which hold certain runs of three characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The field's name.
    pub field: String,
    /// The pattern, for SQL's LIKE.
    pub pattern: String,
    /// Some of the runs, at least one.
    pub trigrams: Vec<String>,
}

impl Inside {
    /// Whether some run is letters and digits of ASCII throughout: PostgreSQL's index knows no others for certain.
    pub fn has_word(&self) -> bool {
        self.trigrams.iter().any(|trigram| trigram.chars().all(|c| c.is_ascii_alphanumeric()))
    }

    /// A pattern that every text meets which meets this one, for PostgreSQL's index: where a word is long enough to say
    /// much, the words alone. What begins or ends with a blank or a mark stands in nearly every text, and to look that up
    /// takes longer than to look at the few texts that it would rule out.
    pub fn for_index(&self) -> String {
        let runs = plain_runs(&self.pattern);
        let words = runs.iter().flat_map(|run| run.split(|c| !c.is_ascii_alphanumeric()));
        let words: Vec<String> = words.filter(|word| word.len() >= RUN).map(String::from_iter).collect();
        match words.iter().any(|word| word.len() >= LONG) {
            true => format!("%{}%", words.join("%")),
            false => self.pattern.clone(),
        }
    }
}

impl Filter {
    /// Whether a criterion is a pattern, which is compared with one text after the other.
    pub fn has_pattern(&self) -> bool {
        self.criteria.iter().any(|criterion| is_pattern(&criterion.test))
    }

    /// The same without its patterns.
    #[must_use]
    pub fn without_patterns(&self) -> Self {
        let criteria = self.criteria.iter().filter(|criterion| !is_pattern(&criterion.test)).cloned().collect();
        Self { criteria, most: self.most }
    }

    /// Of the patterns of some fields, the one that says most of what must be in the text.
    pub fn inside(&self, fields: &[&str]) -> Option<Inside> {
        let known = self.criteria.iter().filter_map(|criterion| {
            let field = criterion.field.as_ref().filter(|field| fields.contains(&field.as_str()))?;
            let Test::Text(TextTest { equal: true, pattern: Pattern::Like(pattern) }) = &criterion.test else {
                return None;
            };
            let trigrams = trigrams(pattern);
            (!trigrams.is_empty()).then(|| Inside { field: field.clone(), pattern: pattern.clone(), trigrams })
        });
        known.max_by_key(|inside| (inside.has_word(), inside.trigrams.len()))
    }
}

fn is_pattern(test: &Test) -> bool {
    matches!(test, Test::Text(TextTest { pattern: Pattern::Like(_), .. }))
}

/// Runs of three characters that every text holds which the pattern matches: all of them where they are few, else some
/// from all over it.
fn trigrams(pattern: &str) -> Vec<String> {
    let mut all = BTreeSet::new();
    for run in plain_runs(pattern) {
        all.extend(run.windows(3).map(|three| three.iter().collect::<String>()));
    }
    let all: Vec<String> = all.into_iter().collect();
    // words come first: they are what PostgreSQL's index knows
    let (words, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|trigram| trigram.chars().all(|c| c.is_ascii_alphanumeric()));
    let all: Vec<String> = words.into_iter().chain(others).collect();
    let step = all.len().div_ceil(MOST).max(1);
    all.into_iter().step_by(step).collect()
}

/// The characters between the wildcards of a pattern.
fn plain_runs(pattern: &str) -> Vec<Vec<char>> {
    let (mut runs, mut run) = (Vec::new(), Vec::new());
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '%' | '_' => runs.push(std::mem::take(&mut run)),
            '\\' => run.extend(characters.next()),
            c => run.push(c),
        }
    }
    runs.push(run);
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::Criterion;

    fn filter(patterns: &[(&str, bool, &str)]) -> Filter {
        let criterion = |(field, equal, text): &(&str, bool, &str)| Criterion {
            field: Some((*field).to_owned()),
            test: Test::Text(TextTest { equal: *equal, pattern: Pattern::read(text) }),
        };
        Filter { criteria: patterns.iter().map(criterion).collect(), most: 50 }
    }

    fn of(text: &str) -> Vec<String> {
        filter(&[("name", true, text)]).inside(&["name"]).map(|inside| inside.trigrams).unwrap_or_default()
    }

    #[test]
    fn runs_are_what_stands_between_wildcards() {
        let none: [&str; 0] = [];
        for (text, expected) in [
            ("%abc%", &["abc"] as &[&str]),
            ("%ABCD%", &["abc", "bcd"]),
            ("%ab%cd%", &none),
            ("%ab_cd%", &none),
            ("_abc", &["abc"]),
            ("%a%b%xyz%", &["xyz"]),
            ("%5\\%0\\_%", &["%0_", "5%0"]),
            ("%a\\\\b%", &["a\\b"]),
            ("%日本語%", &["日本語"]),
            ("%ab%", &none),
            ("%%%", &none),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(of("plain"), none, "no pattern");
        assert_eq!(of("prefix%"), none, "a range");
    }

    #[test]
    fn an_index_is_asked_for_long_words_alone() {
        let of = |text: &str| filter(&[("name", true, text)]).inside(&["name"]).expect("a pattern").for_index();
        assert_eq!(of("%y 0500000%"), "%0500000%");
        assert_eq!(of("%blue keys_of the red%"), "%blue keys_of the red%", "no word is long");
        assert_eq!(of("%blue\\%green-a b%12345%"), "%blue%green%12345%");
        assert_eq!(of("%abc def%"), "%abc def%");
    }

    #[test]
    fn the_pattern_that_says_most_is_taken() {
        let known = ["name", "description"];
        let cases = [
            (vec![("name", true, "%abc%"), ("description", true, "%defgh%")], Some("description")),
            (vec![("name", true, "%abc%"), ("description", true, "%-----%")], Some("name")),
            (vec![("name", false, "%abcdef%"), ("description", true, "%abc%")], Some("description")),
            (vec![("zone", true, "%abc%")], None),
            (vec![("name", false, "%abc%")], None),
        ];
        for (patterns, field) in cases {
            let inside = filter(&patterns).inside(&known);
            assert_eq!(inside.as_ref().map(|inside| inside.field.as_str()), field, "{patterns:?}");
        }
        let mixed = filter(&[("name", true, "%abc%"), ("name", true, "abc")]);
        assert!(mixed.has_pattern() && !mixed.without_patterns().has_pattern());
        assert_eq!(mixed.without_patterns().criteria.len(), 1);
    }

    /// Whether a text matches a pattern, as SQL says.
    fn matches(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|from| matches(rest, &text[from..])),
            ['_', rest @ ..] => text.split_first().is_some_and(|(_, text)| matches(rest, text)),
            ['\\', c, rest @ ..] | [c, rest @ ..] => {
                text.split_first().is_some_and(|(first, text)| first == c && matches(rest, text))
            }
        }
    }

    proptest! {
        /// What matches holds every run that is asked for: the index leaves nothing out.
        #[test]
        fn whatever_matches_holds_the_runs(
            head in "[ab%_\\\\ü]{0,6}", middle in "[abü]{3,12}", text in "[ab%_ü]{0,8}", tail in "[ab]{0,3}",
        ) {
            let inside = filter(&[("name", true, &format!("%{head}{middle}%"))]).inside(&["name"]);
            prop_assume!(inside.is_some());
            let inside = inside.expect("assumed");
            prop_assert!((1..=MOST).contains(&inside.trigrams.len()));
            let pattern: Vec<char> = inside.pattern.chars().collect();
            for text in [format!("{text}{middle}{tail}"), format!("{head}{middle}{tail}"), format!("{tail}{middle}")] {
                let characters: Vec<char> = text.chars().collect();
                if matches(&pattern, &characters) {
                    for trigram in &inside.trigrams {
                        prop_assert!(text.contains(trigram.as_str()), "{text} {trigram}");
                    }
                    let for_index: Vec<char> = inside.for_index().chars().collect();
                    prop_assert!(matches(&for_index, &characters), "{text} {for_index:?}");
                }
            }
        }
    }
}
