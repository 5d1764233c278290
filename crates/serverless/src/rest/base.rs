//! Where the calls of one endpoint begin.

use url::Url;

/// `https://host[:port][/base]`, without a `/` at its end.
#[derive(Debug)]
pub(crate) struct Base {
    text: String,
    url: Url,
}

impl Base {
    /// Takes a URL without a query and a fragment.
    pub(crate) fn new(url: Url) -> Self {
        Self { text: url.as_str().trim_end_matches('/').to_owned(), url }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The address of a call's target, which begins with `/`. `None` if it is none.
    ///
    /// Only the target is parsed; the host was parsed before.
    pub(crate) fn url(&self, target: &str) -> Option<Url> {
        let path = self.url.path().trim_end_matches('/');
        if path.is_empty() { self.url.join(target).ok() } else { self.url.join(&[path, target].concat()).ok() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(url: &str) -> Base {
        Base::new(Url::parse(url).unwrap())
    }

    #[test]
    fn target_follows_the_path_of_the_base() {
        for (url, text) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/", "https://a.example"),
            ("https://a.example:8443/b/c/", "https://a.example:8443/b/c"),
            ("http://[::1]:1/b", "http://[::1]:1/b"),
        ] {
            let base = base(url);
            assert_eq!(base.as_str(), text);
            assert_eq!(base.url("/api/x?y=%2F").unwrap().as_str(), format!("{text}/api/x?y=%2F"));
        }
    }

    proptest! {
        /// What is parsed in two steps is what a parser makes of the whole.
        #[test]
        fn address_is_that_of_the_whole_text(path in "(/[a-z]{1,3}){0,2}/?", target in "/api(/[a-z:%2E.]{1,6}){0,3}(\\?[a-z=&%]{0,6})?") {
            let base = base(&format!("https://a.example:8443{path}"));
            let whole = Url::parse(&format!("{}{target}", base.as_str())).unwrap();
            prop_assert_eq!(base.url(&target), Some(whole));
        }
    }
}
