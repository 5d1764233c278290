//! The common part of both hub protocols: the fields of an invocation and of a completion, and the serde adapters for
//! the array of arguments. This file knows neither JSON nor MessagePack.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// The fields of an invocation. Only the arguments are still encoded.
pub(crate) struct Envelope {
    pub(crate) invocation_id: Option<String>,
    pub(crate) target: String,
    /// One well-formed array, encoded in the protocol of the call.
    pub(crate) arguments: Bytes,
    pub(crate) argument_count: usize,
}

/// The outcome that a completion reports.
pub(crate) enum Outcome<'a, T: ?Sized> {
    Error(&'a str),
    Result(&'a T),
    Void,
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Deserializes the array of arguments into one type. Every type sees a sequence, so that both formats treat it alike.
/// Both formats reject elements that the type does not read.
///
/// Newtypes and options are transparent; a unit is the empty array.
pub(crate) struct ArgumentList<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ArgumentList<D> {
    type Error = D::Error;

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_seq(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let [] = <[(); 0]>::deserialize(self)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        seq tuple tuple_struct map struct enum identifier
    }
}

/// Deserializes one element of an array and skips the others.
pub(crate) struct Element<T> {
    index: usize,
    of: PhantomData<T>,
}

impl<T> Element<T> {
    pub(crate) fn at(index: usize) -> Self {
        Self { index, of: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Element<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} arguments", self.index)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        for before in 0..self.index {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Err(de::Error::invalid_length(before, &self));
            }
        }
        let Some(element) = seq.next_element()? else {
            return Err(de::Error::invalid_length(self.index, &self));
        };
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(element)
    }
}

/// Counts the elements of an array.
pub(crate) struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}
