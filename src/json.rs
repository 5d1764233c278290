//! Strict reading of one JSON object: every top-level name at most once and not too many of them, only the
//! members asked for are kept, and a member of the wrong type is told apart from text that is no JSON.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

/// The members of an object that a caller wants to read.
pub(crate) trait Members<'de>: Default {
    /// Reads the value of `name` from `map`, or says that it does not know the name.
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error>;

    /// Whether `name`, once unescaped, is a dangerous look-alike of a member that is read.
    fn is_look_alike(_name: &str) -> bool {
        false
    }
}

/// What a [`Members`] did with a name.
pub(crate) enum Known {
    /// It read the value.
    Yes,
    /// It left the value where it is: the name is not known, or its value does not matter.
    No,
    /// It had read a value of this name before.
    Again,
}

/// Reads the value of a member unless there is one already.
pub(crate) fn read_into<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    member: &mut Option<T>,
    map: &mut A,
) -> Result<Known, A::Error> {
    if member.is_some() {
        return Ok(Known::Again);
    }
    *member = Some(map.next_value()?);
    Ok(Known::Yes)
}

/// The same for a string, whose member holds just that.
pub(crate) fn read_text<'de, A: MapAccess<'de>>(
    member: &mut Option<Cow<'de, str>>,
    map: &mut A,
) -> Result<Known, A::Error> {
    if member.is_some() {
        return Ok(Known::Again);
    }
    *member = Some(map.next_value::<Text<'de>>()?.0);
    Ok(Known::Yes)
}

/// Why an object could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ObjectFault {
    /// A name occurs twice, or beside a look-alike.
    Duplicate,
    /// The text is not JSON, or not an object, or one of more than 256 members.
    NotAnObject,
    /// A member that is read has the wrong type, or a name is no text.
    WrongType,
}

/// Reads a whole text as one object.
pub(crate) fn object<'de, T: Members<'de>>(text: &'de [u8]) -> Result<T, ObjectFault> {
    // serde_json does not look at the encoding of strings that it skips.
    let text = str::from_utf8(text).map_err(|_| ObjectFault::NotAnObject)?;
    let duplicate = Cell::new(false);
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Object { duplicate: &duplicate, members: PhantomData }.deserialize(&mut json);
    match read.and_then(|members| json.end().map(|()| members)) {
        Ok(members) => Ok(members),
        // Reading stops at the first fault; bad syntax further on still outranks it. What the fault calls
        // itself is no guide: a number that fits nothing is bad syntax to serde_json, unless another crate of
        // the build has switched on `arbitrary_precision`.
        Err(_) if !is_object(text) => Err(ObjectFault::NotAnObject),
        Err(_) if duplicate.get() => Err(ObjectFault::Duplicate),
        Err(_) => Err(ObjectFault::WrongType),
    }
}

fn is_object(text: &str) -> bool {
    serde_json::from_str::<AnyObject>(text).is_ok()
}

/// An object that is only looked at for its syntax and its size.
struct AnyObject;

impl<'de> Deserialize<'de> for AnyObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for AnyObject {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut members = 0;
        while let Some(AnyName) = map.next_key()? {
            members = one_more(members)?;
            map.next_value::<IgnoredAny>()?;
        }
        Ok(self)
    }
}

/// A name, be it a text or not: half a character is JSON (RFC 8259 section 8.2).
struct AnyName;

impl<'de> Deserialize<'de> for AnyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Self)
    }
}

impl Visitor<'_> for AnyName {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Self, E> {
        Ok(self)
    }
}

/// Counts a member. Each name costs a comparison with all before it.
fn one_more<E: de::Error>(members: usize) -> Result<usize, E> {
    if members < MAX_MEMBERS { Ok(members + 1) } else { Err(E::custom("too many members")) }
}

/// Entra's tokens have about thirty claims and its documents about as many members.
const MAX_MEMBERS: usize = 256;

struct Object<'s, T> {
    duplicate: &'s Cell<bool>,
    members: PhantomData<T>,
}

impl<'de, T: Members<'de>> DeserializeSeed<'de> for Object<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Members<'de>> Visitor<'de> for Object<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut members = T::default();
        let mut others = SeenNames::none();
        let mut count = 0;
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            count = one_more(count)?;
            let is_new = match members.read(&name, &mut map)? {
                Known::Yes => continue,
                Known::Again => false,
                Known::No => !T::is_look_alike(&name) && others.insert(name),
            };
            if !is_new {
                self.duplicate.set(true);
                return Err(A::Error::custom("duplicate name"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(members)
    }
}

/// The names seen so far whose values are not kept: a short list as long as tokens look like Entra's, a
/// set beyond that, so that hundreds of names cost no more each than a few do.
struct SeenNames<'de> {
    few: [Cow<'de, str>; 16],
    count: usize,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> SeenNames<'de> {
    fn none() -> Self {
        Self { few: [const { Cow::Borrowed("") }; 16], count: 0, many: HashSet::new() }
    }

    /// Takes in a name, or says that it is there already.
    fn insert(&mut self, name: Cow<'de, str>) -> bool {
        if self.few.iter().take(self.count).any(|seen| *seen == name) {
            return false;
        }
        match self.few.get_mut(self.count) {
            Some(place) => *place = name,
            None => return self.many.insert(name),
        }
        self.count += 1;
        true
    }
}

/// A JSON string, borrowed where it holds no escape.
#[derive(Clone, Debug)]
pub(crate) struct Text<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// A JSON string, or an array of strings.
#[derive(Clone, Debug)]
pub(crate) enum Texts<'de> {
    One(Cow<'de, str>),
    Many(Vec<Cow<'de, str>>),
}

impl<'de> Texts<'de> {
    pub(crate) fn as_slice(&self) -> &[Cow<'de, str>] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

impl<'de> Deserialize<'de> for Texts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;

        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Texts<'de>, E> {
                Ok(Texts::One(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts<'de>, E> {
                Ok(Texts::One(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts<'de>, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(text)) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts::Many(texts))
            }
        }

        deserializer.deserialize_any(TextsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Sample<'de> {
        text: Option<Cow<'de, str>>,
        number: Option<i64>,
    }

    impl<'de> Members<'de> for Sample<'de> {
        fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<Known, A::Error> {
            match name {
                "text" => read_text(&mut self.text, map),
                "number" => read_into(&mut self.number, map),
                _ => Ok(Known::No),
            }
        }

        fn is_look_alike(name: &str) -> bool {
            name.eq_ignore_ascii_case("text") && name != "text"
        }
    }

    fn fault(text: impl AsRef<[u8]>) -> ObjectFault {
        object::<Sample<'_>>(text.as_ref()).unwrap_err()
    }

    #[test]
    fn known_members_are_read_and_the_rest_is_skipped() {
        let sample: Sample<'_> = object(br#" {"a":{"a":[1,{"a":2}]},"text":"x\u0079","number":-7,"b":null} "#).unwrap();
        assert_eq!(sample.text.as_deref(), Some("xy"));
        assert_eq!(sample.number, Some(-7));
    }

    #[test]
    fn a_name_twice_is_found_also_when_unknown_or_escaped() {
        for text in [
            r#"{"text":"a","text":"a"}"#,
            r#"{"text":"a","text":1}"#,
            r#"{"other":1,"other":1}"#,
            r#"{"other":1,"\u006fther":1}"#,
            r#"{"TEXT":"a"}"#,
            r#"{"T\u0065xt":1,"text":"a"}"#,
        ] {
            assert_eq!(fault(text), ObjectFault::Duplicate, "{text}");
        }
        // Under Miri each name takes its time.
        let count = if cfg!(miri) { 40 } else { 250 };
        let many: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
        assert!(object::<Sample<'_>>(format!("{{{}}}", many.join(",")).as_bytes()).is_ok());
        assert_eq!(fault(format!("{{{},\"{}\":0}}", many.join(","), count - 5)), ObjectFault::Duplicate);
        assert_eq!(fault(format!("{{{},\"4\":0}}", many.join(","))), ObjectFault::Duplicate);
    }

    #[test]
    fn an_object_of_too_many_members_is_none_whatever_else_is_wrong_with_it() {
        let with = |count: usize, last: &str| {
            let members: String = (1..count).map(|n| format!("\"{n}\":0,")).collect();
            object::<Sample<'_>>(format!("{{{members}{last}}}").as_bytes()).map(drop)
        };
        for last in ["\"other\":0", "\"text\":\"a\""] {
            assert_eq!(with(MAX_MEMBERS, last), Ok(()));
            assert_eq!(with(MAX_MEMBERS + 1, last), Err(ObjectFault::NotAnObject));
        }
        for (last, fault) in [
            ("\"1\":0", ObjectFault::Duplicate),
            ("\"text\":0", ObjectFault::WrongType),
            ("\"\\ud800\":0", ObjectFault::WrongType),
        ] {
            assert_eq!(with(MAX_MEMBERS, last), Err(fault), "{last}");
            assert_eq!(with(MAX_MEMBERS + 1, last), Err(ObjectFault::NotAnObject), "{last}");
        }
        let early = format!("{{\"text\":0{}}}", ",\"a\":0".repeat(MAX_MEMBERS));
        assert_eq!(fault(early), ObjectFault::NotAnObject);
    }

    #[test]
    fn a_wrong_type_is_told_apart_from_bad_syntax() {
        for text in [
            r#"{"text":null}"#,
            r#"{"text":["a"]}"#,
            r#"{"number":"1"}"#,
            r#"{"number":1.0}"#,
            r#"{"number":1e3}"#,
            r#"{"number":9223372036854775808}"#,
            r#"{"number":100000000000000000000}"#,
            r#"{"number":1e400}"#,
            r#"{"text":-1e400}"#,
            // Half a character is JSON (RFC 8259 section 8.2), but no text.
            r#"{"text":"\ud800"}"#,
            r#"{"\ud800":1}"#,
            r#"{"number":true}"#,
            r#"{"number":{"$serde_json::private::Number":"1"}}"#,
        ] {
            assert_eq!(fault(text), ObjectFault::WrongType, "{text}");
        }
        for text in [
            "",
            "null",
            "1",
            "\"text\"",
            "[]",
            r#"["a",1]"#,
            "{",
            "{}}",
            "{} x",
            r#"{"text":"a",}"#,
            r#"{"text":null,"#,
            r#"{"text":null,"other":tru}"#,
            r#"{"number":01}"#,
            r#"{"number":NaN}"#,
            "\u{feff}{}",
            r#"{text:1}"#,
            "{'text':1}",
        ] {
            assert_eq!(fault(text), ObjectFault::NotAnObject, "{text}");
        }
        assert_eq!(fault(b"{\"other\":\"\xff\"}"), ObjectFault::NotAnObject);
        // Under Miri each bracket takes its time.
        let deep = if cfg!(miri) { 1_000 } else { 100_000 };
        assert_eq!(fault(format!("{{\"text\":{}", "[".repeat(deep))), ObjectFault::NotAnObject);
    }

    #[test]
    fn one_text_or_many() {
        let texts = |text| serde_json::from_str::<Texts<'_>>(text).map(|texts| texts.as_slice().len()).ok();
        assert_eq!(texts(r#""a""#), Some(1));
        assert_eq!(texts(r#"["a","b"]"#), Some(2));
        assert_eq!(texts("[]"), Some(0));
        for wrong in ["1", "null", "{}", r#"["a",null]"#, r#"[["a"]]"#] {
            assert_eq!(texts(wrong), None, "{wrong}");
        }
    }
}
