//! Workers, engine loop, real clock, supervision, reload and drain.
