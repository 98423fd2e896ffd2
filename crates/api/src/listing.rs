use std::cmp::Reverse;
use std::sync::Arc;

use contract::{timestamp_from, v1};
use model::{Incident, IncidentId, Timestamp};
use prost::Message;

use crate::fault::Fault;
use crate::selection::Selection;

const PAGE_SIZE_MAX: u32 = 1000;
const PAGE_SIZE_DEFAULT: u32 = 100;
/// A page ends early before it grows beyond this: it must fit the 4 MiB that gRPC clients take.
const PAGE_BYTES_MAX: usize = 3 << 20;

/// Where an incident stands in a list: newest first. Neither part ever changes, so that pages
/// neither skip nor repeat an incident while others come and go.
type Place = (Timestamp, IncidentId);

/// A wish for one page of incidents.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    selection: Selection,
    /// Those that changed at or after this moment.
    since: Timestamp,
    size: usize,
    after: Option<Place>,
}

impl Listing {
    pub(crate) fn new(request: &v1::ListRequest) -> Result<Self, Fault> {
        let size = match request.page_size {
            0 => PAGE_SIZE_DEFAULT,
            size @ 1..=PAGE_SIZE_MAX => size,
            _ => return Err(Fault::invalid("page_size", format_args!("1 to {PAGE_SIZE_MAX}"))),
        };
        let after = match request.page_token.as_str() {
            "" => None,
            token => {
                let what = "not a token that fogbell gave";
                Some(place_from(token).ok_or_else(|| Fault::invalid("page_token", what))?)
            }
        };
        Ok(Self {
            selection: Selection::new(request.filter.as_ref())?,
            since: timestamp_from(request.since.as_ref()),
            size: size as usize,
            after,
        })
    }

    pub(crate) fn page(&self, incidents: Vec<Arc<Incident>>) -> v1::ListResponse {
        let mut incidents = incidents;
        incidents.retain(|incident| {
            self.after.is_none_or(|after| place(incident) < after)
                && incident.updated_at >= self.since
                && self.selection.matches(incident)
        });
        incidents.sort_unstable_by_key(|incident| Reverse(place(incident)));
        let mut page = v1::ListResponse::default();
        let mut page_bytes = 0;
        let mut last = None;
        for incident in &incidents {
            let wire = v1::Incident::from(&**incident);
            page_bytes += wire.encoded_len();
            let full = page.incidents.len() == self.size || page_bytes > PAGE_BYTES_MAX;
            if let (true, Some(last)) = (full, last) {
                page.next_page_token = token(last);
                break;
            }
            page.incidents.push(wire);
            last = Some(place(incident));
        }
        page
    }
}

fn place(incident: &Incident) -> Place {
    (incident.detected_at, incident.id)
}

fn token((at, id): Place) -> String {
    format!("{:016x}-{id}", at.unix_ns())
}

fn place_from(token: &str) -> Option<Place> {
    let (ns, id) = token.split_once('-')?;
    let ns = u64::from_str_radix(ns, 16).ok()?;
    Some((Timestamp::from_unix_ns(ns), id.parse().ok()?))
}
