//! Plans: ordered, typed steps that a backend executes.
