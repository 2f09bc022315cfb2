//! Who may come in: connections by address.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Counts accepted connections by their peer's address. IPv4 peers of a dual-stack socket count as
/// the IPv4 addresses they are.
#[derive(Default)]
pub(crate) struct ByAddress(BTreeMap<IpAddr, u32>);

impl ByAddress {
    /// Counts one more, unless the address is at its limit.
    pub(crate) fn enter(&mut self, address: IpAddr, limit: u32) -> bool {
        let count = self.0.entry(address.to_canonical()).or_default();
        let admitted = *count < limit;
        *count += u32::from(admitted);
        admitted
    }

    pub(crate) fn leave(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        if let Some(count) = self.0.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_at_its_limit_waits_for_one_to_leave() {
        let mut counts = ByAddress::default();
        let address: IpAddr = [127, 0, 0, 1].into();
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().expect("a literal");
        assert!(counts.enter(address, 2));
        assert!(counts.enter(mapped, 2));
        assert!(!counts.enter(address, 2));
        counts.leave(mapped);
        assert!(counts.enter(address, 2));
        counts.leave(address);
        counts.leave(address);
        assert!(counts.0.is_empty());
    }
}
