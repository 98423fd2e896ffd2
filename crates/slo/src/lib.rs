//! OpenSLO documents to compiled SLIs; panes and sliding windows; error budgets;
//! judgement and forecast.

pub mod budget;
pub mod composite;
pub mod filter;
pub mod judge;
pub mod openslo;
pub mod pairing;
pub mod panes;
pub mod presence;
pub mod rhythm;
pub mod slices;
pub mod source;
pub mod stream;
pub mod tier;
pub mod window;
mod words;

pub use words::duration_text;
