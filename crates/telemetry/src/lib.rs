//! fogbell's own metrics, their names in one place, and the set-up of its logs.
