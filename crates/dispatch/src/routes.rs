use borsh::{BorshDeserialize, BorshSerialize};
use model::Urgency;

/// The route of deliveries where no notification target is named.
pub const DEFAULT_ROUTE: &str = "default";

/// A way to those who are told.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Route {
    /// The name of the notification target, or [`DEFAULT_ROUTE`].
    pub name: String,
    /// What they are asked for.
    pub urgency: Urgency,
    /// Whether they are told that it is over.
    pub tells_resolved: bool,
}

/// Who is told of an alert or an incident.
///
/// Invariant: by name, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// The default route alone.
    #[must_use]
    pub fn of_default(urgency: Urgency) -> Self {
        let name = DEFAULT_ROUTE.to_owned();
        Self(vec![Route { name, urgency, tells_resolved: true }])
    }

    /// Adds a route. One that is there already is asked for the more urgent of both, and told that
    /// it is over if either wants it so.
    pub fn add(&mut self, route: Route) {
        match self.0.binary_search_by(|known| known.name.cmp(&route.name)) {
            Ok(at) => {
                let known = &mut self.0[at];
                known.urgency = known.urgency.max(route.urgency);
                known.tells_resolved |= route.tells_resolved;
            }
            Err(at) => self.0.insert(at, route),
        }
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().cloned().for_each(|route| self.add(route));
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Route> {
        let at = self.0.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?;
        self.0.get(at)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nobody is named: the default route alone, which is told that it is over.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.has_default_alone() && self.0.iter().all(|route| route.tells_resolved)
    }

    /// Whether the default route is the only one.
    #[must_use]
    pub fn has_default_alone(&self) -> bool {
        matches!(self.0.as_slice(), [only] if only.name == DEFAULT_ROUTE)
    }

    /// Whether somebody is told here who is not in `before`, or was asked for less there.
    #[must_use]
    pub fn exceeds(&self, before: &Self) -> bool {
        self.0.iter().any(|route| before.lacks(route))
    }

    pub(crate) fn lacks(&self, route: &Route) -> bool {
        self.get(&route.name).is_none_or(|known| known.urgency < route.urgency)
    }
}
