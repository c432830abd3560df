//! System settings: one flat object, values as strings (rows DS-12 to DS-15).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::lenient::integer;

/// The value of one setting, as it is answered.
#[derive(Debug, serde::Serialize, ToSchema)]
pub struct SettingValue {
    /// With its unit, where it has one.
    pub value: String,
}

/// The value of one setting, as it comes in.
#[derive(Debug, serde::Deserialize, ToSchema)]
pub struct SettingChange {
    /// A string, or the number or boolean that it spells.
    #[schema(required, value_type = SettingText)]
    pub value: Option<SettingText>,
}

/// A string, a whole number or a boolean, as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingText(pub String);

impl<'de> Deserialize<'de> for SettingText {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = String;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, an integer or a boolean")
            }
            fn visit_str<E>(self, text: &str) -> Result<String, E> {
                Ok(text.to_owned())
            }
            fn visit_bool<E>(self, flag: bool) -> Result<String, E> {
                Ok(flag.to_string())
            }
            fn visit_i64<E>(self, number: i64) -> Result<String, E> {
                Ok(number.to_string())
            }
            fn visit_u64<E>(self, number: u64) -> Result<String, E> {
                Ok(number.to_string())
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
                let whole = integer(number).ok_or_else(|| E::invalid_type(de::Unexpected::Float(number), &self))?;
                Ok(whole.to_string())
            }
        }
        input.deserialize_any(Text).map(Self)
    }
}

impl PartialSchema for SettingText {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::Array(vec![Type::String, Type::Integer, Type::Boolean]);
        RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(types).build()))
    }
}

impl ToSchema for SettingText {}

/// Every setting by name, in the catalogue's order.
#[derive(Debug)]
pub struct SystemSettings(pub Vec<(&'static str, SettingValue)>);

impl Serialize for SystemSettings {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut map = output.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The settings to be changed, each at most once.
#[derive(Debug)]
pub struct SettingsChange(pub Vec<(String, SettingChange)>);

impl<'de> Deserialize<'de> for SettingsChange {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Settings;
        impl<'de> Visitor<'de> for Settings {
            type Value = Vec<(String, SettingChange)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with settings by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut settings: Self::Value = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if settings.iter().any(|(known, _)| *known == name) {
                        return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                    settings.push((name, map.next_value()?));
                }
                Ok(settings)
            }
        }
        input.deserialize_map(Settings).map(Self)
    }
}

/// `openapi.rs` puts the names in.
fn object_of(value: &str) -> RefOr<Schema> {
    let value = RefOr::Ref(Ref::from_schema_name(value));
    let object = ObjectBuilder::new().schema_type(Type::Object);
    RefOr::T(Schema::Object(object.additional_properties(Some(AdditionalProperties::RefOr(value))).build()))
}

impl PartialSchema for SystemSettings {
    fn schema() -> RefOr<Schema> {
        object_of("SettingValue")
    }
}

impl ToSchema for SystemSettings {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SettingValue::name().into_owned(), SettingValue::schema()));
    }
}

impl PartialSchema for SettingsChange {
    fn schema() -> RefOr<Schema> {
        object_of("SettingChange")
    }
}

impl ToSchema for SettingsChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SettingChange::name().into_owned(), SettingChange::schema()));
        SettingChange::schemas(schemas);
    }
}

/// What is to be read before signing in.
#[derive(Debug, serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInPage {
    /// Empty where nothing is to be said.
    pub message: String,
    /// Whether a sign-in must say `termsAccepted: true`.
    pub terms_and_conditions_enabled: bool,
    /// The heading of the terms, where they must be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_and_conditions_title: Option<String>,
    /// The terms, where they must be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_and_conditions_message: Option<String>,
}
