use model::SpanKind;

use crate::fields::{Fields, Protocol, Text};
use crate::tables::NewOperation;

/// What a span's operation is called: by route, RPC method, database operation or destination,
/// else by the span's name.
#[inline(always)]
pub(super) fn name_of<'a>(kind: SpanKind, fields: &Fields<'a>, name: &'a [u8]) -> NewOperation<'a> {
    let get = |text| fields.get(text);
    let (first, separator, second, route): (&[u8], char, &[u8], &[u8]) = match fields.protocol {
        Protocol::Http if !get(Text::Route).is_empty() => {
            let route = get(Text::Route);
            (get(Text::Method), ' ', route, if kind.serves() { route } else { &[] })
        }
        Protocol::Rpc if !get(Text::RpcMethod).is_empty() => {
            (get(Text::RpcService), '/', get(Text::RpcMethod), &[])
        }
        Protocol::Database if !get(Text::DbSummary).is_empty() => {
            (get(Text::DbSummary), ' ', &[], &[])
        }
        Protocol::Database if !get(Text::DbOperation).is_empty() => {
            (get(Text::DbOperation), ' ', get(Text::DbCollection), &[])
        }
        Protocol::Messaging if !get(Text::Destination).is_empty() => {
            (get(Text::MessagingOperation), ' ', get(Text::Destination), &[])
        }
        _ => (name, ' ', &[], &[]),
    };
    NewOperation { kind, first, separator, second, route }
}

/// Flags are told apart by their keys, so that a flag that takes another variant shows as that.
pub(super) fn flag_key(fields: &Fields<'_>) -> String {
    match fields.get(Text::FlagKey) {
        [] => "feature_flag.result.variant".to_owned(),
        key => format!("feature_flag.{}", String::from_utf8_lossy(key)),
    }
}
