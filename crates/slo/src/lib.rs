//! OpenSLO documents to compiled SLIs; panes and sliding windows; error budgets; burn-rate judgement.
