//! The commands of a drawing (`docs/wire` §5.2), in MessagePack, or in JSON, which some descriptions name.
//! Unknown commands are ignored. A record that exceeds the limits is an error.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// The most commands in one record.
const MAX_COMMANDS: usize = 200_000;

/// The most arguments of a command or an object.
const MAX_ARGUMENTS: usize = 16;

/// The deepest nesting. A command is three lists deep.
const MAX_DEPTH: usize = 32;

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DrawingCommand {
    /// The number of the canvas.
    pub(super) canvas: i64,
    /// Its name.
    pub(super) name: String,
    /// The arguments.
    pub(super) arguments: Vec<Value>,
}

/// An argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Any number.
    Number(f64),
    /// A name or a colour.
    Text(String),
    /// The description of an object.
    List(Vec<Value>),
    /// Any other value.
    Other,
}

impl Value {
    /// Returns a finite number within the range that can be drawn.
    pub(super) fn number(&self) -> Option<f32> {
        match self {
            Self::Number(number) if number.is_finite() => Some(number.clamp(-1e5, 1e5) as f32),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn id(&self) -> Option<i64> {
        match self {
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            _ => None,
        }
    }
}

/// Reads a record.
///
/// # Errors
/// The problem, as part of a sentence.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<DrawingCommand>, String> {
    let Commands(commands) = if bytes.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?
    } else {
        let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
        reader.set_max_depth(MAX_DEPTH);
        Commands::deserialize(&mut reader).map_err(|error| error.to_string())?
    };
    Ok(commands)
}

struct Commands(Vec<DrawingCommand>);

impl<'de> Deserialize<'de> for Commands {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Commands;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of drawing commands")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Commands, A::Error> {
                let mut commands = Vec::new();
                while let Some(Value(value)) = list.next_element::<Value>()? {
                    if commands.len() == MAX_COMMANDS {
                        return Err(serde::de::Error::custom("more commands than can be drawn"));
                    }
                    commands.extend(value);
                }
                Ok(Commands(commands))
            }
        }

        /// A command, or `None` for any other value.
        struct Value(Option<DrawingCommand>);
        impl<'de> Deserialize<'de> for Value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self(command(&super::command::Value::deserialize(deserializer)?)))
            }
        }

        deserializer.deserialize_any(List)
    }
}

fn command(value: &Value) -> Option<DrawingCommand> {
    let Value::List(parts) = value else { return None };
    let (canvas, rest) = parts.split_first()?;
    let (name, arguments) = rest.split_first()?;
    Some(DrawingCommand {
        canvas: canvas.id()?,
        name: name.text()?.to_owned(),
        arguments: arguments.to_vec(),
    })
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Number(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Number(number as f64))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Number(number))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                // Names and colours are short.
                Ok(Value::Text(text.chars().take(64).collect()))
            }

            fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                let mut values = Vec::new();
                while values.len() < MAX_ARGUMENTS {
                    let Some(value) = list.next_element()? else { return Ok(Value::List(values)) };
                    values.push(value);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::List(values))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| Value::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
