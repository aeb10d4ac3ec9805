//! Compiles the Rust code that stands in the project's documents, so that none of it goes stale.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
mod guide {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/errors.md")]
mod errors {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/plans.md")]
mod plans {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/images.md")]
mod images {}
