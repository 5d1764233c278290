//! Parts of a value that a background task keeps fresh.
