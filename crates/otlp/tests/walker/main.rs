//! The readers from outside: against prost, and by hand.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod json;
#[cfg(test)]
mod json_cases;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod wire_cases;
