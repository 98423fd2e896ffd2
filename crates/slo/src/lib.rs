//! OpenSLO documents to compiled SLIs; panes and sliding windows; error budgets; burn-rate judgement.

pub mod budget;
pub mod filter;
pub mod judge;
pub mod openslo;
pub mod pairing;
pub mod panes;
pub mod presence;
pub mod stream;
pub mod tier;
pub mod window;
