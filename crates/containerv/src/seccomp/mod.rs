//! placeholder until the compiler lands
use crate::Result;
use containerv_spec::CapabilitySet;
use containerv_spec::seccomp::Profile;
use std::borrow::Cow;
pub(crate) struct Context {
    pub(crate) capabilities: CapabilitySet,
    pub(crate) kernel: (u32, u32),
}
pub(crate) struct Filter {
    pub(crate) flags: u32,
    pub(crate) unknown: Vec<String>,
}
impl Filter {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
}
pub(crate) fn compile(_: &Profile, _: &Context) -> Result<Filter> {
    Ok(Filter { flags: 0, unknown: Vec::new() })
}
pub(crate) fn default_filter(_: &Context) -> Result<Cow<'static, [u8]>> {
    Ok(Cow::Borrowed(&[6, 0, 0, 0, 0, 0, 0xff, 0x7f]))
}
