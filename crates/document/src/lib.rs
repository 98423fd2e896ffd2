//! YAML documents whose every value knows its place, read so that all errors are reported at once.
