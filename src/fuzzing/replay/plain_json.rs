//! A reference parser of JSON (RFC 8259): no library, no shortcuts, nothing shared with the crate.

/// Any JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    /// `None` if an escape names half a surrogate pair, which is no character.
    Text(Option<String>),
    List(Vec<Self>),
    /// The members in their order, names any number of times.
    Object(Vec<(Option<String>, Self)>),
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    NotJson,
    /// Nested deeper than this reader goes; nothing is said about it.
    TooDeep,
}

const MAX_DEPTH: usize = 100;

/// Reads a whole text.
pub fn parse(text: &[u8]) -> Result<Json, Fault> {
    let text = std::str::from_utf8(text).map_err(|_| Fault::NotJson)?;
    let mut reader = Reader { rest: text.as_bytes(), depth: 0 };
    let value = reader.value()?;
    reader.blank();
    if reader.rest.is_empty() { Ok(value) } else { Err(Fault::NotJson) }
}

impl Json {
    /// The members of an object.
    pub fn members(&self) -> Option<&[(Option<String>, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The members of a token's part or of a document, which has 256 at most.
    pub fn few_members(&self) -> Option<&[(Option<String>, Self)]> {
        self.members().filter(|members| members.len() <= 256)
    }

    /// The text of a string that is made of characters.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            _ => None,
        }
    }

    /// The value of an integer literal of 64 bits: digits, perhaps behind a minus. `-0` is none.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(literal) if literal != "-0" => literal.parse().ok(),
            _ => None,
        }
    }

    /// The value of a time: seconds since 1970, digits alone.
    pub fn time(&self) -> Option<i64> {
        self.integer().filter(|seconds| *seconds >= 0)
    }

    /// The strings of a string or of an array of strings.
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Text(_) => Some(vec![self.text()?]),
            Self::List(values) => values.iter().map(Self::text).collect(),
            _ => None,
        }
    }
}

struct Reader<'t> {
    rest: &'t [u8],
    depth: usize,
}

impl Reader<'_> {
    fn blank(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn next(&mut self) -> Result<u8, Fault> {
        let [first, rest @ ..] = self.rest else { return Err(Fault::NotJson) };
        self.rest = rest;
        Ok(*first)
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, Fault> {
        self.rest = self.rest.strip_prefix(word.as_bytes()).ok_or(Fault::NotJson)?;
        Ok(value)
    }

    fn value(&mut self) -> Result<Json, Fault> {
        self.blank();
        match self.rest.first() {
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'[') => self.nested(Self::list),
            Some(b'{') => self.nested(Self::object),
            Some(_) => self.number(),
            None => Err(Fault::NotJson),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, Fault>) -> Result<Json, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        self.depth += 1;
        self.next()?;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Json, Fault> {
        let mut values = Vec::new();
        self.blank();
        if self.rest.first() == Some(&b']') {
            self.next()?;
            return Ok(Json::List(values));
        }
        loop {
            values.push(self.value()?);
            self.blank();
            match self.next()? {
                b',' => {}
                b']' => return Ok(Json::List(values)),
                _ => return Err(Fault::NotJson),
            }
        }
    }

    fn object(&mut self) -> Result<Json, Fault> {
        let mut members = Vec::new();
        self.blank();
        if self.rest.first() == Some(&b'}') {
            self.next()?;
            return Ok(Json::Object(members));
        }
        loop {
            self.blank();
            let name = self.string()?;
            self.blank();
            if self.next()? != b':' {
                return Err(Fault::NotJson);
            }
            members.push((name, self.value()?));
            self.blank();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(Json::Object(members)),
                _ => return Err(Fault::NotJson),
            }
        }
    }

    fn string(&mut self) -> Result<Option<String>, Fault> {
        if self.next()? != b'"' {
            return Err(Fault::NotJson);
        }
        let mut units: Vec<u16> = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Ok(String::from_utf16(&units).ok()),
                0..=0x1f => return Err(Fault::NotJson),
                b'\\' => units.push(self.escape()?),
                first => {
                    // The whole text is UTF-8, so a character has as many bytes as its first one says.
                    let more = match first {
                        0..=0x7f => 0,
                        0xc0..=0xdf => 1,
                        0xe0..=0xef => 2,
                        _ => 3,
                    };
                    let mut character = vec![first];
                    for _ in 0..more {
                        character.push(self.next()?);
                    }
                    units.extend(std::str::from_utf8(&character).unwrap().encode_utf16());
                }
            }
        }
    }

    fn escape(&mut self) -> Result<u16, Fault> {
        Ok(match self.next()? {
            quoted @ (b'"' | b'\\' | b'/') => u16::from(quoted),
            b'b' => 8,
            b't' => 9,
            b'n' => 10,
            b'f' => 12,
            b'r' => 13,
            b'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = char::from(self.next()?).to_digit(16).ok_or(Fault::NotJson)?;
                    unit = unit * 16 + u16::try_from(digit).unwrap();
                }
                unit
            }
            _ => return Err(Fault::NotJson),
        })
    }

    fn number(&mut self) -> Result<Json, Fault> {
        let start = self.rest;
        if self.rest.first() == Some(&b'-') {
            self.next()?;
        }
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return Err(Fault::NotJson),
        }
        if self.rest.first() == Some(&b'.') {
            self.next()?;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.rest.first() {
            self.next()?;
            if let Some(b'+' | b'-') = self.rest.first() {
                self.next()?;
            }
            self.some_digits()?;
        }
        let literal = &start[..start.len() - self.rest.len()];
        Ok(Json::Number(String::from_utf8(literal.to_vec()).unwrap()))
    }

    fn digits(&mut self) {
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn some_digits(&mut self) -> Result<(), Fault> {
        if !self.next()?.is_ascii_digit() {
            return Err(Fault::NotJson);
        }
        self.digits();
        Ok(())
    }
}

/// Panics if an object has a name twice.
pub fn assert_no_name_twice(object: &Json) {
    let members = object.few_members().expect("an object");
    let mut names: Vec<_> = members.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}
