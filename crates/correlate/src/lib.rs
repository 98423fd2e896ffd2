//! Service graph, root-cause evidence and ranking, grouping of alerts into incidents.
