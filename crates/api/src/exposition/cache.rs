use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use auth::Tenant;
use bytes::Bytes;
use engine::View;
use parking_lot::Mutex;

use super::gzip::{self, DeflateError, Deflated};
use super::{Format, families, own};

/// Bytes of expositions that are kept, by who may see them and by format, beside the newest one.
/// When full, the others are made anew.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// Looks at the SLOs of the tenants that a scraper may see.
type Views = BTreeMap<Tenant, Arc<View>>;
/// `None` sees all tenants.
type Key = (Option<Tenant>, Format);

/// Renders each look at the SLOs once.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    kept: Mutex<BTreeMap<Key, Rendered>>,
}

/// An answer to a scrape, in parts that answers share.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) parts: Vec<Bytes>,
    pub(crate) gzip: bool,
}

#[derive(Clone, Debug)]
struct Rendered {
    /// What it was made of. Even a weak hold keeps a newer look from having the same address.
    views: BTreeMap<Tenant, Weak<View>>,
    text: Bytes,
    deflated: Option<Deflated>,
}

impl Exposition {
    /// The answer to a scrape by somebody who may see all tenants, or only one. Takes time that
    /// grows with the SLOs: not to be called where others wait.
    pub(crate) fn body(
        &self,
        views: &Views,
        own_text: &str,
        only: Option<&Tenant>,
        format: Format,
        gzip: bool,
    ) -> Body {
        let own: Bytes = own::render(own_text, only, format).into();
        let visible = match only {
            None => views.clone(),
            Some(tenant) => views.get_key_value(tenant).map(owned).into_iter().collect(),
        };
        let rendered = self.rendered(visible, (only.cloned(), format), gzip);
        let compressed = || -> Result<Vec<Bytes>, DeflateError> {
            let first = rendered.deflated.as_ref().ok_or(DeflateError)?;
            Ok(gzip::join(first, &gzip::last(&own)?))
        };
        if let (true, Ok(parts)) = (gzip, compressed()) {
            return Body { parts, gzip };
        }
        Body { parts: vec![rendered.text, own], gzip: false }
    }

    /// Made under the lock, so that scrapers which come at once wait for one rendering.
    fn rendered(&self, views: Views, key: Key, gzip: bool) -> Rendered {
        let mut kept = self.kept.lock();
        // An old one is let go before the new one is made: they may be large.
        let known = kept.remove(&key).filter(|rendered| same(&rendered.views, &views));
        let mut rendered = known.unwrap_or_else(|| {
            let text = families::render(&views, key.1).into();
            let views = views.iter().map(|(t, view)| (Arc::clone(t), Arc::downgrade(view)));
            Rendered { views: views.collect(), text, deflated: None }
        });
        if gzip && rendered.deflated.is_none() {
            rendered.deflated = gzip::first(&rendered.text).ok();
        }
        if kept.values().map(Rendered::bytes).sum::<usize>() > KEPT_BYTES_MAX {
            kept.clear();
        }
        let _ = kept.insert(key, rendered.clone());
        rendered
    }
}

impl Rendered {
    fn bytes(&self) -> usize {
        self.text.len() + self.deflated.as_ref().map_or(0, Deflated::bytes)
    }
}

fn owned((tenant, view): (&Tenant, &Arc<View>)) -> (Tenant, Arc<View>) {
    (Arc::clone(tenant), Arc::clone(view))
}

fn same(a: &BTreeMap<Tenant, Weak<View>>, b: &Views) -> bool {
    let is_of = |v: &Weak<View>, w: &Arc<View>| std::ptr::eq(v.as_ptr(), Arc::as_ptr(w));
    a.len() == b.len() && a.iter().zip(b).all(|((t, v), (u, w))| t == u && is_of(v, w))
}
