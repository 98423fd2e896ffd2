use crate::arena::{Generation, NONE};
use crate::options::IDLE_GENERATIONS;
use crate::tables::Tables;

impl Tables {
    /// Begins a generation and lets go of what was idle for [`IDLE_GENERATIONS`], but not of what
    /// something names that is still in use. Runs over all entries, once a generation.
    pub(crate) fn sweep(&mut self, generation: Generation) {
        self.generation = generation;
        let since = generation.saturating_sub(IDLE_GENERATIONS);
        for (_, used, resource) in self.resources.iter() {
            self.services.keep(resource.service, used);
            self.tag_sets.keep(resource.tag_set, used);
            resource.tags.iter().for_each(|&tag| self.tags.keep(tag, used));
        }
        for (_, used, operation) in self.operations.iter() {
            self.services.keep(operation.service, used);
            if operation.route_tag != NONE {
                self.tags.keep(operation.route_tag, used);
            }
        }
        for (_, used, edge) in self.edges.iter() {
            self.services.keep(edge.caller, used);
        }
        for (_, used, tag) in self.tags.iter() {
            self.services.keep(tag.service, used);
        }
        for (_, used, template) in self.templates.iter() {
            self.services.keep(template.service, used);
        }
        for (_, used, service) in self.services.iter() {
            for &series in service.series.as_flattened().iter().filter(|&&id| id != NONE) {
                self.series.keep(series, used);
            }
        }
        self.operations.sweep(since);
        self.edges.sweep(since);
        self.resources.sweep(since);
        self.tags.sweep(since);
        self.tag_sets.sweep(since);
        self.templates.sweep(since);
        self.texts.sweep(since);
        self.services.sweep(since);
        self.series.sweep(since);
    }
}
