//! fogbell.yaml, environment and OpenSLO files to one validated configuration; every limit is named here.
