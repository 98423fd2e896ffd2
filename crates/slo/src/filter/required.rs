use super::plan::{Step, joined};
use super::predicate::Predicate;
use super::{Plan, Program, SlotValue};

/// A field that must equal one of some texts for a program to pass: what programs can be looked up
/// by, so that an event need not be shown to all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// The field's slot.
    pub slot: u16,
    /// The texts, sorted.
    pub texts: Vec<Box<[u8]>>,
}

impl Required {
    /// Whether a value is one of the texts.
    #[must_use]
    pub fn allows(&self, value: SlotValue<'_>) -> bool {
        let SlotValue::Str(value) = value else { return false };
        self.texts.binary_search_by(|text| (**text).cmp(value)).is_ok()
    }
}

impl Program {
    /// What the program requires, at most once for each field.
    #[must_use]
    pub fn required(&self, plan: &Plan) -> Vec<Required> {
        let mut all: Vec<Required> = Vec::new();
        for required in self.step.parts().iter().filter_map(|part| part.required(plan)) {
            if all.iter().all(|known| known.slot != required.slot) {
                all.push(required);
            }
        }
        all
    }

    /// The program for events that are known to fulfil one of [`Program::required`].
    #[must_use]
    pub fn given(&self, known: &Required, plan: &Plan) -> Self {
        let rest =
            self.step.parts().iter().filter(|part| part.required(plan).as_ref() != Some(known));
        Self { step: joined(rest.cloned().collect(), Step::And) }
    }
}

impl Step {
    /// What all must hold.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Self::And(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    fn required(&self, plan: &Plan) -> Option<Required> {
        match self {
            Self::Test(number) => {
                let test = plan.tests.get(*number as usize)?;
                match &test.predicate {
                    Predicate::Str { text, wanted: true } => {
                        Some(Required { slot: test.slot, texts: vec![text.clone()] })
                    }
                    _ => None,
                }
            }
            Self::Or(parts) => {
                let mut parts = parts.iter().map(|part| part.required(plan));
                let mut all = parts.next()??;
                for part in parts {
                    let part = part.filter(|part| part.slot == all.slot)?;
                    all.texts.extend(part.texts);
                }
                all.texts.sort();
                Some(all)
            }
            Self::And(_) | Self::Not(_) => None,
        }
    }
}
