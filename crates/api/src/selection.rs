use contract::v1;
use model::{Incident, Severity, Status, Urgency};

use crate::fault::Fault;

/// Values that one field of a filter may list.
const VALUES_MAX: usize = 100;
const VALUE_BYTES_MAX: usize = 512;

/// Which incidents are wanted: an empty field matches all, lists are OR, fields are AND.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    statuses: Vec<Status>,
    urgencies: Vec<Urgency>,
    services: Vec<String>,
    severity_min: Option<Severity>,
    teams: Vec<String>,
}

impl Selection {
    pub(crate) fn new(filter: Option<&v1::Filter>) -> Result<Self, Fault> {
        let Some(filter) = filter else { return Ok(Self::default()) };
        let severity_min = match filter.severity_min {
            0 => None,
            number => Some(known::<v1::Severity, _>("filter.severity_min", number)?),
        };
        Ok(Self {
            statuses: all_known::<v1::Status, _>("filter.statuses", &filter.statuses)?,
            urgencies: all_known::<v1::Urgency, _>("filter.urgencies", &filter.urgencies)?,
            services: texts("filter.services", &filter.services)?,
            severity_min,
            teams: texts("filter.teams", &filter.teams)?,
        })
    }

    pub(crate) fn matches(&self, incident: &Incident) -> bool {
        any(&self.statuses, &incident.status)
            && any(&self.urgencies, &incident.urgency)
            && self.severity_min.is_none_or(|min| incident.severity >= min)
            && any(&self.teams, &incident.ownership.team)
            && (self.services.is_empty() || self.names_a_service_of(incident))
    }

    /// Services that are hit, that are suspected, and that the path leads through.
    fn names_a_service_of(&self, incident: &Incident) -> bool {
        let hit = incident.impact.services.iter().map(|hop| &hop.service);
        let burning = incident.impact.slos.iter().map(|slo| &slo.service);
        let causes = incident.causes.iter().map(|cause| &cause.service);
        let path = incident.path.iter().flat_map(|hop| [&hop.from_service, &hop.to_service]);
        hit.chain(burning)
            .chain(causes)
            .chain(path)
            .any(|service| self.services.iter().any(|wanted| is_called(service, wanted)))
    }
}

/// Whether the service `namespace/name@environment` may be called so: in full, without the
/// environment, or by its name alone.
pub(crate) fn is_called(service: &str, wanted: &str) -> bool {
    let without_environment = service.rsplit_once('@').map_or(service, |(rest, _)| rest);
    let name = without_environment.rsplit_once('/').map_or(without_environment, |(_, name)| name);
    [service, without_environment, name].contains(&wanted)
}

fn any<T: PartialEq>(wanted: &[T], is: &T) -> bool {
    wanted.is_empty() || wanted.contains(is)
}

fn all_known<W, M>(field: &str, numbers: &[i32]) -> Result<Vec<M>, Fault>
where
    W: TryFrom<i32>,
    M: TryFrom<W, Error = contract::Unspecified>,
{
    if numbers.len() > VALUES_MAX {
        return Err(Fault::invalid(field, format_args!("at most {VALUES_MAX} values")));
    }
    numbers.iter().map(|number| known::<W, M>(field, *number)).collect()
}

fn known<W, M>(field: &str, number: i32) -> Result<M, Fault>
where
    W: TryFrom<i32>,
    M: TryFrom<W, Error = contract::Unspecified>,
{
    let wire = W::try_from(number).map_err(|_| Fault::invalid(field, contract::Unspecified))?;
    M::try_from(wire).map_err(|unspecified| Fault::invalid(field, unspecified))
}

fn texts(field: &str, values: &[String]) -> Result<Vec<String>, Fault> {
    if values.len() > VALUES_MAX || values.iter().any(|value| value.len() > VALUE_BYTES_MAX) {
        let what = format_args!("at most {VALUES_MAX} values of at most {VALUE_BYTES_MAX} bytes");
        return Err(Fault::invalid(field, what));
    }
    Ok(values.to_vec())
}
