//! Networks, endpoints and namespaces.

use containerv_spec::hcs::Text;
use containerv_spec::hcs::network::{Endpoint, ModifyNamespace, Namespace, Network, Query};
use containerv_sys::windows::guid::Guid;
use containerv_sys::windows::network::Kind;

use super::{Performer, Result, json};
use crate::backend::hcs::explain::Failure;

/// `HCN_E_NETWORK_ALREADY_EXISTS`.
const EXISTS: u32 = 0x803B_0010;

impl Performer<'_> {
    /// Exactly one must have the name.
    pub(super) fn find_network(&self, query: &Query) -> Result<String> {
        const FUNCTION: &str = "HcnEnumerateNetworks";
        let list = self.windows.hcn.enumerate(Kind::Network, &json(FUNCTION, query)?)?;
        let ids: Vec<String> = serde_json::from_str(&list)
            .map_err(|error| Failure::words(FUNCTION, format!("not a list of identifiers: {error}")))?;
        match <[String; 1]>::try_from(ids) {
            Ok([id]) => guid(&id).map(|id| id.to_string()),
            Err(ids) => Err(Failure::words(FUNCTION, format!("{} networks have this name", ids.len()))),
        }
    }

    /// That somebody else has just made it is as good.
    pub(super) fn create_network(&self, id: &str, settings: &Network) -> Result<()> {
        let settings = json("HcnCreateNetwork", settings)?;
        match self.windows.hcn.create(Kind::Network, guid(id)?, &settings).map_err(Failure::from) {
            Err(failure) if failure.is(EXISTS) => Ok(()),
            created => created.map(drop),
        }
    }

    pub(super) fn create_endpoint(&self, network: &Text, id: &str, settings: &Endpoint) -> Result<()> {
        let settings = json("HcnCreateEndpoint", settings)?;
        let network = self.windows.hcn.open(Kind::Network, guid(&network.to_string())?)?;
        network.create_endpoint(guid(id)?, &settings)?;
        Ok(())
    }

    pub(super) fn delete_endpoint(&self, id: &str) -> Result<()> {
        Ok(self.windows.hcn.delete(Kind::Endpoint, guid(id)?)?)
    }

    pub(super) fn create_namespace(&self, id: &str, settings: &Namespace) -> Result<()> {
        let settings = json("HcnCreateNamespace", settings)?;
        self.windows.hcn.create(Kind::Namespace, guid(id)?, &settings)?;
        Ok(())
    }

    pub(super) fn delete_namespace(&self, id: &str) -> Result<()> {
        Ok(self.windows.hcn.delete(Kind::Namespace, guid(id)?)?)
    }

    pub(super) fn modify_namespace(&self, id: &str, settings: &ModifyNamespace) -> Result<()> {
        let settings = json("HcnModifyNamespace", settings)?;
        Ok(self.windows.hcn.open(Kind::Namespace, guid(id)?)?.modify(&settings)?)
    }
}

fn guid(text: &str) -> Result<Guid> {
    text.parse().map_err(|_| Failure::words("GUID", format!("`{text}` is none")))
}
