//! The built-in profile, compiled once for the usual container.

use std::borrow::Cow;

use containerv_spec::CapabilitySet;

use super::default_profile::{deciding_capabilities, default_profile};
use super::{Context, compile};
use crate::Result;

/// The program for [`CapabilitySet::DEFAULT`]. A test compares it with what `compile` makes, and
/// writes it anew if `CONTAINERV_REGENERATE` is set.
const COMPILED: &[u8] = include_bytes!("default.bpf");

/// First kernel on which every rule of the built-in profile applies that asks for one.
const LEAST_KERNEL: (u32, u32) = (4, 8);

/// Returns the program of the built-in profile as an array of `struct sock_filter`. It needs no flags.
///
/// # Errors
///
/// None in practice: the profile is fixed, and compiles for every context.
pub(crate) fn default_filter(context: &Context) -> Result<Cow<'static, [u8]>> {
    match is_usual(context) {
        true => Ok(Cow::Borrowed(COMPILED)),
        false => Ok(Cow::Owned(compile(&default_profile(), context)?.to_bytes())),
    }
}

/// Says whether the profile's conditions come out as for [`CapabilitySet::DEFAULT`].
fn is_usual(context: &Context) -> bool {
    let deciding = deciding_capabilities();
    let usual = CapabilitySet::DEFAULT.intersection(deciding);
    context.kernel >= LEAST_KERNEL && context.capabilities.intersection(deciding) == usual
}
