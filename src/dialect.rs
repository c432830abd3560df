//! In which of three shapes a refusal is answered, and who decides: the header `Accept`, or else the profile of the key
//! that the call is made with.

use actix_web::http::header::{ACCEPT, HeaderMap, Quality, QualityItem};
use actix_web::mime::Mime;

/// A shape of refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ErrorDialect {
    /// `{message, code, traceId}`, as Deep Security's clients read it.
    #[default]
    DeepSecurity,
    /// `{code, msg, traceId}` with the status as `code`, as clients of Trend Micro Cloud App Security read it.
    TrendCloudAppSecurity,
    /// Problem details (RFC 9457).
    Problem,
}

impl ErrorDialect {
    /// Every shape, the default first.
    pub const ALL: [Self; 3] = [Self::DeepSecurity, Self::TrendCloudAppSecurity, Self::Problem];

    /// As it is written and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeepSecurity => "deepSecurity",
            Self::TrendCloudAppSecurity => "trendCloudAppSecurity",
            Self::Problem => "problem",
        }
    }

    /// Reads what [`ErrorDialect::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == text)
    }

    /// The media type by which `Accept` asks for it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::DeepSecurity => DEFAULT_TYPE,
            Self::TrendCloudAppSecurity => "application/vnd.firstkey.cas+json",
            Self::Problem => "application/problem+json",
        }
    }
}

const DEFAULT_TYPE: &str = "application/json";

/// The shape that the header `Accept` asks for by name (RFC 9110 §12.5.1); none where it leaves the choice to the
/// server. Whoever names a shape beside `application/json`, which is the type of every success, wants it at the same
/// quality; nobody gets one by `*/*` or `application/*`.
pub fn asked_for(headers: &HeaderMap) -> Option<ErrorDialect> {
    let ranges: Vec<QualityItem<Mime>> = headers
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.trim().parse().ok())
        // a quality with something behind it is one that nobody has read
        .filter(|range: &QualityItem<Mime>| range.item.get_param("q").is_none())
        .collect();
    let quality =
        |range: &str| ranges.iter().filter(|item| item.item.essence_str() == range).map(|item| item.quality).max();
    let of_default = [DEFAULT_TYPE, "application/*", "*/*"].into_iter().find_map(quality).unwrap_or(Quality::ZERO);
    let (quality, _, dialect) = [ErrorDialect::TrendCloudAppSecurity, ErrorDialect::Problem]
        .into_iter()
        .filter_map(|dialect| Some((quality(dialect.media_type())?, dialect == ErrorDialect::Problem, dialect)))
        .max_by_key(|(quality, is_problem, _)| (*quality, *is_problem))?;
    (quality > Quality::ZERO && quality >= of_default).then_some(dialect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    fn asked(lines: &[&str]) -> Option<ErrorDialect> {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(ACCEPT, HeaderValue::from_str(line).expect("a header"));
        }
        asked_for(&map)
    }

    #[test]
    fn a_shape_is_asked_for_by_its_name() {
        use ErrorDialect::{Problem, TrendCloudAppSecurity as Trend};
        for (accept, expected) in [
            ("", None),
            ("*/*", None),
            ("application/*", None),
            ("application/json", None),
            ("text/html", None),
            ("application/problem+json", Some(Problem)),
            ("Application/Problem+JSON; charset=utf-8", Some(Problem)),
            ("application/vnd.firstkey.cas+json", Some(Trend)),
            // success is application/json, so a client that reads problems names both
            ("application/json, application/problem+json", Some(Problem)),
            ("application/problem+json, */*", Some(Problem)),
            ("application/json, text/plain, */*", None),
            ("application/problem+json;q=0.9, application/json", None),
            ("application/problem+json;q=0.9, application/json;q=0.8", Some(Problem)),
            ("application/problem+json;q=0.9, */*", None),
            ("application/problem+json;q=0.9, application/json;q=0.5, */*", Some(Problem)),
            ("application/problem+json;q=0.1, application/*;q=0.1, */*", Some(Problem)),
            ("application/problem+json;q=0", None),
            ("application/problem+json;q=0.000, */*;q=0", None),
            ("application/problem+json, application/vnd.firstkey.cas+json", Some(Problem)),
            ("application/problem+json;q=0.5, application/vnd.firstkey.cas+json", Some(Trend)),
            ("application/vnd.firstkey.cas+json;q=0.5, application/problem+json;q=0.501", Some(Problem)),
            // what cannot be read is as if it were not there
            ("application/problem+json;q=2", None),
            ("application/problem+json;q=-1", None),
            ("application/problem+json;q=0.5;q=1", None),
            ("application/problem+json;q=0;x=y", None),
            ("application/problem+json;q", None),
            ("application/problem+jsonx", None),
            ("problem+json", None),
            (",,;q=1,application/problem+json,", Some(Problem)),
        ] {
            assert_eq!(asked(&[accept]), expected, "{accept}");
        }
        assert_eq!(asked(&["application/json;q=0.5", "application/problem+json"]), Some(Problem));
        assert_eq!(asked(&["application/problem+json;q=0.5", "application/json"]), None);
    }

    #[test]
    fn a_shape_is_stored_by_its_name() {
        for dialect in ErrorDialect::ALL {
            assert_eq!(ErrorDialect::parse(dialect.as_str()), Some(dialect));
        }
        assert_eq!(ErrorDialect::parse("Problem"), None);
    }

    proptest! {
        /// T-31: no header makes the parser stumble.
        #[test]
        fn any_accept_header_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut map = HeaderMap::new();
                map.append(ACCEPT, value);
                let _ = asked_for(&map);
            }
        }

        #[test]
        fn the_higher_quality_wins(problem in 0_u16..=1000, json in 0_u16..=1000, problem_first in any::<bool>()) {
            let q = |thousandths: u16| format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            let mut ranges = [format!("application/problem+json;q={}", q(problem)), format!("application/json;q={}", q(json))];
            if !problem_first {
                ranges.reverse();
            }
            let expected = (problem > 0 && problem >= json).then_some(ErrorDialect::Problem);
            prop_assert_eq!(asked(&[&ranges.join(", ")]), expected);
        }
    }
}
