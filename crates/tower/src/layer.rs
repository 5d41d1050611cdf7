//! `RequireToken`: a tower layer that lets a request through to the inner service only with a permit.
